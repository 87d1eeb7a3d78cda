"""Authenticate in async code, by the Authorization header of a request or a connection.

For async views, Channels' consumers and bare ASGI applications. A token that this process has
verified, of a user in its memory, is answered on the event loop; everything else in a thread.
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import close_old_connections
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from usercache.auth.jwt import CachedJWTAuthentication, find_authentication
from usercache.auth.open_sockets import Admission
from usercache.auth.verified_tokens import get_verified_tokens, valid_until
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
    raw_token = _find_token(header)
    return None if raw_token is None else await authenticate_token(raw_token)


async def authenticate_token(raw_token: bytes | str) -> "User":
    """Return the user of a token that came otherwise: in a cookie, or a WebSocket's subprotocol.

    Raises:
        AuthenticationFailed: likewise.
    """
    user, _ = await _sign_in(find_authentication(), raw_token)
    return user


async def admit(scope: Mapping[str, Any]) -> Admission | None:
    """Return why a connection is let in by its Authorization header; None if it has no token.

    Raises:
        AuthenticationFailed: as `authenticate()` does.
    """
    raw_token = _find_token(header_of(scope))
    return None if raw_token is None else await admit_token(raw_token)


async def admit_token(raw_token: bytes | str) -> Admission:
    """Return why a connection is let in by a token that came otherwise.

    Raises:
        AuthenticationFailed: as `authenticate()` does.
    """
    authentication = find_authentication()
    user, token = await _sign_in(authentication, raw_token)
    return Admission(
        user, partial(_is_admitted, authentication, raw_token, token), valid_until(token)
    )


def header_of(scope: Mapping[str, Any]) -> bytes | None:
    """Return the Authorization header of an ASGI scope, of HTTP or of a WebSocket."""
    return next((value for name, value in scope["headers"] if name.lower() == HEADER), None)


def _find_token(header: bytes | str | None) -> bytes | None:
    raw_header = header.encode(errors="replace") if isinstance(header, str) else header
    return find_authentication().get_raw_token(raw_header or b"")


async def _sign_in(
    authentication: CachedJWTAuthentication, raw_token: bytes | str
) -> "tuple[User, Token]":
    recalled = _recall(authentication, raw_token)
    if recalled is not None:
        return recalled
    return await sync_to_async(_authenticate)(authentication, raw_token)


def _overrides(authentication: CachedJWTAuthentication) -> bool:
    kind = type(authentication)
    return any(getattr(kind, name) is not getattr(CachedJWTAuthentication, name) for name in _STEPS)


def _recall(
    authentication: CachedJWTAuthentication, raw_token: bytes | str
) -> "tuple[User, Token] | None":
    # Without I/O: None where any would be needed.
    if _overrides(authentication):
        return None
    token = get_verified_tokens().recall(raw_token)
    if token is None or authentication.user_model is not get_codec().model:
        return None
    user = recall_user_by(api_settings.USER_ID_FIELD, token.get(api_settings.USER_ID_CLAIM))
    try:
        return None if user is None else (authentication.admit(token, user), token)
    except SynchronousOnlyOperation:  # a rule asks for a column that isn't cached
        return None


def _authenticate(
    authentication: CachedJWTAuthentication, raw_token: bytes | str
) -> "tuple[User, Token]":
    # As Django does around its own requests, which this needn't be one of.
    close_old_connections()
    try:
        token = authentication.get_validated_token(raw_token)
        return authentication.get_user(token), token
    finally:
        close_old_connections()


def _is_admitted(
    authentication: CachedJWTAuthentication, raw_token: bytes | str, token: Token, user: "User"
) -> bool:
    try:
        if _overrides(authentication):  # it may refuse more, and finds the user by itself
            authentication.get_user(authentication.get_validated_token(raw_token))
        else:
            authentication.admit(token, user)
    except AuthenticationFailed:
        return False
    return True
