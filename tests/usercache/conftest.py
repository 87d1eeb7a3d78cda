"""Fixtures of the cache's tests: users, and counted Redis commands."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache
from typing import cast

import pytest
from django.core.cache import caches
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from pytest_django import Settings
from redis import Redis

from accounts.models import User
from tests.deployments import DEPLOYMENTS, Deployment
from usercache import local, shared
from usercache.conf import conf
from usercache.tiers import Tier

MakeUser = Callable[..., User]
CountCommands = Callable[[], AbstractContextManager[dict[str, int]]]

Deploy = Callable[[str], Deployment]
ALL_DEPLOYMENTS = [pytest.param(name, marks=pytest.mark.redis) for name in DEPLOYMENTS]


@pytest.fixture(scope="session")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deploy]:
    """Run each kind of Redis from its first use to the end of the session."""
    with ExitStack() as stack:

        @cache
        def start(name: str) -> Deployment:
            return stack.enter_context(DEPLOYMENTS[name](tmp_path_factory.mktemp(name)))

        yield start


@pytest.fixture(params=ALL_DEPLOYMENTS)
def deployment(request: pytest.FixtureRequest, deploy: Deploy, settings: Settings) -> Deployment:
    """Let the shared alias lead to each kind of Redis in turn."""
    deployment = deploy(request.param)
    deployment.use(settings)
    return deployment


@pytest.fixture(
    params=["local", pytest.param("redis", marks=pytest.mark.redis), *ALL_DEPLOYMENTS],
)
def tier(request: pytest.FixtureRequest, deploy: Deploy, settings: Settings) -> Tier:
    """Give each tier in turn: process memory, and every kind of Redis."""
    if request.param == "local":
        return local.connect(conf.USERCACHE_LOCAL_ALIAS)
    if request.param in DEPLOYMENTS:
        deploy(request.param).use(settings)
    return shared.connect(conf.USERCACHE_SHARED_ALIAS)


@pytest.fixture
def redis_client() -> Redis:
    """Return the client of the shared alias."""
    return cast(
        "RedisCache[DefaultClient]", caches[conf.USERCACHE_SHARED_ALIAS]
    ).client.get_client()


@pytest.fixture
def count_commands(redis_client: Redis, settings: Settings) -> CountCommands:
    """Count what Redis itself was asked to do within the block, by command."""
    # The figures' delivery has its own pace.
    settings.USERCACHE_STATS_FLUSH_SECONDS = 60.0

    @contextmanager
    def count() -> Iterator[dict[str, int]]:
        counts: dict[str, int] = {}
        redis_client.config_resetstat()
        yield counts
        for name, figures in redis_client.info("commandstats").items():
            command = name.removeprefix("cmdstat_")
            # Those two are the counting's own.
            if command not in ("config|resetstat", "info"):
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
