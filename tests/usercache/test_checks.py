"""System checks: each mistake has an id and a hint, and our own settings have none."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.db import connections
from pytest_django import Settings
from redis.cache import CacheConfig

from accounts.models import User
from usercache.checks.exposure import check_exposure
from usercache.checks.faces import check_dashboard
from usercache.checks.whitelist import SECRET_NAMES


def ids() -> list[str]:
    return sorted(m.id for m in run_checks() if m.id and m.id.startswith("usercache."))


def test_own_settings_are_clean() -> None:
    """The project passes its own checks."""
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("USERCACHE_TTL_SECONDS", "300", "E001"),
        ("USERCACHE_TTL_SECONDS", True, "E001"),
        ("USERCACHE_TTL_SECONDS", None, "E001"),
        ("USERCACHE_TTL_SECONDS", 0, "E002"),
        ("USERCACHE_TTL_SECONDS", float("nan"), "E002"),
        ("USERCACHE_TTL_SECONDS", float("inf"), "E002"),
        ("USERCACHE_TTL_JITTER", 0.6, "E002"),
        ("USERCACHE_NEGATIVE_TTL_SECONDS", -1, "E002"),
        ("USERCACHE_LOCAL_TTL_SECONDS", 61, "E002"),
        ("USERCACHE_LEASE_TTL_SECONDS", 0, "E002"),
        ("USERCACHE_LEASE_WAIT_SECONDS", -0.1, "E002"),
        ("USERCACHE_BARRIER_WAIT_SECONDS", 61, "E002"),
        ("USERCACHE_BARRIER_TTL_SECONDS", 0, "E002"),
        ("USERCACHE_STATS_FLUSH_SECONDS", 0, "E002"),
        ("USERCACHE_AUDIT_SHARE", 1.1, "E002"),
        ("USERCACHE_WAIT_REPLICAS", 1.5, "E001"),
        ("USERCACHE_WAIT_REPLICAS", -1, "E002"),
        ("USERCACHE_TTL", 300, "W003"),
        ("USERCACHE_SIGNING_KEY", "", "E004"),
        ("USERCACHE_SIGNING_KEY", "k" * 31, "E004"),
        ("USERCACHE_LOCAL_ALIAS", "nowhere", "E010"),
        ("USERCACHE_SHARED_ALIAS", "nowhere", "E011"),
        ("USERCACHE_SHARED_ALIAS", "default", "E011"),
        ("USERCACHE_METRICS_TOKEN", "k" * 31, "E022"),
        ("USERCACHE_METRICS_NETWORKS", ("10.0.0.1/8",), "E023"),
        ("USERCACHE_METRICS_NETWORKS", ("localhost",), "E023"),
    ],
)
def test_wrong_setting(settings: Settings, name: str, value: object, expected: str) -> None:
    """A setting that is mistyped, out of range, unknown or leads nowhere is said so by id."""
    setattr(settings, name, value)
    assert ids() == [f"usercache.{expected}"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda fields: (*fields, "shoe_size"), "E005"),
        (lambda fields: (*fields, "password"), "E006"),
        (lambda fields: tuple(f for f in fields if f != "id"), "E008"),
        (lambda fields: tuple(f for f in fields if f != "is_active"), "E008"),
        (lambda fields: tuple(f for f in fields if f != "token_version"), "E008"),
    ],
    ids=["no column", "secret", "no id", "no is_active", "no token_version"],
)
def test_wrong_whitelist(
    settings: Settings, change: Callable[[tuple[str, ...]], tuple[str, ...]], expected: str
) -> None:
    """A column that is a secret, or none, or missing and needed, is an error."""
    settings.USERCACHE_FIELDS = change(settings.USERCACHE_FIELDS)
    assert ids() == [f"usercache.{expected}"]


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "hashed_password",
        "password_hash",
        "totp_secret",
        "otp_secret",
        "two_factor_2fa",
        "api_key",
        "apikey",
        "oauth_token",
        "access_tokens",
        "private_key",
        "recovery_pin",
        "credentials",
    ],
)
def test_what_looks_like_a_secret(name: str) -> None:
    """The names under which secrets usually stand are recognised."""
    assert SECRET_NAMES.search(name)


def test_own_columns_dont_look_like_secrets(settings: Settings) -> None:
    """No column of ours is taken for a secret."""
    assert [name for name in settings.USERCACHE_FIELDS if SECRET_NAMES.search(name)] == []


def test_column_that_cannot_be_cached(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column of a type that has no way through an entry is an error at start-up."""
    monkeypatch.setattr(User._meta.get_field("bio"), "get_internal_type", lambda: "GeometryField")
    assert ids() == ["usercache.E007"]


def test_identifier_that_is_not_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users with one phone number couldn't be told apart by it."""
    monkeypatch.setitem(User._meta.get_field("phone").__dict__, "unique", False)
    assert ids() == ["usercache.E009"]


def test_requests_that_are_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """ATOMIC_REQUESTS would make every request a miss."""
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert ids() == ["usercache.E015"]


def test_manager_that_announces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default manager with Django's own query set is warned of."""
    monkeypatch.setattr("usercache.checks.whitelist.CachedUserQuerySet", type("Other", (), {}))
    assert ids() == ["usercache.W016"]


def test_dashboard_that_lacks_something(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page without its template or its styles is warned of, by what to add."""
    installed = {"django.contrib.admin"}
    monkeypatch.setattr(apps, "is_installed", installed.__contains__)
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"APP_DIRS": False}]
    hints = [message.hint for message in check_dashboard()]
    assert [str(hint).split()[0] for hint in hints] == ["Add", "Set"]
    installed.clear()
    assert check_dashboard() == []


@pytest.mark.redis
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"IGNORE_EXCEPTIONS": True}, "E012"),
        ({"CONNECTION_POOL_KWARGS": {"decode_responses": True}}, "E013"),
        ({"CONNECTION_POOL_KWARGS": {"cache_config": CacheConfig()}}, "E026"),
        ({"CONNECTION_POOL_KWARGS": {"socket_timeout": None}}, "W014"),
        ({"CONNECTION_POOL_KWARGS": {"socket_timeout": 5}}, "W014"),
        ({"CONNECTION_POOL_KWARGS": {"socket_connect_timeout": 5}}, "W014"),
    ],
    ids=[
        "ignores exceptions",
        "decodes",
        "caches itself",
        "no timeout",
        "long timeout",
        "long connect timeout",
    ],
)
def test_wrong_alias(settings: Settings, options: dict[str, Any], expected: str) -> None:
    """A shared alias that hides errors, changes bytes or waits for long is said so."""
    aliases = copy.deepcopy(settings.CACHES)
    pool = options.pop("CONNECTION_POOL_KWARGS", {})
    aliases["usercache"]["OPTIONS"].update(options)
    aliases["usercache"]["OPTIONS"]["CONNECTION_POOL_KWARGS"].update(pool)
    settings.CACHES = aliases
    assert ids() == [f"usercache.{expected}"]


FAR, NEAR = "redis.example.com", "127.0.0.1"


@pytest.mark.parametrize(
    ("location", "options", "expected"),
    [
        (f"redis://{FAR}/0", {}, ["W020", "W021"]),
        (f"redis://:SECRET@{FAR}/0", {}, ["W021"]),
        (f"redis://{FAR}/0", {"PASSWORD": "SECRET"}, ["W021"]),
        (f"redis://{FAR}/0", {"CONNECTION_POOL_KWARGS": {"password": "SECRET"}}, ["W021"]),
        (f"rediss://{FAR}/0", {}, ["W020"]),
        (f"rediss://hmb:SECRET@{FAR}/0", {}, []),
        (f"redis://{NEAR}:6379/0,redis://{FAR}/0", {"PASSWORD": "SECRET"}, ["W021"]),
        (f"redis://{NEAR}/0", {}, []),
        ("redis://localhost/0", {}, []),
        ("redis://[::1]/0", {}, []),
        ("redis://10.0.0.7/0", {}, ["W020", "W021"]),
        ("unix:///run/redis.sock?db=0", {}, []),
        ([f"rediss://{FAR}", f"rediss://{FAR}:7"], {"PASSWORD": "SECRET"}, []),
        ("redis://mymaster/0", {"SENTINELS": [(FAR, 26379)]}, ["W020", "W021"]),
        ("redis://mymaster/0", {"SENTINELS": [(NEAR, 26379)]}, []),
        (
            "redis://mymaster/0",
            {"SENTINELS": [(FAR, 1)], "PASSWORD": "x", "CONNECTION_POOL_KWARGS": {"ssl": True}},
            [],
        ),
    ],
)
def test_exposed_redis(
    settings: Settings, location: object, options: dict[str, object], expected: list[str]
) -> None:
    """Across a network without password or TLS is warned of, and the password isn't shown."""
    entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}
    settings.CACHES = {"usercache": entry}
    settings.USERCACHE_SHARED_ALIAS = "usercache"
    messages = check_exposure()
    assert [message.id for message in messages] == [f"usercache.{name}" for name in expected]
    assert all(message.hint for message in messages)
    assert "SECRET" not in "".join(map(str, messages))
    settings.DEBUG = True
    assert check_exposure() == []


def test_exposure_is_a_matter_of_deployment(settings: Settings) -> None:
    """Only `check --deploy` speaks of it, and of no Redis there is nothing to say."""
    settings.USERCACHE_SHARED_ALIAS = ""
    assert check_exposure() == []
    deployment_checks = set(registry.get_checks(include_deployment_checks=True))
    added = deployment_checks - set(registry.get_checks())
    assert any(check_exposure.__name__ in repr(check) for check in added)


def test_every_message_says_what_to_do(settings: Settings) -> None:
    """No check only complains; and none shows a key."""
    settings.USERCACHE_SIGNING_KEY = "short and secret"
    settings.USERCACHE_FIELDS = ("password", "nothing")
    settings.USERCACHE_LOCAL_ALIAS = "nowhere"
    messages = [m for m in run_checks() if m.id and m.id.startswith("usercache.")]
    assert len(messages) >= 4
    assert all(m.hint for m in messages)
    assert "short and secret" not in "".join(map(str, messages))
