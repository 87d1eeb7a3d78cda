"""Fixtures that every part of the suite may need."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from tests.caches import empty_caches
from tests.cast import Cast
from tests.servers.redis_server import RedisServer
from usercache.process import PROCESS

SLOW_HERE_MS = 5_000.0


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Put SQLite's test database into a file: one in memory is not seen by other processes."""
    for alias, database in settings.DATABASES.items():
        if database["ENGINE"].endswith("sqlite3"):
            folder = Path(os.environ["TEST_DIRECTORY"])
            database.setdefault("TEST", {})["NAME"] = str(folder / f"test_{alias}.sqlite3")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis of this test's own, to stop, kill or pause at will."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture(autouse=True)
def _patience_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine that is slow for a moment not be taken for a Redis that is."""
    monkeypatch.setattr("usercache.report.status.SLOW_MS", SLOW_HERE_MS)


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Forget the users of other tests, whose ids come again, and their unfinished writes."""
    empty_caches()
    yield
    PROCESS.stop()


@pytest.fixture(scope="session")
def cast() -> Cast:
    """Hash the password once for all tests."""
    return Cast()


@pytest.fixture
def alice(cast: Cast) -> User:
    """Alice, a job seeker."""
    return cast.make("alice", phone="+12425550101", occupation="Chef", location="Nassau")


@pytest.fixture
def bob(cast: Cast) -> User:
    """Bob, another."""
    return cast.make("bob", phone="+12425550102", occupation="Diver", location="Exuma")


@pytest.fixture
def charlie(cast: Cast) -> User:
    """Charlie, who was deactivated."""
    return cast.make("charlie", phone="+12425550103", is_active=False)


@pytest.fixture
def dora(cast: Cast) -> User:
    """Dora, the admin."""
    return cast.make("dora", phone="+12425550104", is_admin=True, is_superuser=True)
