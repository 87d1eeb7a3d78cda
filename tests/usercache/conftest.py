"""Fixtures of the cache's tests: users, and counted Redis commands."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import cast

import pytest
from django.core.cache import caches
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from redis import Redis

from accounts.models import User
from usercache.conf import conf

MakeUser = Callable[..., User]
CountCommands = Callable[[], AbstractContextManager[dict[str, int]]]


@pytest.fixture
def redis_client() -> Redis:
    """Return the client of the shared alias."""
    return cast(
        "RedisCache[DefaultClient]", caches[conf.USERCACHE_SHARED_ALIAS]
    ).client.get_client()


@pytest.fixture
def count_commands(redis_client: Redis) -> CountCommands:
    """Count what Redis itself was asked to do within the block, by command."""

    @contextmanager
    def count() -> Iterator[dict[str, int]]:
        counts: dict[str, int] = {}
        redis_client.config_resetstat()
        yield counts
        for name, figures in redis_client.info("commandstats").items():
            command = name.removeprefix("cmdstat_")
            # Those two are the counting's own, and the counts' delivery has its own pace.
            if command not in ("config|resetstat", "info", "hincrby"):
                counts[command] = figures["calls"]

    return count


@pytest.fixture
def make_user() -> MakeUser:
    """Make users who can't log in, which spares hashing a password."""

    def make(name: str, **fields: object) -> User:
        values = {"email": f"{name}@example.com", "username": name, "password": "!unusable"}
        return User.objects.create(**(values | fields))

    return make


@pytest.fixture
def alice(make_user: MakeUser) -> User:
    """Alice, a job seeker."""
    return make_user("alice", first_name="Alice", phone="+12425550101")


@pytest.fixture
def bob(make_user: MakeUser) -> User:
    """Bob, another."""
    return make_user("bob", first_name="Bob", phone="+12425550102")
