"""A replica that lags by an hour: a request that names a version gets no older user."""

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psycopg
import pytest

from accounts.tokens.claims import AccessToken
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.servers.postgresql_server import PostgreSQLReplica, PostgreSQLServer
from tests.servers.redis_server import RedisServer
from tests.servers.server import HOST
from tests.waiting import wait_until
from usercache.keys import record_key

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.redis,
    pytest.mark.own_session,
    pytest.mark.django_db(transaction=True),
]

DELAY_SECONDS: Final = 3600
KEY: Final = "junkanoo" * 4
ANSWER_SECONDS: Final = 60
INSERT: Final = """
INSERT INTO users (email, first_name, last_name, password, bio, avatar_url, occupation, location,
  is_active, is_admin, is_superuser, created_at, updated_at, token_version)
VALUES ('alice@example.com', 'Alice', 'Rolle', '!', '', '', '', '',
  true, false, false, now(), now(), 1)
RETURNING id
"""
RENAME: Final = "UPDATE users SET first_name = 'Alicia' RETURNING version"
VERSION: Final = "SELECT version FROM users"


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Run a Redis of this test's own."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with RedisServer(folder) as server:
        yield server


def query(server: PostgreSQLServer, statement: str) -> Any:
    """Return the first value."""
    with psycopg.connect(server.url) as connection:
        row = connection.execute(statement).fetchone()
        assert row
        return row[0]


@pytest.fixture
def alice(postgresql_server: PostgreSQLServer) -> int:
    """Alice's key."""
    return int(query(postgresql_server, INSERT))


@pytest.fixture
def replica(
    alice: int, postgresql_server: PostgreSQLServer, tmp_path: Path
) -> Iterator[PostgreSQLReplica]:
    """Copy the primary, with Alice in it, and apply what comes later an hour after its commit."""
    folder = tmp_path / "replica"
    folder.mkdir()
    with PostgreSQLReplica(folder, postgresql_server, delay_seconds=DELAY_SECONDS) as server:
        yield server


@pytest.fixture
def port(
    replica: PostgreSQLReplica,
    postgresql_server: PostgreSQLServer,
    redis_server: RedisServer,
    tmp_path: Path,
) -> Iterator[int]:
    """Run the product, which reads from the replica; nobody tells its cache of changes by SQL."""
    folder = tmp_path / "web"
    folder.mkdir()
    variables = WAIT_VARIABLES | {
        "DJANGO_SETTINGS_MODULE": "tests.e2e.replica_settings",
        "DATABASE_URL": postgresql_server.url,
        "DATABASE_DIRECT_URL": "",
        "DATABASE_REPLICA_URL": replica.url,
        "REDIS_URL": redis_server.url,
        "USERCACHE_FORWARD_SIGNING_KEY": KEY,
    }
    with WebServer(folder, processes=1, variables=variables) as server:
        yield server.port


def ask(port: int, user_id: int, version: int) -> tuple[int, str]:
    """Return the status, and the version that the gateway would tell a service."""
    token = AccessToken.mint(user_id=user_id, token_version=1, session_id=uuid4())
    headers = {"Authorization": f"Bearer {token}", "X-User-Version": str(version)}
    with closing(HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)) as connection:
        connection.request("GET", "/auth/forward", headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("X-User-Version", "")


def test_service_reads_its_write_though_replica_and_cache_are_older(
    port: int,
    alice: int,
    postgresql_server: PostgreSQLServer,
    replica: PostgreSQLReplica,
    redis_server: RedisServer,
) -> None:
    """The user comes from the primary, and from then on from the cache, also without a version."""
    seen = query(replica, VERSION)

    def is_cached() -> bool:
        assert ask(port, alice, seen) == (200, str(seen))
        with redis_server.client() as client:
            return bool(client.keys(f"*{record_key(alice)}"))

    # A process that starts drains the outbox first, and would hear of the write below.
    wait_until(is_cached, "the product uses Redis")
    written = query(postgresql_server, RENAME)
    assert query(replica, VERSION) == seen < written
    assert ask(port, alice, seen) == (200, str(seen))
    assert ask(port, alice, written) == (200, str(written))
    assert ask(port, alice, 0) == (200, str(written))
    assert query(replica, VERSION) == seen
