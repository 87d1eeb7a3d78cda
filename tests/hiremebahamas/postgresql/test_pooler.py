"""Behind a PgBouncer in transaction mode: no state is left in a session, and none is relied on."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import pytest
from django.db import connection as any_connection
from django.db import connections, transaction

from hiremebahamas.postgresql.base import DatabaseWrapper
from tests.processes import ANSWER_SECONDS, environment
from tests.servers.pgbouncer import PgBouncer

pytestmark = [pytest.mark.pgbouncer, pytest.mark.django_db(transaction=True)]

connection = cast(DatabaseWrapper, any_connection)

SETTINGS: Final = "SELECT name, setting::int FROM pg_settings WHERE name LIKE '%%timeout'"


@pytest.fixture
def lenient(tmp_path: Path) -> Iterator[PgBouncer]:
    """Run one that was told to ignore what it doesn't support, as its manual advises."""
    url = environment()["DATABASE_DIRECT_URL"]
    with PgBouncer(tmp_path, url, ignored="options") as server:
        yield server


def read_timeouts() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(SETTINGS)
        found = dict(cursor.fetchall())
    return {name: found[name] for name in connection.timeouts}


def check(**variables: str) -> str:
    answer = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default"],
        env=environment(**variables),
        check=False,
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
    )
    return answer.stdout + answer.stderr


def test_timeouts_hold_for_a_transaction_alone() -> None:
    """The server ends its statements and its pauses; the next client finds a session as new."""
    before = read_timeouts()
    with transaction.atomic():
        assert read_timeouts() == connection.timeouts
        with transaction.atomic():
            assert read_timeouts() == connection.timeouts
    assert read_timeouts() == before != connection.timeouts


def test_clients_share_sessions_without_a_trace() -> None:
    """What each of many connections leaves behind is what it found."""
    found = set[str]()
    for _ in range(20):
        with transaction.atomic():
            read_timeouts()
        found.add(str(read_timeouts()))
        connections.close_all()
        connection.close_pool()
    assert len(found) == 1


def test_check_says_what_the_role_lacks() -> None:
    """Outside of a transaction only the role can have a timeout."""
    assert "hiremebahamas.W002" in check()
    assert "usercache.W050" not in check()


def test_check_finds_a_relay_that_no_notification_reaches() -> None:
    """Without a way past the pooler the relay polls."""
    assert "usercache.W050" in check(DATABASE_DIRECT_URL="")


def test_check_finds_a_pooler_that_nobody_named(lenient: PgBouncer) -> None:
    """One that ignores our timeouts is an error, not a promise broken in silence."""
    said = check(DATABASE_URL=lenient.url, DATABASE_DIRECT_URL="", DATABASE_IS_POOLED="False")
    assert "hiremebahamas.E001" in said
    assert "DATABASE_IS_POOLED=True" in said


def test_strict_pooler_that_nobody_named_is_an_error_that_helps() -> None:
    """A refused connection says which setting is missing."""
    said = check(DATABASE_IS_POOLED="False")
    assert "DATABASE_IS_POOLED=True" in said
    assert os.environ["DATABASE_URL"] not in said
