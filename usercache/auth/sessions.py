"""Take the user of Django's sessions from the cache: `request.user` without a query.

Note [A session is believed or asked about]
-------------------------------------------
Everything here only ever says yes: to a session that names a cached user, by a backend that finds
users by their key alone, and that carries what the record recognises of the password. For any other
session Django's own code decides, with a query: it refuses users, tries SECRET_KEY_FALLBACKS, and
flushes sessions and gives them new keys. So nobody is let in that Django would refuse.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.conf import settings
from django.contrib import auth
from django.contrib.auth import middleware
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from usercache.codec import get_codec
from usercache.conf import conf
from usercache.instances.columns import fingerprints_of
from usercache.instances.fingerprints import recognises_session
from usercache.users import aget_user_by_id, get_user_by_id

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.auth.models import _User as User

_KEYS: Final = (auth.SESSION_KEY, auth.BACKEND_SESSION_KEY, auth.HASH_SESSION_KEY)
_FINDERS: Final = ("get_user", "aget_user")


class CachedAuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's own, whose `request.user` and `await request.auser()` come from the cache.

    A warm request makes no query for its user. It needs USERCACHE_PASSWORD_FINGERPRINT: a new
    password, and a deactivation, end the user's sessions at the next request, as in Django.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its user, who is found when first asked for.

        Raises:
            ImproperlyConfigured: SessionMiddleware doesn't stand before this one.
        """
        super().process_request(request)
        user: Any = SimpleLazyObject(partial(_get_user, request))
        request.user = user
        request.auser = partial(_aget_user, request)


class Claim(NamedTuple):
    """What a session says of its user."""

    user_id: object
    backend: str
    password: str
    """`get_session_auth_hash()` at the log-in."""


def find_user(session: SessionBase) -> "User | None":
    """Return the user that a session is signed in as, if it can be believed; None to ask Django.

    Warm: no query, and one GET unless the user is in process memory; besides the session's own.
    """
    if not _is_ready():
        return None
    claim = _read(*map(session.get, _KEYS))
    if claim is None:
        return None
    user = get_user_by_id(claim.user_id)
    return user if user is not None and _is_believed(claim, user) else None


async def afind_user(session: SessionBase) -> "User | None":
    """Do as `find_user()` without blocking the event loop."""
    if not _is_ready():
        return None
    claim = _read(*[await session.aget(key) for key in _KEYS])
    if claim is None:
        return None
    user = await aget_user_by_id(claim.user_id)
    try:
        return user if user is not None and _is_believed(claim, user) else None
    except SynchronousOnlyOperation:  # the backend asks for a column that isn't cached
        return None


def finds_by_key(path: str) -> bool:
    """Return whether a backend of AUTHENTICATION_BACKENDS finds a session's user by key alone."""
    if path in conf.USERCACHE_SESSION_BACKENDS:
        return True
    backend = type(auth.load_backend(path))
    return all(getattr(backend, n, None) is getattr(ModelBackend, n) for n in _FINDERS)


def _get_user(request: HttpRequest) -> "User | AnonymousUser":
    if not hasattr(request, "_cached_user") and (user := find_user(request.session)) is not None:
        vars(request)["_cached_user"] = user
    return middleware.get_user(request)


async def _aget_user(request: HttpRequest) -> "User | AnonymousUser":
    if not hasattr(request, "_acached_user"):
        user = await afind_user(request.session)
        if user is not None:
            vars(request)["_acached_user"] = user
    return await middleware.auser(request)


def _is_ready() -> bool:
    return conf.USERCACHE_ENABLED and bool(get_codec().extras.types)


def _read(user_id: object, backend: object, password: object) -> Claim | None:
    if backend not in settings.AUTHENTICATION_BACKENDS or not finds_by_key(str(backend)):
        return None
    return Claim(user_id, str(backend), password) if isinstance(password, str) else None


def _is_believed(claim: Claim, user: "User") -> bool:
    backend: Any = auth.load_backend(claim.backend)
    can_authenticate = getattr(backend, "user_can_authenticate", _is_active)
    fingerprints = fingerprints_of(user)
    return (
        fingerprints is not None
        and recognises_session(get_codec(), fingerprints, claim.password)
        and bool(can_authenticate(user))
    )


def _is_active(user: "User") -> bool:
    return user.is_active
