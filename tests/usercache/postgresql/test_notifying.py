"""A commit notifies while somebody listens, and waits for nobody."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.counting import counts
from tests.usercache.postgresql.listeners import (
    RENAME,
    count_locks,
    execute,
    is_seen,
    l1_of,
    name_of,
    stop_listening,
    take,
    warm,
    write,
)
from tests.users import User, sql
from tests.waiting import wait_until
from usercache.l1.listener import Changes
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.postgresql import listening
from usercache.postgresql.listening import ListeningConnection
from usercache.postgresql.notifications import CHANGES_CHANNEL
from usercache.runtime import RUNTIME, get_store

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("_without_redis"),
]


@pytest.fixture
def witness() -> Iterator[psycopg.Connection[Any]]:
    """Listen to the same channel without saying so."""
    parameters = connection.get_connection_params()
    with psycopg.connect(**parameters | {"autocommit": True}) as session:
        session.execute(f"LISTEN {CHANGES_CHANNEL}")
        yield session


@pytest.fixture
def open_session() -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Open sessions of other programs, which end with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(psycopg.connect(**connection.get_connection_params()))


OpenSession = Callable[[], psycopg.Connection[Any]]


def told(witness: psycopg.Connection[Any]) -> list[str]:
    witness.execute("SELECT 1")
    return [notify.payload for notify in witness.notifies(timeout=0)]


@pytest.mark.own_session
def test_nobody_is_notified_while_nobody_listens(
    witness: psycopg.Connection[Any], alice: User
) -> None:
    """A commit with a notification waits for others; neither before nor after is there one."""
    stop_listening()
    write(alice, "before")
    assert told(witness) == []
    with closing(listening.connect()) as listener:
        write(alice, "meanwhile")
        assert told(witness) == [str(alice.pk)]
        assert take(listener) == [Changes([f"user:id:{alice.pk}"])]
    wait_until(lambda: _is_quiet(witness, alice), "the session has ended")


def _is_quiet(witness: psycopg.Connection[Any], alice: User) -> bool:
    write(alice, "after")
    return told(witness) == []


@pytest.mark.own_session
def test_unwatched_change_is_not_told(
    alice: User, listener: ListeningConnection, witness: psycopg.Connection[Any]
) -> None:
    """A statement that changes no cached column."""
    execute(sql("UPDATE {users} SET last_login = now()"))
    assert told(witness) == []


@pytest.mark.own_session
def test_longest_key_is_told_without_its_name(
    listener: ListeningConnection, witness: psycopg.Connection[Any]
) -> None:
    """PostgreSQL would refuse the commit for a message of 8,000 bytes."""
    execute("ALTER TABLE usercache_pendinginvalidation ALTER user_id TYPE text")
    try:
        for length, payload in ((7_900, "x" * 7_900), (7_901, "*"), (9_000, "*")):
            outbox.enqueue("default", ["x" * length])
            assert told(witness) == [payload]
    finally:
        PendingInvalidation.objects.all().delete()
        execute("ALTER TABLE usercache_pendinginvalidation ALTER user_id TYPE varchar(255)")


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.own_session
def test_listener_waits_for_a_write_that_will_not_notify(
    alice: User,
    witness: psycopg.Connection[Any],
    open_session: OpenSession,
    isolation: str,
) -> None:
    """It began when nobody listened; once somebody does, its row is committed."""
    stop_listening()
    writer = open_session()
    writer.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
    writer.execute(RENAME, ["late", alice.pk])
    store = get_store()
    l1 = l1_of(store)
    wait_until(lambda: count_locks(granted=False) == 1, "the listener waits")
    assert name_of(alice) == "Alice"
    assert not l1.is_current
    writer.commit()
    wait_until(lambda: l1.is_current, "the process listens")
    assert name_of(alice) == "late"
    assert told(witness) == []


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_write_in_an_older_snapshot_notifies(
    alice: User, open_session: OpenSession, isolation: str
) -> None:
    """A transaction that began before anybody listened and writes afterwards."""
    stop_listening()
    writer = open_session()
    writer.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
    writer.execute(sql("SELECT count(*) FROM {users}"))
    begun = get_store()
    wait_until(lambda: l1_of(begun).is_current, "the process listens")
    warm(begun, alice)
    writer.execute(RENAME, ["late", alice.pk])
    writer.commit()
    wait_until(is_seen(alice, "late"), "the change is seen")


def test_writer_never_waits_for_a_listener(
    alice: User, bob: User, open_session: OpenSession
) -> None:
    """One that is waiting for another writer: a transaction now notifies, and doesn't wait."""
    stop_listening()
    first, second = open_session(), open_session()
    first.execute(RENAME, ["first", alice.pk])
    get_store()
    wait_until(lambda: count_locks(granted=False) == 1, "the listener waits")
    second.execute("SET LOCAL statement_timeout = '60s'")  # a pooler keeps the session
    second.execute(RENAME, ["second", bob.pk])
    second.commit()
    first.commit()


def test_listener_that_waits_in_vain_leaves_no_session(
    alice: User, open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt beside a long transaction ends, in PostgreSQL too, before the next."""
    stop_listening()
    monkeypatch.setattr(listening, "SERVER_BOUND_MILLISECONDS", 50)
    open_session().execute(RENAME, ["late", alice.pk])
    store = get_store()
    name = "errors_listening_OperationalError"
    wait_until(lambda: counts(store).get(name, 0) > 5, "it has waited in vain")
    assert not l1_of(store).is_current
    RUNTIME.stop()
    wait_until(lambda: count_locks(granted=False) == 0, "nobody waits")
    assert count_locks(granted=True) == 1  # the writer's
