"""Authenticate in async code, by the Authorization header of a request or a connection.

For async views, Channels' consumers and bare ASGI applications. A token that this process has
verified, of a user in its memory, is answered on the event loop; everything else in a thread.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import close_old_connections
from rest_framework_simplejwt.settings import api_settings

from usercache.auth.jwt import CachedJWTAuthentication, find_authentication
from usercache.auth.verified_tokens import get_verified_tokens
from usercache.codec import get_codec
from usercache.users import recall_user_by

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

HEADER: Final = b"authorization"
_STEPS: Final = ("get_validated_token", "get_user", "admit")


async def authenticate(header: bytes | str | None) -> "User | None":
    """Return the user of an Authorization header; None if it holds no token of ours.

    The project's CachedJWTAuthentication decides. What a subclass of it overrides runs in a thread.

    Raises:
        AuthenticationFailed: the token is refused, or the user; as `CachedJWTAuthentication` does.
    """
    raw_header = header.encode(errors="replace") if isinstance(header, str) else header
    raw_token = find_authentication().get_raw_token(raw_header or b"")
    return None if raw_token is None else await authenticate_token(raw_token)


async def authenticate_token(raw_token: bytes | str) -> "User":
    """Return the user of a token that came otherwise: in a cookie, or a WebSocket's subprotocol.

    Raises:
        AuthenticationFailed: likewise.
    """
    authentication = find_authentication()
    user = _recall(authentication, raw_token)
    if user is not None:
        return user
    return await sync_to_async(_authenticate)(authentication, raw_token)


def header_of(scope: Mapping[str, Any]) -> bytes | None:
    """Return the Authorization header of an ASGI scope, of HTTP or of a WebSocket."""
    return next((value for name, value in scope["headers"] if name.lower() == HEADER), None)


def _recall(authentication: CachedJWTAuthentication, raw_token: bytes | str) -> "User | None":
    # Without I/O: None where any would be needed.
    kind = type(authentication)
    if any(getattr(kind, name) is not getattr(CachedJWTAuthentication, name) for name in _STEPS):
        return None
    token = get_verified_tokens().recall(raw_token)
    if token is None or authentication.user_model is not get_codec().model:
        return None
    user = recall_user_by(api_settings.USER_ID_FIELD, token.get(api_settings.USER_ID_CLAIM))
    try:
        return None if user is None else authentication.admit(token, user)
    except SynchronousOnlyOperation:  # a rule asks for a column that isn't cached
        return None


def _authenticate(authentication: CachedJWTAuthentication, raw_token: bytes | str) -> "User":
    # As Django does around its own requests, which this needn't be one of.
    close_old_connections()
    try:
        return authentication.get_user(authentication.get_validated_token(raw_token))
    finally:
        close_old_connections()
