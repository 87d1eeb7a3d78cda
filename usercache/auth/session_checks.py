"""Checks of what CachedAuthenticationMiddleware needs, where MIDDLEWARE names it."""

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import Error as AnyDatabaseError
from django.utils.module_loading import import_string

from usercache.auth.sessions import CachedAuthenticationMiddleware, finds_by_key
from usercache.codec import Codec, get_codec
from usercache.conf import conf
from usercache.instances.fingerprints import PASSWORD, Fingerprints

A_PASSWORD: Final = "!"  # noqa: S105  # that of nobody
A_KEY: Final = 1


def check_sessions(**_kwargs: Any) -> list[CheckMessage]:
    """Check that sessions can be believed without a query (W054 to W057, E058, W059)."""
    used = [kind for path in settings.MIDDLEWARE if isinstance(kind := import_string(path), type)]
    if not any(issubclass(kind, CachedAuthenticationMiddleware) for kind in used):
        return []
    if AuthenticationMiddleware in used:
        return [
            CheckWarning(
                "MIDDLEWARE has Django's AuthenticationMiddleware beside "
                "CachedAuthenticationMiddleware, and the later of them decides.",
                hint="Take Django's out.",
                id="usercache.W054",
            )
        ]
    return [*_check_fingerprints(), *_check_backends(), *_check_read_only()]


def _check_fingerprints() -> Iterator[CheckMessage]:
    if not conf.USERCACHE_PASSWORD_FINGERPRINT:
        yield CheckWarning(
            "A session is compared with the password's hash, which is never cached: each request "
            "makes a query for its user.",
            hint="Set USERCACHE_PASSWORD_FINGERPRINT = True, and run manage.py migrate for "
            "PostgreSQL's triggers.",
            id="usercache.W055",
        )
        return
    codec = get_codec()
    if PASSWORD in codec.columns and not _recognises_sessions(codec):
        yield CheckWarning(
            f"{codec.model._meta.label}.get_session_auth_hash() reads more than the columns of "
            "USERCACHE_FIELDS and the password: each session's request makes a query for its user.",
            hint="Add the columns that it reads to USERCACHE_FIELDS. If it reads other rows, the "
            "query is what it costs.",
            id="usercache.W056",
        )


def _check_backends() -> Iterator[CheckMessage]:
    declared, listed = conf.USERCACHE_SESSION_BACKENDS, settings.AUTHENTICATION_BACKENDS
    strangers = sorted(set(declared) - set(listed))
    if strangers:
        yield Error(
            f"USERCACHE_SESSION_BACKENDS: {', '.join(strangers)} isn't in AUTHENTICATION_BACKENDS.",
            hint="Spell it as it is there, or take it off.",
            id="usercache.E058",
        )
    unknown = [path for path in listed if not finds_by_key(path)]
    if unknown and len(unknown) == len(listed):
        yield CheckWarning(
            f"The backends of AUTHENTICATION_BACKENDS have a get_user() of their own "
            f"({', '.join(unknown)}): each session's request makes a query for its user.",
            hint="If it finds users by their primary key alone, name the backend in "
            "USERCACHE_SESSION_BACKENDS.",
            id="usercache.W057",
        )


def _check_read_only() -> Iterator[CheckMessage]:
    if conf.USERCACHE_READ_ONLY_USERS and apps.is_installed("django.contrib.admin"):
        yield CheckWarning(
            "USERCACHE_READ_ONLY_USERS is on, and the admin site's page for changing one's own "
            "password saves request.user: it will fail.",
            hint="Switch it off, or let that page have the row: request.user = "
            "User.objects.get(pk=request.user.pk).",
            id="usercache.W059",
        )


def _recognises_sessions(codec: Codec) -> bool:
    row = _make_row(codec)
    try:
        values = codec.read_row(row)
    except AnyDatabaseError:
        return False  # it asks for more, of a database that can't be reached now
    except (AttributeError, TypeError, ValueError):
        return True  # it can't be tried out with a column's default
    return Fingerprints(*values[len(codec.fields) :]).session_fingerprint is not None


def _make_row(codec: Codec) -> list[Any]:
    # With a key: Django loads no column of an instance without one.
    meta = get_user_model()._meta
    row = {field.attname: field.get_default() for field in meta.concrete_fields}
    row[PASSWORD] = A_PASSWORD
    if row[meta.pk.attname] is None:
        row[meta.pk.attname] = A_KEY
    return [row[name] for name in codec.columns]
