"""Fixtures of the whole product's tests: a web server and its clients, and the bare caches."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings as project_settings
from pytest_django import Settings

from accounts.models import User
from tests.caches import WAIT, lead_shared_alias
from tests.cast import token_of
from tests.e2e.every_process import Everywhere
from tests.e2e.http_client import HttpClient
from tests.e2e.raw_backends import RawBackend, RawMemoryBackend, RawRedis
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.processes import environment
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.redis_server import RedisServer
from tests.servers.stack import PROJECT
from usercache.conf import conf

MIGRATE_SECONDS = 180


@pytest.fixture(scope="session")
def web_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """Run the product: in one process where there is no Redis to tell others of a change."""
    processes = 2 if project_settings.USERCACHE_REDIS_ALIAS else 1
    directory = tmp_path_factory.mktemp("web")
    with WebServer(directory, processes=processes, variables=WAIT_VARIABLES) as server:
        yield server


@pytest.fixture
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQLServer]:
    """Run a PostgreSQL of this test's own, with the product's tables."""
    with PostgreSQLServer(tmp_path_factory.mktemp("postgresql")) as server:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=PROJECT,
            env=environment(DATABASE_URL=server.url),
            check=True,
            timeout=MIGRATE_SECONDS,
        )
        yield server


@pytest.fixture
def everywhere(web_server: WebServer) -> Everywhere:
    """Read from each of its processes."""
    return Everywhere(web_server)


@pytest.fixture
def anybody(web_server: WebServer) -> HttpClient:
    """Somebody without a token."""
    return HttpClient(web_server.url)


@pytest.fixture
def as_alice(anybody: HttpClient, alice: User) -> HttpClient:
    """Alice, logged in."""
    return anybody.having(token_of(alice))


@pytest.fixture
def as_dora(anybody: HttpClient, dora: User) -> HttpClient:
    """Dora, the admin, logged in."""
    return anybody.having(token_of(dora))


@pytest.fixture
def raw_redis(redis_server: RedisServer, settings: Settings) -> RawRedis:
    """Let the product use a Redis of this test's own."""
    lead_shared_alias(settings, redis_server.url, **WAIT)
    return RawRedis(redis_server)


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), "memory"])
def raw_backend(request: pytest.FixtureRequest, settings: Settings) -> RawBackend:
    """Let the product use one backend, then the other."""
    if request.param == "redis":
        backend: RawBackend = request.getfixturevalue("raw_redis")
        return backend
    settings.USERCACHE_REDIS_ALIAS = ""
    settings.USERCACHE_MEMORY_TTL_SECONDS = conf.USERCACHE_TTL_SECONDS  # longer than any test takes
    return RawMemoryBackend()
