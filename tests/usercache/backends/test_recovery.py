"""A process at its start, in an outage and after it: by its own thread, and nobody waits."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.caches import lead_shared_alias
from tests.counting import counts
from tests.processes import ANSWER_SECONDS, python
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.steering import get_guard, steer_recovery
from tests.usercache.redis_faults import REFUSING_WRITES, Fault, configured, full
from tests.users import User
from tests.waiting import WAIT_SECONDS, wait_until
from usercache.backends.breaker import Breaker
from usercache.backends.redis import RedisBackend
from usercache.management.inspection import inspect_user
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.runtime import RUNTIME, Runtime, await_verdict, get_store
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]

MAKE_STORE = Runtime._make_store

LOOK_UP = """
from usercache.runtime import await_verdict, get_store
from usercache.users import (get_user_by_id)
user = get_user_by_id(int(input()))
await_verdict(30)
print(user.first_name, get_store().redis.breaker.state, flush=True)
"""

RENAME = """
from tests.users import User
User.objects.filter(pk=int(input())).update(first_name="Alicia")
"""


OUT_OF_DESCRIPTORS = """
import os, resource, threading
from django.db import Error, connection, connections
from usercache.runtime import await_verdict, get_store
from usercache.users import (get_user_by_id)

pk, held, outcomes = int(input()), [], set()
connection.ensure_connection()
connections.close_all()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
for _ in range(20):
    try:
        outcomes.add(get_user_by_id(pk).pk == pk)
    except (Error, OSError):  # the latter where a module can't be imported
        outcomes.add("refused")
    connections.close_all()
ours = [t.name for t in threading.enumerate() if t.name.startswith("usercache")]
for number in held:
    os.close(number)
healed = threading.Event()
while not (get_store().redis.breaker.is_closed and get_store().l1.is_used):
    healed.wait(0.01)
print(outcomes <= {True, "refused"}, len(ours) == len(set(ours)), get_user_by_id(pk).pk == pk)
"""


@pytest.fixture(autouse=True)
def _own_redis(redis_server: RedisServer, settings: Settings) -> None:
    """Let the shared alias lead to a Redis that the test may break."""
    lead_shared_alias(settings, redis_server.url)


@pytest.fixture
def _beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process begin with its first use of the store, as processes do."""
    monkeypatch.setattr(Runtime, "_make_store", MAKE_STORE)
    RUNTIME.stop()


def breaker() -> Breaker:
    return get_guard().breaker


def first_name(user: User) -> str:
    found = get_user_by_id(user.pk)
    assert found is not None
    return found.first_name


def rename_past_redis(user: User) -> None:
    """Leave what a process that was killed leaves: a commit, and a row that nobody drained."""
    User.objects.filter(pk=user.pk).update(first_name="Alicia")
    PendingInvalidation.objects.all().delete()
    outbox.enqueue("default", [user.pk])


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no probe end before the block does."""
    let_go = threading.Event()
    probe = RedisBackend.probe

    def slow_probe(backend: RedisBackend) -> None:
        assert let_go.wait(WAIT_SECONDS)
        probe(backend)

    with monkeypatch.context() as patched:
        patched.setattr(RedisBackend, "probe", slow_probe)
        yield
        let_go.set()
        wait_until(lambda: breaker().is_closed, "Redis is in use")


@pytest.mark.usefixtures("_beginning")
def test_process_tells_what_a_dead_one_left_before_it_uses_redis(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first look-up on, none is older than the database, and none waits."""
    await_verdict(WAIT_SECONDS)
    first_name(alice)
    rename_past_redis(alice)
    RUNTIME.stop()
    with held_up(monkeypatch):
        assert first_name(alice) == "Alicia"
        assert PendingInvalidation.objects.count() == 1
    assert PendingInvalidation.objects.count() == 0
    assert inspect_user(alice.pk)[:2] == ("redis", "nothing")
    assert first_name(alice) == "Alicia"


@pytest.mark.usefixtures("_beginning")
def test_process_that_begins_keeps_nothing_in_memory(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others write through Redis already, and nobody tells its memory."""
    RUNTIME.stop()
    with held_up(monkeypatch):
        assert first_name(alice) == "Alice"
        User.objects.filter(pk=alice.pk).update(first_name="Alicia")
        assert first_name(alice) == "Alicia"


@pytest.mark.usefixtures("_beginning")
def test_process_that_begins_tells_redis_of_its_writes(
    alice: User, monkeypatch: pytest.MonkeyPatch, redis_client: Redis
) -> None:
    """A command that writes one user and ends has told all others."""
    RUNTIME.stop()
    with held_up(monkeypatch):
        redis_client.set(f"hmb:1:user:id:{alice.pk}", "anything")
        User.objects.filter(pk=alice.pk).update(first_name="Alicia")
        assert redis_client.get(f"hmb:1:user:id:{alice.pk}") is None
        assert PendingInvalidation.objects.count() == 0


@pytest.mark.usefixtures("_beginning")
def test_process_that_begins_while_redis_hangs_waits_for_nothing(
    alice: User, redis_server: RedisServer
) -> None:
    """No look-up asks Redis before it was seen to work; then memory serves."""
    RUNTIME.stop()
    redis_server.pause()
    assert first_name(alice) == "Alice"
    await_verdict(WAIT_SECONDS)
    assert breaker().is_away
    steer_recovery()
    for _ in range(3):
        first_name(alice)
    assert counts()["errors_TimeoutError"] == 1  # the probe's
    assert counts()["hits_memory"] == 2


def test_any_process_begins_with_its_first_use_of_the_store(
    alice: User, redis_server: RedisServer
) -> None:
    """A command or a task as a web worker does; no request is needed."""
    outbox.enqueue("default", [alice.pk])
    with python(LOOK_UP, REDIS_URL=redis_server.url) as process:
        said, _ = process.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    assert said.split() == ["Alice", "closed"]
    assert PendingInvalidation.objects.count() == 0


def test_process_that_ends_at_once_has_told_redis(
    alice: User, redis_server: RedisServer, redis_client: Redis
) -> None:
    """Whether or not its recovery was over by then."""
    first_name(alice)
    with python(RENAME, REDIS_URL=redis_server.url) as process:
        process.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
        assert process.returncode == 0
    assert first_name(alice) == "Alicia"


@pytest.mark.product
def test_process_that_begins_without_descriptors_heals(
    alice: User, redis_server: RedisServer
) -> None:
    """Each look-up is answered or fails by its own error, and leaves no thread behind.

    Once there are descriptors again, Redis is used and listened to.
    """
    settings = {"REDIS_URL": redis_server.url, "USERCACHE_L1_MAX_ENTRIES": "10"}
    with python(OUT_OF_DESCRIPTORS, **settings) as process:
        said, _ = process.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    assert said.split() == ["True", "True", "True"]


@pytest.mark.usefixtures("_beginning")
def test_command_waits_for_the_verdict(redis_server: RedisServer) -> None:
    """Whether Redis is used or not; and where there is none, for nothing."""
    await_verdict(WAIT_SECONDS)
    assert breaker().is_closed
    RUNTIME.stop()
    redis_server.kill()
    await_verdict(WAIT_SECONDS)
    assert breaker().is_away


def test_idle_process_comes_back_by_itself(
    alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread notices the outage, wakes up when the pause is over, and needs no request."""
    monkeypatch.setattr("usercache.backends.resilient.HEARTBEAT_SECONDS", 0.01)
    get_store()
    redis_server.kill()
    wait_until(lambda: breaker().is_away, "it has noticed")
    outbox.enqueue("default", [alice.pk])
    redis_server.start()
    wait_until(lambda: breaker().is_closed, "it is back")
    assert PendingInvalidation.objects.count() == 0


def test_look_ups_go_on_while_it_recovers(
    alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a probe and what waits in the outbox take, nobody waits for it."""
    first_name(alice)
    breaker().steady_from = 0.0
    with held_up(monkeypatch):
        breaker().failed(at_once=True)
        get_guard().needs_attention.set()
        for _ in range(3):
            assert first_name(alice) == "Alice"
        with transaction.atomic():
            User.objects.filter(pk=alice.pk).update(first_name="Alicia")
            assert first_name(alice) == "Alicia"
        assert first_name(alice) == "Alicia"
    assert first_name(alice) == "Alicia"


def test_slow_process_is_no_slow_redis(
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """One answer that came too late costs a probe's time, and nothing older is ever shown."""
    first_name(alice)
    breaker().steady_from = 0.0
    get = RedisBackend.get

    def take_too_long(_backend: RedisBackend, _key: str) -> bytes | None:
        monkeypatch.setattr(RedisBackend, "get", get)
        raise RedisTimeoutError

    monkeypatch.setattr(RedisBackend, "get", take_too_long)
    with django_assert_num_queries(1):
        assert first_name(alice) == "Alice"
    assert counts()["breaker_openings"] == 1
    wait_until(lambda: breaker().is_closed, "it is in use again")
    assert breaker()._pauses_in_a_row == 0  # at the first try
    assert "hits_memory" not in counts()


def test_connections_of_the_recovery_are_given_back(alice: User, redis_server: RedisServer) -> None:
    """Its thread keeps none to the database; this one's stay as they are."""
    seen = list[bool]()

    def look(*_args: object, **_kwargs: object) -> int:
        connection.ensure_connection()
        seen.append(True)
        return 0

    with pytest.MonkeyPatch.context() as patched:
        closed = list[str]()
        close_all = type(connections).close_all

        def close(handler: object) -> None:
            closed.append(threading.current_thread().name)
            close_all(handler)  # type: ignore[arg-type]  # the handler itself

        patched.setattr(type(connections), "close_all", close)
        patched.setattr(outbox, "drain", look)
        get_store()
        breaker().steady_from = 0.0
        breaker().failed(at_once=True)
        get_guard().needs_attention.set()
        wait_until(lambda: breaker().is_closed and closed, "it has recovered")
    assert seen
    assert "usercache-recovery" in closed
    assert first_name(alice) == "Alice"


@pytest.mark.parametrize("fault", REFUSING_WRITES, ids=lambda fault: fault.__name__)
def test_redis_that_refuses_writes_is_left_by_who_only_reads(
    fault: Fault, alice: User, redis_server: RedisServer
) -> None:
    """The heartbeat tells a process that it can't be told of writes; it comes back after."""
    clock = steer_recovery()
    first_name(alice)
    get_guard().attend()
    assert breaker().is_closed
    with TcpProxy(redis_server.port) as proxy, fault(redis_server, proxy):
        assert first_name(alice) == "Alice"
        assert breaker().is_closed
        get_guard().attend()
        assert not breaker().permits()
        rename_past_redis(alice)
        assert first_name(alice) == "Alicia"
        get_guard().attend()
        assert breaker().is_away
        assert first_name(alice) == "Alicia"
    clock.now += 2
    get_guard().attend()
    assert breaker().is_closed
    assert first_name(alice) == "Alicia"


def test_full_redis_stays_in_use(alice: User, redis_server: RedisServer) -> None:
    """It refuses to keep anybody, but lets everybody be forgotten."""
    steer_recovery()
    first_name(alice)
    with full(redis_server, None):  # type: ignore[arg-type]  # no proxy is used
        get_guard().attend()
        assert breaker().is_closed
        assert first_name(alice) == "Alice"


def test_heart_beats_by_itself(
    alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that only reads leaves such a Redis within a heartbeat, without a request."""
    monkeypatch.setattr("usercache.backends.resilient.HEARTBEAT_SECONDS", 0.01)
    first_name(alice)
    with configured(redis_server, "min-replicas-to-write", 1, 0):
        wait_until(lambda: breaker().is_away, "it has left")
    wait_until(lambda: breaker().is_closed, "it is back")


def test_exhausted_pool_stops_no_heart(redis_server: RedisServer, settings: Settings) -> None:
    """That all connections are in use says nothing about Redis."""
    lead_shared_alias(settings, redis_server.url + "?heart", max_connections=1)
    steer_recovery()
    pool = get_guard().backend.client.connection_pool
    taken = pool.get_connection()
    for _ in range(5):
        get_guard().attend()
    assert breaker().is_closed
    pool.release(taken)


def test_idle_process_notices_a_dead_redis_in_three_beats(redis_server: RedisServer) -> None:
    """One connection that broke is no outage; three failures in a row are."""
    steer_recovery()
    get_guard().attend()
    redis_server.kill()
    get_guard().attend()
    get_guard().attend()
    assert breaker().is_closed
    get_guard().attend()
    assert not breaker().permits()
