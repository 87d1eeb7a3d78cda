"""A process without Redis: PostgreSQL tells it of every change, or it asks the database."""

import gc
import os
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from tests.caches import WAIT, lead_shared_alias
from tests.counting import counts
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.redis_server import RedisServer
from tests.servers.server import HOST
from tests.servers.tcp_proxy import TcpProxy
from tests.steering import get_guard, keep_redis_away
from tests.usercache.conftest import MakeUser
from tests.usercache.forks import fork
from tests.usercache.postgresql.listeners import (
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
from usercache.codec import get_codec
from usercache.l1.listener import Answer, Changes
from usercache.l1.memory import ReportedMemory
from usercache.lookup import Store
from usercache.orm.outbox import journal_of
from usercache.postgresql import listening, triggers
from usercache.postgresql.listening import ListeningConnection, NotReportedError
from usercache.postgresql.notifications import CHANGES_CHANNEL
from usercache.runtime import RUNTIME, get_store
from usercache.users import get_user_by_email, get_user_by_id

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.usefixtures("_without_redis"),
]


PREPARED = "max_prepared_transactions"


def test_warm_look_up_asks_nobody(
    store: Store, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """By id and by email; and for the whole TTL, not the few seconds of unreported memory."""
    warm(store, alice)
    assert get_user_by_email(alice.email)
    with django_assert_num_queries(0):
        for _ in range(10):
            assert name_of(alice) == "Alice"
            assert get_user_by_email(alice.email) == alice
    store.memory.clock = lambda: 1e12  # type: ignore[attr-defined]
    assert store.memory.get(f"user:id:{alice.pk}") is None
    assert counts(store)["hits_l1"] >= 20


def test_change_of_another_is_seen(store: Store, alice: User) -> None:
    """One row after the other, each in its own transaction."""
    for number in range(5):
        warm(store, alice)
        write(alice, f"Alice {number}")
        wait_until(is_seen(alice, f"Alice {number}"), "the change is seen")


def test_statement_that_changes_many_is_seen(store: Store, make_user: MakeUser) -> None:
    """More than fit into messages of their own: all users are dropped."""
    users = [make_user(f"user{number}") for number in range(triggers.BULK_ROWS + 1)]
    warm(store, users[0])
    execute(sql("UPDATE {users} SET first_name = 'changed'"))
    wait_until(is_seen(users[0], "changed"), "the change is seen")


def test_user_who_is_added_or_removed_is_seen(store: Store, alice: User) -> None:
    """That there is no such user is remembered until there is."""
    absent = alice.pk + 1
    assert get_user_by_id(absent) is None
    bob = User(pk=absent, email="bob@example.com", username="bob", password="!unusable")
    QuerySet[User](User).bulk_create([bob])  # announced by nobody
    wait_until(lambda: get_user_by_id(absent), "the user is found")
    warm(store, bob)
    QuerySet[User](User).filter(pk=absent)._raw_delete("default")
    wait_until(lambda: get_user_by_id(absent) is None, "the user is gone")


def test_rolled_back_change_is_not_told(store: Store, alice: User) -> None:
    """Nor one to a savepoint."""
    warm(store, alice)
    with transaction.atomic(), pytest.raises(ZeroDivisionError), transaction.atomic():
        write(alice, "Alicia")
        _ = 1 / 0
    execute("SELECT pg_notify(%s, '0')", CHANGES_CHANNEL)  # is told after it
    assert name_of(alice) == "Alice"


def test_own_write_is_seen_at_once(store: Store, alice: User) -> None:
    """By the write marker in memory, whenever the message comes."""
    for number in range(20):
        warm(store, alice)
        User.objects.filter(pk=alice.pk).update(first_name=f"Alice {number}")
        assert name_of(alice) == f"Alice {number}"


# -- a connection that is lost


def _end_listeners() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )


def test_killed_session_is_replaced(store: Store, alice: User) -> None:
    """What is changed in between is seen as well: memory is empty when it is served again."""
    for number in range(3):
        warm(store, alice)
        _end_listeners()
        write(alice, f"Alice {number}")
        wait_until(is_seen(alice, f"Alice {number}"), "the change is seen")
        wait_until(lambda: l1_of(store).is_current, "the process listens again")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """Let the listener's connections alone go through a proxy."""
    connect = ListeningConnection.__init__
    with TcpProxy(int(connection.settings_dict["PORT"])) as proxy:

        def through(self: ListeningConnection, parameters: dict[str, Any], *rest: Any) -> None:
            connect(self, parameters | {"host": HOST, "port": proxy.port}, *rest)

        monkeypatch.setattr(ListeningConnection, "__init__", through)
        yield proxy


@pytest.mark.parametrize("fault", [TcpProxy.black_hole, TcpProxy.half_open, TcpProxy.cut])
@pytest.mark.own_session
def test_line_that_is_cut(
    proxy: TcpProxy, store: Store, alice: User, fault: Callable[[TcpProxy], None]
) -> None:
    """Silently or not: in the end the database is asked, and nothing is kept."""
    warm(store, alice)
    fault(proxy)
    wait_until(lambda: not l1_of(store).is_used, "the window is shut")
    write(alice, "Alicia")
    assert name_of(alice) == "Alicia"
    write(alice, "Alina")
    assert name_of(alice) == "Alina"
    proxy.restore()
    wait_until(lambda: l1_of(store).is_current, "the process listens again")
    warm(store, alice)
    assert name_of(alice) == "Alina"


@pytest.mark.own_session
def test_message_on_its_way_may_be_waited_for(proxy: TcpProxy, store: Store, alice: User) -> None:
    """A slow line shows the row of before until the message comes, and then never again."""
    warm(store, alice)
    proxy.delay(0.1)
    write(alice, "Alicia")
    wait_until(is_seen(alice, "Alicia"), "the change is seen")
    for _ in range(10):
        assert name_of(alice) == "Alicia"


def test_server_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a connection nor a question waits longer than its bound."""
    monkeypatch.setattr(listening, "SILENCE_SECONDS", 0.1)
    with PostgreSQLServer(tmp_path) as server:
        parameters = {"conninfo": server.url}
        with closing(ListeningConnection(parameters)) as listener:
            server.pause()
            with pytest.raises(psycopg.OperationalError, match="No answer"):
                listener._ask("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                ListeningConnection(parameters)
            server.resume()
        ListeningConnection(parameters).close()


def test_heartbeat_is_answered_after_what_was_told_before(
    alice: User, listener: ListeningConnection
) -> None:
    """In one take, or in several: an answer never overtakes a change."""
    taken = list[Changes | Answer]()
    write(alice, "Alicia")
    listener.send_heartbeat()

    while Answer.HEARTBEAT not in taken:
        taken += take(listener)
    assert taken == [Changes([f"user:id:{alice.pk}"]), Answer.HEARTBEAT]


def test_statement_that_fails_is_an_error(listener: ListeningConnection) -> None:
    """Not an answer."""
    with pytest.raises(psycopg.OperationalError, match="nothing_of_the_kind"):
        listener._ask("SELECT nothing_of_the_kind")


def test_lost_connection_leaves_the_selector(listener: ListeningConnection) -> None:
    """Though libpq has closed its descriptor by then, whose number may be another's."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        _end_listeners()
        with pytest.raises(psycopg.OperationalError):
            while True:
                selector.select()
                list(listener.take())
        with pytest.raises(ValueError, match="lost"):
            listener.fileno()
        selector.unregister(listener)
        assert not selector.get_map()


def test_forked_child_leaves_the_session_alone(store: Store, alice: User) -> None:
    """It begins with none of its own, and ends without ending its parent's."""
    warm(store, alice)
    assert os.waitpid(fork(gc.collect), 0)[1] == 0
    assert l1_of(store).get(f"user:id:{alice.pk}") is not None
    write(alice, "Alicia")
    wait_until(is_seen(alice, "Alicia"), "the change is seen")
    assert "errors_listening_OperationalError" not in counts(store)


# -- where nothing is reported


@pytest.mark.usefixtures("_installed_again")
def test_without_triggers_memory_serves_shortly(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another database; a migration is noticed at the next attempt."""
    triggers.remove(connection)
    RUNTIME.stop()  # or it may have begun to listen before
    store = get_store()
    wait_until(lambda: store.memory_l1 is None, "it is known that nothing is reported")
    assert counts(store)["errors_listening_NotReportedError"] == 1

    def is_served() -> bool:
        with CaptureQueriesContext(connection) as queries:
            assert name_of(alice) == "Alice"
        return not queries.captured_queries

    # The listener of the test before, if it ends late, empties memory once more.
    wait_until(is_served, "memory serves")
    assert "migrate" in journal_of(connection).why_unreported()
    triggers.install(connection, get_codec())
    monkeypatch.setattr("usercache.postgresql.listening.REFUSED_PAUSE_SECONDS", 0.0)
    RUNTIME.stop()
    begun = get_store()
    wait_until(lambda: l1_of(begun).is_current, "the process listens")


def test_next_attempt_is_some_time_away() -> None:
    """A refusal costs a connection each time."""
    now = [1000.0]
    store = Store(memory=get_store().memory, events=get_store().events, random=lambda: 0.0)
    l1 = ReportedMemory(store.memory, 10)  # type: ignore[arg-type]
    voice = listening.Voice(store, l1, lambda: now[0])
    assert voice.is_wanted()
    assert store.memory_l1 is l1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "connect", _refuse)
        with pytest.raises(NotReportedError):
            next(iter(voice.connect()))
    assert vars(store)["memory_l1"] is None
    now[0] += listening.REFUSED_PAUSE_SECONDS - 0.001
    assert not voice.is_wanted()
    now[0] += 0.002
    assert voice.is_wanted()
    for found in voice.connect():
        assert store.memory_l1 is l1
        found.close()


def _refuse(_on_changes: object) -> None:
    raise NotReportedError


def test_prepared_transactions_can_t_notify(tmp_path: Path) -> None:
    """Where PostgreSQL allows them, a listener would hear nothing."""

    class Preparing(PostgreSQLServer):
        def _command(self) -> Any:
            return (*super()._command(), "-c", f"{PREPARED}=2")

    with Preparing(tmp_path) as server, pytest.raises(NotReportedError, match=PREPARED):
        ListeningConnection({"conninfo": server.url})


@pytest.mark.pgbouncer
def test_pooler_passes_nothing_on(settings: Settings, alice: User) -> None:
    """Without a way past it, memory serves shortly, and the doctor says so."""
    assert journal_of(connection).why_unreported() == ""
    settings.USERCACHE_LISTEN_ALIAS = ""
    store = get_store()
    wait_until(lambda: store.memory_l1 is None, "it is known that nothing is reported")
    assert "pooler" in journal_of(connection).why_unreported()
    assert name_of(alice) == "Alice"


def test_client_cache_that_is_off(settings: Settings, alice: User) -> None:
    """No connection is opened, and memory serves shortly."""
    settings.USERCACHE_L1_MAX_ENTRIES = 0
    stop_listening()  # those of an earlier test
    store = get_store()
    assert store.memory_l1 is None
    assert name_of(alice) == "Alice"
    assert count_locks(granted=True) == 0


def test_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is asked again each time: nothing is known of it."""

    def fail(*_arguments: object) -> bool:
        raise OperationalError

    monkeypatch.setattr(triggers, "is_installed", fail)
    store = get_store()
    wait_until(lambda: counts(store).get("errors_listening_OperationalError", 0) > 2, "it tries")
    assert store.memory_l1 is not None
    assert not l1_of(store).is_used


@pytest.mark.redis
@pytest.mark.parametrize("many", [1, triggers.BULK_ROWS + 1])
def test_process_that_is_back_passes_changes_on(
    settings: Settings, make_user: MakeUser, many: int
) -> None:
    """No relay runs, and the writer hasn't found Redis yet."""
    users = [make_user(f"user{number}") for number in range(many)]
    settings.USERCACHE_REDIS_ALIAS = "usercache"
    store = get_store()
    keep_redis_away()
    wait_until(lambda: l1_of(store).is_current, "the process listens")
    get_guard().breaker.close(get_guard().breaker.recover())
    wait_until(lambda: name_of(users[0]) == "", "the user is in Redis")
    execute(sql("UPDATE {users} SET first_name = 'changed'"))
    wait_until(is_seen(users[0], "changed"), "the change is seen")


@pytest.mark.redis
def test_redis_that_goes_and_comes(
    settings: Settings, redis_server: RedisServer, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is listened to from the one to the other, and for a while longer."""
    monkeypatch.setattr(listening, "LINGER_SECONDS", 0.5)
    monkeypatch.setattr("usercache.backends.breaker.FIRST_PAUSE_SECONDS", 0.01)
    settings.USERCACHE_REDIS_ALIAS = "usercache"
    lead_shared_alias(settings, redis_server.url, **WAIT)
    stop_listening()  # those of an earlier test
    store = get_store()
    assert name_of(alice) == "Alice"
    assert count_locks(granted=True) == 0
    redis_server.kill()
    name_of(alice)
    wait_until(lambda: name_of(alice) and l1_of(store).is_current, "the process listens")
    warm(store, alice)
    write(alice, "Alicia")
    wait_until(is_seen(alice, "Alicia"), "the change is seen")
    redis_server.start()
    wait_until(lambda: store.redis and store.redis.breaker.is_closed, "Redis is used again")
    wait_until(lambda: count_locks(granted=True) == 0, "nobody listens")
    assert name_of(alice) == "Alicia"


def test_many_readers_and_a_writer(store: Store, alice: User) -> None:
    """Once a change has been seen by a thread, it sees no earlier one."""
    over, seen = threading.Event(), list[list[int]]()

    def read() -> None:
        numbers = list[int]()
        seen.append(numbers)
        while not over.is_set():
            numbers.append(int(name_of(alice)))
        connections.close_all()

    write(alice, "0")
    warm(store, alice)
    wait_until(is_seen(alice, "0"), "the change is seen")
    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 50):
        write(alice, str(number))
    wait_until(is_seen(alice, "49"), "the last change is seen")
    over.set()
    for thread in threads:
        thread.join()
    assert all(numbers == sorted(numbers) for numbers in seen)
