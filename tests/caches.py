"""The product's cache aliases, as a test wants them."""

import copy

import pytest
from django.core.cache import caches
from pytest_django import Settings

from usercache.lookup import Store
from usercache.runtime import RUNTIME, Runtime, Service

# For tests of something else: a machine that is slow for a moment is no Redis that hangs.
WAIT = {"socket_timeout": 10.0, "socket_connect_timeout": 10.0}


def empty_caches() -> None:
    """Forget every user, count and failure in this process, and every key in Redis."""
    RUNTIME.stop()
    for alias in caches:
        caches[alias].clear()


def lead_shared_alias(settings: Settings, url: str, **pool: object) -> None:
    """Let the shared alias lead to another Redis, with these options of its connection pool."""
    aliases = copy.deepcopy(settings.CACHES)
    aliases["usercache"]["LOCATION"] = url
    aliases["usercache"]["OPTIONS"]["CONNECTION_POOL_KWARGS"].update(pool)
    settings.CACHES = aliases


def use_redis_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each store that is made from now on be one whose process has begun before."""
    make_store = Runtime._make_store

    def make_begun(process: Runtime) -> tuple[Store, list[Service]]:
        store, services = make_store(process)
        if store.redis is not None:
            store.redis.breaker.close(0)
        return store, services

    monkeypatch.setattr(Runtime, "_make_store", make_begun)
