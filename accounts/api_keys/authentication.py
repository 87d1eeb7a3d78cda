"""Authenticate a request by `Authorization: Api-Key …`; the user comes from the cache."""

import time
from typing import TYPE_CHECKING, Final

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from accounts.api_keys.known import KNOWN, Key
from accounts.api_keys.models import Scope
from accounts.api_keys.services import load_key, note_use
from accounts.errors import InvalidApiKey, OutOfScope
from accounts.limits.rates import check_limit
from accounts.models import User
from usercache.users import get_user_by_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SCHEME: Final = b"api-key"
CHALLENGE: Final = 'Api-Key realm="api"'


class ApiKeyAuthentication(BaseAuthentication):
    """Resolve a key to its user: warm, no query, and one GET unless they are in process memory."""

    def authenticate(self, request: Request) -> tuple[User, Key] | None:
        """Return the user and the key; None if the header has no key.

        Raises: InvalidApiKey; TooManyAttempts for too many unknown keys of one address.
        """
        text = _read_header(get_authorization_header(request))
        return None if text is None else sign_in(request, text)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


def sign_in(request: HttpRequest | Request, text: bytes) -> tuple[User, Key]:
    """Return the user of a key, and what is known of it.

    Raises: as `authenticate()` does.
    """
    known = KNOWN.recall(text)
    if known is None:
        # Each of these may cost a query.
        check_limit(request, "key")
        known = load_key(text)
    if known is None or time.time() >= known.key.expires_at:
        raise InvalidApiKey
    key = known.key
    user = get_user_by_id(key.user_id)
    if not isinstance(user, User) or not is_good(key, user):
        raise InvalidApiKey
    note_use(known)
    return user, key


def is_good(key: Key, user: User) -> bool:
    """Return whether a key that hasn't expired still signs its user in, as they are now."""
    return (
        user.is_active
        and user.token_version == key.token_version
        and key.id in user.live_keys.split()
    )


def find_forwarded_user(environ: "WSGIEnvironment") -> User | None:
    """Return the user of a key that a gateway asks about; None if the request has no key.

    What is behind the gateway isn't known to be reading alone, so the key's scope must be `write`.

    Raises: OutOfScope; and as `authenticate()` does.
    """
    text = _read_header(environ.get("HTTP_AUTHORIZATION", "").encode("latin-1"))
    if text is None:
        return None
    request = HttpRequest()
    request.META = environ
    user, key = sign_in(request, text)
    if key.scope != Scope.WRITE:
        raise OutOfScope
    return user


def _read_header(header: bytes) -> bytes | None:
    scheme, *rest = header.split() or [b""]
    if scheme.lower() != SCHEME:
        return None
    if len(rest) != 1:
        raise InvalidApiKey
    return rest[0]
