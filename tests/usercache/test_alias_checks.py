"""Checks of the caches' aliases, and of what a Redis is exposed to."""

import copy
import sys
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django_redis.cache import RedisCache
from pytest_django import Settings
from redis.cache import CacheConfig

from tests.usercache.checked import ids
from usercache.checks.backends import check_aliases
from usercache.checks.exposure import check_exposure


def test_missing_extra_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Redis is wanted and its libraries aren't installed, the check says how to get them."""
    settings.USERCACHE_REDIS_ALIAS = "usercache"
    monkeypatch.delitem(sys.modules, "usercache.checks.redis", raising=False)
    monkeypatch.setitem(sys.modules, "django_redis.cache", None)
    [message] = check_aliases()
    assert message.id == "usercache.E011"
    assert "django-usercache[redis]" in str(message.hint)


class Tenant(str):
    """A prefix that is another each time."""


class KeysOfTheirOwn(RedisCache):
    """A cache that makes its keys itself."""

    def make_key(self, *args: Any, **kwargs: Any) -> Any:
        return super().make_key(*args, **kwargs)


@pytest.mark.redis
@pytest.mark.parametrize(
    "config",
    [
        {"KEY_FUNCTION": lambda key, prefix, version: f"{prefix}:{version}:{key}"},
        {"KEY_PREFIX": Tenant("x")},
        {"VERSION": Tenant("1")},
        {"BACKEND": f"{__name__}.KeysOfTheirOwn"},
    ],
    ids=["key function", "prefix", "version", "backend"],
)
def test_keys_that_differ_from_call_to_call(settings: Settings, config: dict[str, Any]) -> None:
    """An alias whose keys may hang on a tenant is refused."""
    aliases = copy.deepcopy(settings.CACHES)
    aliases["usercache"].update(config)
    settings.CACHES = aliases
    assert ids() == ["usercache.E046"]


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


@pytest.mark.redis
@pytest.mark.parametrize(
    ("has_cluster", "expected"), [(False, "redis-py 7.4 or later"), (True, "CONNECTION_FACTORY")]
)
def test_client_that_refuses_its_alias(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, has_cluster: bool, expected: str
) -> None:
    """What it would say to the first request, `check` says: the cluster client's two demands."""
    monkeypatch.setattr("usercache.redis_topologies.cluster.client.HAS_CLUSTER", has_cluster)
    aliases = copy.deepcopy(settings.CACHES)
    client = "usercache.redis_topologies.cluster.ClusterClient"
    aliases["usercache"]["OPTIONS"]["CLIENT_CLASS"] = client
    settings.CACHES = aliases
    [message] = [each for each in run_checks() if each.id == "usercache.E075"]
    assert expected in message.msg


FAR, L1 = "redis.example.com", "127.0.0.1"


@pytest.mark.parametrize(
    ("location", "options", "expected"),
    [
        (f"redis://{FAR}/0", {}, ["W020", "W021"]),
        (f"redis://:SECRET@{FAR}/0", {}, ["W021"]),
        (f"redis://{FAR}/0", {"PASSWORD": "SECRET"}, ["W021"]),
        (f"redis://{FAR}/0", {"CONNECTION_POOL_KWARGS": {"password": "SECRET"}}, ["W021"]),
        (f"rediss://{FAR}/0", {}, ["W020"]),
        (f"rediss://hmb:SECRET@{FAR}/0", {}, []),
        (f"redis://{L1}:6379/0,redis://{FAR}/0", {"PASSWORD": "SECRET"}, ["W021"]),
        (f"redis://{L1}/0", {}, []),
        ("redis://localhost/0", {}, []),
        ("redis://[::1]/0", {}, []),
        ("redis://10.0.0.7/0", {}, ["W020", "W021"]),
        ("unix:///run/redis.sock?db=0", {}, []),
        ([f"rediss://{FAR}", f"rediss://{FAR}:7"], {"PASSWORD": "SECRET"}, []),
        ("redis://mymaster/0", {"SENTINELS": [(FAR, 26379)]}, ["W020", "W021"]),
        ("redis://mymaster/0", {"SENTINELS": [(L1, 26379)]}, []),
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
    settings.USERCACHE_REDIS_ALIAS = "usercache"
    messages = check_exposure()
    assert [message.id for message in messages] == [f"usercache.{name}" for name in expected]
    assert all(message.hint for message in messages)
    assert "SECRET" not in "".join(map(str, messages))
    settings.DEBUG = True
    assert check_exposure() == []


def test_exposure_is_a_matter_of_deployment(settings: Settings) -> None:
    """Only `check --deploy` speaks of it, and of no Redis there is nothing to say."""
    settings.USERCACHE_REDIS_ALIAS = ""
    assert check_exposure() == []
    deployment_checks = set(registry.get_checks(include_deployment_checks=True))
    added = deployment_checks - set(registry.get_checks())
    assert any(check_exposure.__name__ in repr(check) for check in added)
