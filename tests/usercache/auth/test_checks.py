"""Checks of how users are signed in: tokens and sessions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings
from rest_framework.settings import api_settings as drf_settings
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.settings import api_settings as jwt_settings

from tests.usercache.checked import ids
from tests.users import User
from usercache.conf import conf


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("USER_ID_FIELD", "pk", []),
        ("USER_ID_FIELD", "username", []),
        ("USER_ID_FIELD", "occupation", ["E040"]),
        ("USER_ID_FIELD", "shoe_size", ["E040"]),
        ("CHECK_REVOKE_TOKEN", True, ["W041"]),
        ("LEEWAY", None, []),
        ("LEEWAY", 60, []),
        ("LEEWAY", timedelta(seconds=60), []),
        ("LEEWAY", 61, ["E042"]),
        ("LEEWAY", timedelta(seconds=-1), ["E042"]),
        ("LEEWAY", float("nan"), ["E042"]),
        ("LEEWAY", "5", ["E042"]),
        ("LEEWAY", True, ["E042"]),
    ],
)
def test_simplejwt_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object, expected: list[str]
) -> None:
    """What can't be honoured, or costs a query each time, is said; unless nobody uses the class."""
    monkeypatch.setattr(jwt_settings, name, value)
    assert ids() == [f"usercache.{name}" for name in expected]
    monkeypatch.setattr(conf, "USERCACHE_PASSWORD_FINGERPRINT", True)
    assert ids() == [f"usercache.{name}" for name in expected if name != "W041"]
    monkeypatch.setattr(drf_settings, "DEFAULT_AUTHENTICATION_CLASSES", [JWTAuthentication])
    assert ids() == []


SESSION_CHECKS = {f"usercache.{name}" for name in ("W054", "W055", "W056", "W057", "E058", "W059")}
SESSIONS = "usercache.auth.sessions.CachedAuthenticationMiddleware"
DJANGO_S = "django.contrib.auth.middleware.AuthenticationMiddleware"
PARTICULAR = "tests.usercache.auth.test_sessions.BackendOfItsOwn"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"USERCACHE_PASSWORD_FINGERPRINT": False}, ["W055"]),
        ({"USERCACHE_READ_ONLY_USERS": True}, ["W059"]),
        ({"MIDDLEWARE": [DJANGO_S, SESSIONS]}, ["W054"]),
        ({"MIDDLEWARE": [DJANGO_S], "USERCACHE_PASSWORD_FINGERPRINT": False}, []),
        ({"USERCACHE_SESSION_BACKENDS": ["accounts.backends.PasswordBackends"]}, ["E058"]),
        ({"AUTHENTICATION_BACKENDS": [PARTICULAR]}, ["W057"]),
        (
            {"AUTHENTICATION_BACKENDS": [PARTICULAR], "USERCACHE_SESSION_BACKENDS": [PARTICULAR]},
            [],
        ),
        ({"AUTHENTICATION_BACKENDS": [PARTICULAR, "accounts.backends.PasswordBackend"]}, []),
        ({"USERCACHE_FIELDS": ("id", "is_active")}, ["W056"]),
    ],
)
def test_sessions(settings: Settings, changed: dict[str, Any], expected: list[str]) -> None:
    """What makes a session cost a query, or the middleware of no effect, is said."""
    settings.MIDDLEWARE = [SESSIONS if path == DJANGO_S else path for path in settings.MIDDLEWARE]
    settings.USERCACHE_PASSWORD_FINGERPRINT = True
    settings.USERCACHE_READ_ONLY_USERS = False
    settings.USERCACHE_TOKEN_VERSION_FIELD = ""
    for name, value in changed.items():
        setattr(settings, name, value)
    found = [i for i in ids() if i in SESSION_CHECKS]
    assert found == [f"usercache.{name}" for name in expected]


def _fail(_user: User) -> str:
    raise OperationalError


@pytest.mark.parametrize(
    ("read", "expected"), [(lambda user: user.bio.year, []), (_fail, ["usercache.W056"])]
)
def test_session_hash_that_cannot_be_tried_out(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    read: Callable[[User], str],
    expected: list[str],
) -> None:
    """A method that fails on a column's default is left alone; one that asks a database is said."""
    settings.MIDDLEWARE, settings.USERCACHE_PASSWORD_FINGERPRINT = [SESSIONS], True
    settings.USERCACHE_READ_ONLY_USERS = False
    monkeypatch.setattr(User, "get_session_auth_hash", read)
    assert [i for i in ids() if i in SESSION_CHECKS] == expected
