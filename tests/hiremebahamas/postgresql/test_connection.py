"""Connections to a real PostgreSQL whose every wait ends."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import cast
from unittest import mock

import psycopg
import pytest
from django.db import connection as any_connection
from django.db import connections
from psycopg.errors import QueryCanceled
from psycopg_pool import ConnectionPool

from hiremebahamas.postgresql import connection as connection_module
from hiremebahamas.postgresql.base import DatabaseWrapper
from hiremebahamas.postgresql.connection import TRUSTED_SECONDS, BoundedConnection
from hiremebahamas.postgresql.gate import Bounds, DatabaseHangsError, Gate

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

django_connection = cast(DatabaseWrapper, any_connection)

SHORT_SECONDS = 0.2
IDLE_CONNECTIONS = 6
LONG = "SELECT pg_sleep(60)"


@pytest.fixture
def gate() -> Gate:
    """Stay shut once shut: a probe is answered never, and tried again after the test at most."""
    return Gate(Bounds(SHORT_SECONDS), lambda: False, pause=lambda _: time.sleep(60))


@pytest.fixture
def connection(gate: Gate) -> Iterator[BoundedConnection]:
    """Connect as the backend does."""
    # Not to the test database: a statement that was given up goes on for a while.
    parameters = django_connection.get_connection_params() | {"dbname": "postgres"}
    with closing(BoundedConnection.connect(**parameters, autocommit=True)) as connection:
        connection.gate = gate
        yield connection


def test_the_backend_s_connections_wait_at_its_gate() -> None:
    """Each that the pool hands out."""
    django_connection.ensure_connection()
    assert isinstance(django_connection.connection, BoundedConnection)
    assert django_connection.connection.gate is django_connection.gate


def test_a_wait_past_its_bound_closes_the_connection_and_shuts_the_gate(
    connection: BoundedConnection, gate: Gate
) -> None:
    """What comes later would be taken for another statement's answer."""
    with pytest.raises(DatabaseHangsError, match=r"0\.2 s"):
        connection.execute(LONG)
    assert connection.closed
    assert gate.is_shut


def test_a_statement_that_the_server_ends_is_an_answer(
    connection: BoundedConnection, gate: Gate
) -> None:
    """The connection is as good as before."""
    gate.bounds = Bounds(60)
    connection.execute("SET statement_timeout = 1")
    with pytest.raises(QueryCanceled):
        connection.execute(LONG)
    assert (connection.closed, gate.is_shut) == (False, False)


@pytest.mark.own_session
@pytest.mark.django_db(transaction=True)
def test_dead_connections_of_the_pool_keep_nobody_waiting() -> None:
    """After a restart of the server all idle ones are dead; each is thrown away at once."""
    everybody = threading.Barrier(IDLE_CONNECTIONS)

    def use() -> None:
        django_connection.ensure_connection()
        everybody.wait(60)
        connections.close_all()

    with ThreadPoolExecutor(IDLE_CONNECTIONS) as threads:
        for used in [threads.submit(use) for _ in range(IDLE_CONNECTIONS)]:
            used.result()
    with django_connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        [ended] = cursor.fetchone()
    django_connection.close()
    with mock.patch("psycopg_pool.pool.sleep") as pause:
        django_connection.ensure_connection()
    assert (ended >= IDLE_CONNECTIONS - 1, pause.called) == (True, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("trusted_seconds", "is_asked"), [(TRUSTED_SECONDS, False), (-1.0, True)])
def test_the_server_is_not_asked_about_each_connection(
    trusted_seconds: float, is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only about one that was idle for so long that a firewall may have forgotten it."""
    monkeypatch.setattr(connection_module, "TRUSTED_SECONDS", trusted_seconds)
    django_connection.close()
    with mock.patch.object(ConnectionPool, "check_connection") as ask:
        django_connection.ensure_connection()
        django_connection.close()
    assert ask.called is is_asked


@pytest.mark.own_session
def test_a_connection_that_the_server_closed_is_not_trusted(connection: BoundedConnection) -> None:
    """Its good-bye is on the socket; nothing is asked."""
    connection.execute("SELECT 1")
    assert connection.is_known_to_live()
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 60000)", [connection.info.backend_pid])
    assert not connection.is_known_to_live()


def test_a_connection_closed_on_our_side_is_an_error(connection: BoundedConnection) -> None:
    """Which the backend takes for a dead connection, as every other."""
    connection.execute("SELECT 1")
    connection.close()
    with pytest.raises(psycopg.OperationalError):
        connection.is_known_to_live()


def test_who_waits_for_a_notification_has_a_bound_of_their_own(
    connection: BoundedConnection, gate: Gate
) -> None:
    """That none comes is no sign of anything."""
    assert not list(connection.notifies(timeout=2 * SHORT_SECONDS))
    assert (connection.closed, gate.is_shut) == (False, False)


def test_a_shut_gate_refuses_before_anything_is_sent(
    connection: BoundedConnection, gate: Gate
) -> None:
    """The connection stays as it is."""
    gate.shut()
    with pytest.raises(DatabaseHangsError):
        connection.execute("SELECT 1")
    assert not connection.closed


def test_the_server_s_bound_is_below_ours() -> None:
    """So that a slow statement is told from a server that hangs."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'")
        [timeout_ms] = cursor.fetchone()
    seconds = django_connection.gate.bounds.seconds
    assert seconds is not None
    assert 0 < timeout_ms < seconds * 1000


@pytest.mark.parametrize("error", [psycopg.OperationalError, OSError])
def test_a_server_that_cannot_be_reached_fails_the_probe(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the probing end where this process is out of descriptors."""
    assert django_connection._is_alive()

    def fail(**_parameters: object) -> None:
        raise error

    monkeypatch.setattr(psycopg, "connect", fail)
    assert not django_connection._is_alive()
