"""What a Redis that fails costs: never an answer, never an older row, at most one timeout."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connections, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from tests.caches import lead_shared_alias
from tests.processes import ANSWER_SECONDS, python
from tests.servers.redis_server import RedisServer
from tests.servers.server import find_free_port
from tests.usercache.clocks import Clock
from usercache import shared
from usercache.breaker import FAILURES_TO_OPEN, Breaker
from usercache.process import get_store
from usercache.report import Status, take_snapshot
from usercache.shared import SharedTier
from usercache.tiers import new_lease
from usercache.users import get_user_by_email, get_user_by_id, inspect_user, invalidate_all_users

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]

LOOK_UPS = 20

RENAME = """
from accounts.models import User
User.objects.filter(pk=int(input())).update(first_name="Alicia")
"""


@pytest.fixture(autouse=True)
def _own_redis(redis_server: RedisServer, settings: Settings) -> None:
    """Let the shared alias lead to a Redis that the test may break."""
    lead_shared_alias(settings, redis_server.url)


@pytest.fixture
def clock() -> Clock:
    """Take the breaker's clock over."""
    clock = Clock()
    breaker()._clock = clock
    return clock


def breaker() -> Breaker:
    shared = get_store().shared
    assert shared is not None
    return shared.breaker


def count(name: str) -> int:
    return get_store().stats.peek().get(name, 0)


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
    """Where nobody listens, three look-ups notice; from then on process memory serves."""
    lead_shared_alias(settings, f"redis://127.0.0.1:{find_free_port()}/0")
    with django_assert_num_queries(3):
        for _ in range(LOOK_UPS):
            assert first_name(alice) == "Alice"
    assert count("errors_ConnectionError") == 3
    assert count("breaker_openings") == 1
    assert count("hits_local") == LOOK_UPS - 3


def test_hanging_redis_costs_one_timeout(alice: User, redis_server: RedisServer) -> None:
    """After one look-up has waited, no other does, however many there are."""
    first_name(alice)
    redis_server.pause()
    for _ in range(LOOK_UPS):
        assert first_name(alice) == "Alice"
    assert count("errors_TimeoutError") == 1


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


def test_failed_invalidation_opens_at_once(alice: User, redis_server: RedisServer) -> None:
    """A replica that was left read-only answers every GET; the first write must notice it."""
    first_name(alice)
    make_read_only(redis_server)
    assert first_name(alice) == "Alice"
    assert breaker().state == "closed"
    alice.first_name = "Alicia"
    alice.save()
    assert breaker().state == "open"
    assert first_name(alice) == "Alicia"


def test_redis_that_comes_back_is_used_again(
    alice: User, redis_server: RedisServer, clock: Clock
) -> None:
    """After the pause one look-up probes, the local tier is emptied, and Redis serves."""
    first_name(alice)
    redis_server.kill()
    while breaker().state == "closed":
        assert first_name(alice) == "Alice"
    redis_server.start()
    assert first_name(alice) == "Alice"
    assert breaker().state == "open"
    clock.now += 2
    assert first_name(alice) == "Alice"
    assert breaker().state == "closed"
    assert inspect_user(alice.pk)[:2] == ("redis", "record")
    assert get_store()._local.get(f"user:id:{alice.pk}") is None


def test_second_outage_finds_nothing_of_the_first(
    alice: User, redis_server: RedisServer, clock: Clock
) -> None:
    """Who looks up while Redis comes back may fill process memory after it was emptied."""
    redis_server.pause()
    assert first_name(alice) == "Alice"
    entry = get_store()._local.get(f"user:id:{alice.pk}")
    assert entry is not None
    redis_server.resume()
    clock.now += 2
    assert first_name(alice) == "Alice"
    get_store()._local._cache.set(f"user:id:{alice.pk}", entry)
    with python(RENAME, REDIS_URL=redis_server.url) as other:
        other.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    redis_server.pause()
    assert first_name(alice) == "Alicia"


def test_probe_of_a_read_only_redis_fails(
    alice: User, redis_server: RedisServer, clock: Clock
) -> None:
    """A probe writes as well: what only answers GET stays out of use."""
    make_read_only(redis_server)
    alice.save()
    clock.now += 2
    assert first_name(alice) == "Alice"
    assert breaker().state == "open"
    assert breaker().seconds_to_probe > 2


def test_one_of_many_threads_probes(
    alice: User, redis_server: RedisServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one caller waits for the probe, the others are answered from process memory."""
    redis_server.kill()
    while breaker().state == "closed":
        first_name(alice)
    redis_server.start()
    clock.now += 2
    probing, let_go = threading.Event(), threading.Event()
    probe = SharedTier.probe

    def slow_probe(tier: SharedTier) -> None:
        probing.set()
        assert let_go.wait(10)
        probe(tier)

    monkeypatch.setattr(SharedTier, "probe", slow_probe)
    with ThreadPoolExecutor(1) as pool:
        prober = pool.submit(look_up_and_disconnect, alice)
        assert probing.wait(10)
        for _ in range(LOOK_UPS):
            assert first_name(alice) == "Alice"
        assert breaker().state == "probing"
        let_go.set()
        assert prober.result(10) == "Alice"
    assert breaker().state == "closed"


def look_up_and_disconnect(user: User) -> str:
    try:
        return first_name(user)
    finally:
        connections.close_all()


@pytest.mark.parametrize("step", ["get", "take_lease", "fill"])
def test_redis_killed_between_two_steps_of_a_read(
    step: str, alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Redis dies within a look-up, the look-up is answered."""
    operation = getattr(SharedTier, step)

    def die_first(*args: object) -> object:
        redis_server.stop()
        return operation(*args)

    monkeypatch.setattr(SharedTier, step, die_first)
    assert first_name(alice) == "Alice"


@pytest.mark.parametrize("step", ["raise_barriers", "lower_barriers"])
def test_redis_killed_between_two_steps_of_a_write(
    step: str, alice: User, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever Redis dies within a write, the write is done and seen at once."""
    first_name(alice)
    operation = getattr(SharedTier, step)

    def die_first(*args: object) -> object:
        redis_server.stop()
        return operation(*args)

    monkeypatch.setattr(SharedTier, step, die_first)
    with transaction.atomic():
        alice.first_name = "Alicia"
        alice.save()
    assert first_name(alice) == "Alicia"


def test_exhausted_pool_is_no_failure_of_redis(
    alice: User, redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When all connections are taken, a look-up asks the database, and Redis stays in use."""
    lead_shared_alias(settings, redis_server.url + "?exhausted", max_connections=1)
    shared = get_store().shared
    assert shared is not None
    connection = shared._tier._client.connection_pool.get_connection()
    for _ in range(LOOK_UPS):
        assert first_name(alice) == "Alice"
    assert count("errors_MaxConnectionsError") == LOOK_UPS
    with python(RENAME, REDIS_URL=redis_server.url) as other:
        other.communicate(f"{alice.pk}\n", timeout=ANSWER_SECONDS)
    assert first_name(alice) == "Alicia"
    assert breaker().state == "closed"
    shared._tier._client.connection_pool.release(connection)
    assert first_name(alice) == "Alicia"
    assert inspect_user(alice.pk).state == "record"


def test_failed_load_leaves_no_lease(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database fails, nobody is made to wait for a load that will never come."""

    def fail(*args: object) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patched:
        patched.setattr("usercache.users.load", fail)
        with pytest.raises(DatabaseError):
            get_user_by_id(alice.pk)
    assert inspect_user(alice.pk).state == "nothing"


@pytest.mark.parametrize("loss", [flush, restart])
def test_what_was_being_filled_stays_away_after_a_loss(
    loss: Callable[[RedisServer], None], redis_server: RedisServer
) -> None:
    """A load that began before Redis lost its memory is not filled into the empty one."""
    tier, lease = shared.connect("usercache"), new_lease()
    assert tier.take_lease("user:id:1", lease) is None
    loss(redis_server)
    assert not tier.fill({"user:id:1": (b"R the old row", 60_000)}, lease)
    assert tier.get("user:id:1") is None


def test_refused_figures_leave_the_look_ups_alone(alice: User, redis_server: RedisServer) -> None:
    """An ACL user without the rights for figures goes on with his look-ups, and is told."""
    get_user_by_id(alice.pk)
    with redis_server.client() as client:
        client.acl_setuser("default", enabled=True, commands=["-info", "-hgetall"])
    snapshot = [take_snapshot() for _ in range(FAILURES_TO_OPEN + 1)][-1]
    assert snapshot.status is Status.DEGRADED
    assert "README" in snapshot.reasons[0]
    assert breaker().is_closed
    assert inspect_user(alice.pk).state == "record"


def test_unreachable_redis_is_said(alice: User, redis_server: RedisServer) -> None:
    """The state of a user says that it can't be told."""
    redis_server.kill()
    assert inspect_user(alice.pk).state == "unreachable"
