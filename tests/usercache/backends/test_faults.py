"""What a Redis that fails costs: never an answer, never an older row, at most one timeout."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from tests.backends import acquire_fill_lock
from tests.caches import lead_shared_alias
from tests.clocks import Clock
from tests.counting import counts
from tests.processes import ANSWER_SECONDS, python
from tests.servers.redis_server import RedisServer
from tests.servers.server import find_free_port
from tests.steering import get_guard, steer_recovery
from tests.users import User
from usercache.backends import redis as redis_backend
from usercache.backends.base import new_fill_lock
from usercache.backends.breaker import FAILURES_TO_OPEN, Breaker
from usercache.backends.memory import MemoryBackend
from usercache.backends.redis import RedisBackend
from usercache.management.inspection import inspect_user
from usercache.observability.snapshot import take_snapshot
from usercache.observability.status import Status
from usercache.runtime import get_store
from usercache.users import get_user_by_email, get_user_by_id, invalidate_all_users

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]

LOOK_UPS = 20

RENAME = """
from tests.users import User
User.objects.filter(pk=int(input())).update(first_name="Alicia")
"""


@pytest.fixture(autouse=True)
def _own_redis(redis_server: RedisServer, settings: Settings) -> None:
    """Let the shared alias lead to a Redis that the test may break."""
    lead_shared_alias(settings, redis_server.url)


@pytest.fixture
def clock() -> Clock:
    """Take the breaker's clock over, and the recovery."""
    return steer_recovery()


def breaker() -> Breaker:
    return get_guard().breaker


def count(name: str) -> int:
    return counts().get(name, 0)


def first_name(user: User) -> str:
    found = get_user_by_id(user.pk)
    assert found is not None
    return found.first_name


def pause(server: RedisServer) -> None:
    server.pause()


def kill(server: RedisServer) -> None:
    server.kill()


def make_read_only(server: RedisServer) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", find_free_port())


def fill_memory(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("maxmemory", 1)


def require_password(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("requirepass", "changed")
        client.client_kill_filter(_type="normal", skipme=True)


def drop_connections(server: RedisServer) -> None:
    with server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)


def flush(server: RedisServer) -> None:
    with server.client() as client:
        client.flushall()


def restart(server: RedisServer) -> None:
    server.kill()
    server.start()


FAULTS = [
    pause,
    kill,
    make_read_only,
    fill_memory,
    require_password,
    drop_connections,
    flush,
    restart,
]
with_each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)


@with_each_fault
def test_every_function_works_through_a_fault(
    fault: Callable[[RedisServer], None], alice: User, bob: User, redis_server: RedisServer
) -> None:
    """Whatever happens to a warm Redis, reads, writes and invalidations do what they say."""
    first_name(alice), get_user_by_email(bob.email)
    fault(redis_server)
    for number in range(5):
        alice.first_name = f"Alice {number}"
        alice.save()
        assert first_name(alice) == f"Alice {number}"
        User.objects.filter(pk=bob.pk).update(first_name=f"Bob {number}")
        found = get_user_by_email(bob.email)
        assert found is not None
        assert found.first_name == f"Bob {number}"
    invalidate_all_users()
    assert first_name(alice) == "Alice 4"
    assert get_user_by_id(bob.pk + 1) is None
    bob.delete()
    assert get_user_by_email("bob@example.com") is None


def test_refusing_redis_is_asked_three_times(
    alice: User, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Where nobody listens, three look-ups notice; once that is certain, process memory serves."""
    lead_shared_alias(settings, f"redis://127.0.0.1:{find_free_port()}/0")
    steer_recovery()
    with django_assert_num_queries(5):
        for _ in range(5):
            assert first_name(alice) == "Alice"
    assert count("errors_ConnectionError") == 3
    assert count("breaker_openings") == 1
    get_guard().attend()
    with django_assert_num_queries(1):
        for _ in range(LOOK_UPS):
            assert first_name(alice) == "Alice"
    assert count("hits_memory") == LOOK_UPS - 1


@pytest.mark.usefixtures("clock")
def test_hanging_redis_costs_one_timeout(alice: User, redis_server: RedisServer) -> None:
    """After one look-up has waited, no other does, however many there are."""
    first_name(alice)
    redis_server.pause()
    for _ in range(LOOK_UPS):
        assert first_name(alice) == "Alice"
    assert count("errors_TimeoutError") == 1


@pytest.mark.usefixtures("clock")
def test_write_through_a_hanging_redis_costs_one_timeout(
    alice: User, redis_server: RedisServer
) -> None:
    """A request that looks up and writes waits once, not once for each step."""
    first_name(alice)
    redis_server.pause()
    alice.first_name = "Alicia"
    alice.save()
    assert first_name(alice) == "Alicia"
    assert count("errors_TimeoutError") == 1


@pytest.mark.usefixtures("clock")
def test_failed_invalidation_opens_at_once(alice: User, redis_server: RedisServer) -> None:
    """A replica that was left read-only answers every GET; the first write must notice it."""
    first_name(alice)
    make_read_only(redis_server)
    assert first_name(alice) == "Alice"
    assert breaker().is_closed
    alice.first_name = "Alicia"
    alice.save()
    assert not breaker().permits()
    assert first_name(alice) == "Alicia"


@pytest.mark.usefixtures("clock")
def test_failed_lowering_opens_at_once(
    alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis took the write marker and refuses to let it go: what it holds can't be rested on."""
    first_name(alice)
    lower = RedisBackend.clear_markers

    def refuse_first(backend: RedisBackend, *args: object) -> None:
        make_read_only(redis_server)
        lower(backend, *args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(RedisBackend, "clear_markers", refuse_first)
    alice.first_name = "Alicia"
    alice.save()
    assert not breaker().permits()
    assert first_name(alice) == "Alicia"


@pytest.mark.usefixtures("clock")
def test_memory_isn_t_used_in_doubt(
    alice: User, redis_server: RedisServer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Until a probe has failed, others may write through Redis: each look-up asks the database."""
    first_name(alice)
    redis_server.pause()
    first_name(alice)
    with django_assert_num_queries(2):
        first_name(alice), first_name(alice)
    get_guard().attend()
    with django_assert_num_queries(1):
        first_name(alice), first_name(alice)


def test_redis_that_comes_back_is_used_again(
    alice: User, redis_server: RedisServer, clock: Clock
) -> None:
    """After the pause it is probed, the memory backend is emptied, and Redis serves."""
    first_name(alice)
    redis_server.kill()
    while breaker().is_closed:
        assert first_name(alice) == "Alice"
    get_guard().attend()
    redis_server.start()
    assert first_name(alice) == "Alice"
    get_guard().attend()
    assert breaker().is_away
    clock.now += 2
    get_guard().attend()
    assert breaker().is_closed
    assert get_store().memory.get(f"user:id:{alice.pk}") is None
    assert first_name(alice) == "Alice"
    assert inspect_user(alice.pk)[:2] == ("redis", "record")


def test_second_outage_finds_nothing_of_the_first(
    alice: User, redis_server: RedisServer, clock: Clock
) -> None:
    """Who looks up while Redis comes back may fill process memory after it was emptied."""
    redis_server.pause()
    assert first_name(alice) == "Alice"
    get_guard().attend()
    assert first_name(alice) == "Alice"
    entry = get_store().memory.get(f"user:id:{alice.pk}")
    assert entry is not None
    redis_server.resume()
    clock.now += 2
    get_guard().attend()
    assert breaker().is_closed
    memory = get_store().memory
    assert isinstance(memory, MemoryBackend)
    memory._keep(f"user:id:{alice.pk}", entry, 60.0)
    with python(RENAME, REDIS_URL=redis_server.url) as other:
        other.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    redis_server.pause()
    assert first_name(alice) == "Alicia"
    get_guard().attend()
    assert first_name(alice) == "Alicia"


def test_probe_of_a_read_only_redis_fails(
    alice: User, redis_server: RedisServer, clock: Clock
) -> None:
    """A probe writes as well: what only answers GET stays out of use."""
    make_read_only(redis_server)
    alice.save()
    get_guard().attend()
    assert breaker().is_away
    clock.now += 2
    get_guard().attend()
    assert breaker().is_away
    assert breaker().seconds_to_probe > 2


@pytest.mark.parametrize("step", ["get", "acquire_fill_locks", "fill"])
def test_redis_killed_between_two_steps_of_a_read(
    step: str, alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Redis dies within a look-up, the look-up is answered."""
    operation = getattr(RedisBackend, step)

    def die_first(*args: object, **kwargs: object) -> object:
        redis_server.stop()
        return operation(*args, **kwargs)

    monkeypatch.setattr(RedisBackend, step, die_first)
    assert first_name(alice) == "Alice"


@pytest.mark.parametrize("step", ["set_markers", "clear_markers"])
def test_redis_killed_between_two_steps_of_a_write(
    step: str, alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Redis dies within a write, the write is done and seen at once."""
    first_name(alice)
    operation = getattr(RedisBackend, step)

    def die_first(*args: object, **kwargs: object) -> object:
        redis_server.stop()
        return operation(*args, **kwargs)

    monkeypatch.setattr(RedisBackend, step, die_first)
    with transaction.atomic():
        alice.first_name = "Alicia"
        alice.save()
    assert first_name(alice) == "Alicia"


def test_exhausted_pool_is_no_failure_of_redis(
    alice: User, redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When all connections are taken, a look-up asks the database, and Redis stays in use."""
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0  # the flusher needs one, too
    lead_shared_alias(settings, redis_server.url + "?exhausted", max_connections=1)
    steer_recovery()  # whose heartbeat needs a connection, too
    shared = get_store().redis
    assert shared is not None
    connection = shared.backend.client.connection_pool.get_connection()
    for _ in range(LOOK_UPS):
        assert first_name(alice) == "Alice"
    assert count("errors_MaxConnectionsError") == LOOK_UPS
    with python(RENAME, REDIS_URL=redis_server.url) as other:
        other.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    assert first_name(alice) == "Alicia"
    assert breaker().state == "closed"
    shared.backend.client.connection_pool.release(connection)
    assert first_name(alice) == "Alicia"
    assert inspect_user(alice.pk).state == "record"


def test_failed_load_leaves_no_fill_lock(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database fails, nobody is made to wait for a load that will never come."""

    def fail(*args: object) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patched:
        patched.setattr("usercache.orm.loading.load", fail)
        with pytest.raises(DatabaseError):
            get_user_by_id(alice.pk)
    assert inspect_user(alice.pk).state == "nothing"


@pytest.mark.parametrize("loss", [flush, restart])
def test_what_was_being_filled_stays_away_after_a_loss(
    loss: Callable[[RedisServer], None], redis_server: RedisServer
) -> None:
    """A load that began before Redis lost its memory is not filled into the empty one."""
    backend, fill_lock = redis_backend.connect("usercache"), new_fill_lock()
    assert acquire_fill_lock(backend, "user:id:1", fill_lock) is None
    loss(redis_server)
    assert not backend.fill({"user:id:1": (b"R the old row", 60_000)}, fill_lock)
    assert backend.get("user:id:1") is None


def test_refused_metrics_leave_the_look_ups_alone(alice: User, redis_server: RedisServer) -> None:
    """An ACL user without the rights for metrics goes on with his look-ups, and is told."""
    get_user_by_id(alice.pk)
    with redis_server.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-info", "-hgetall"])
    snapshot = [take_snapshot() for _ in range(FAILURES_TO_OPEN + 1)][-1]
    assert snapshot.status is Status.DEGRADED
    assert "docs/redis.md" in snapshot.reasons[0]
    assert breaker().is_closed
    assert inspect_user(alice.pk).state == "record"


def test_unreachable_redis_is_said(alice: User, redis_server: RedisServer) -> None:
    """The state of a user says that it can't be told."""
    redis_server.kill()
    assert inspect_user(alice.pk).state == "unreachable"
