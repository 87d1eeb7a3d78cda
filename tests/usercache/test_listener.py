"""The near tier on real Redis: what it hears of, and what happens when it hears nothing."""

from collections.abc import Callable
from time import perf_counter

import pytest
from pytest_django import Settings
from redis import Redis

from tests.caches import PATIENCE, lead_shared_alias
from tests.deployments import Deployment
from tests.servers.redis_cluster import ask
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.usercache.conftest import CountCommands
from tests.usercache.redis_faults import read_only
from tests.waiting import wait_until
from usercache.codec import Values, get_codec
from usercache.conf import conf
from usercache.listener import Listener
from usercache.near import NearTier
from usercache.process import PROCESS, get_store
from usercache.sought import Sought
from usercache.store import Store
from usercache.tiers import new_token

pytestmark = pytest.mark.redis

KEY = "user:id:7"
FULL_KEY = "hmb:1:user:id:7"
ROW: Values = (7, "alice@example.com")
NEW: Values = (7, "new@example.com")
CODEC_FIELDS = ("id", "email")


@pytest.fixture(autouse=True)
def _near_tier_is_on(settings: Settings) -> None:
    settings.USERCACHE_FIELDS = CODEC_FIELDS
    settings.USERCACHE_NEAR_MAX_ENTRIES = 100


@pytest.fixture
def store() -> Store:
    """Return a store that Redis is heard by."""
    store = get_store()
    wait_until(lambda: near_of(store).is_used, "somebody listens")
    return store


@pytest.fixture
def own_store(redis_server: RedisServer, settings: Settings) -> Store:
    """Return the same on a Redis of this test's own."""
    lead_shared_alias(settings, redis_server.url, **PATIENCE)
    store = get_store()
    wait_until(lambda: near_of(store).is_used, "somebody listens")
    return store


def near_of(store: Store) -> NearTier:
    assert store._near is not None
    return store._near


def look_up(store: Store, row: Values = ROW) -> Values | None:
    sought = Sought(KEY, get_codec(), lambda: row, lambda: True, perf_counter())
    return store.recall(KEY, lambda: sought) or store.look_up(sought)


def recall(store: Store) -> Values | None:
    return store.recall(KEY, never)


def never() -> Sought:
    raise AssertionError("nothing is audited here")


def warm(store: Store) -> None:
    """Look up until it comes from memory: a fill's own messages may be on their way."""
    wait_until(lambda: look_up(store) and recall(store), "the record is near")


def forgotten(store: Store) -> bool:
    return recall(store) is None


def test_warm_look_up_asks_nobody(count_commands: CountCommands, store: Store) -> None:
    """Once near, a user costs Redis nothing; the heart beats with DEL."""
    warm(store)
    with count_commands() as counts:
        for _ in range(100):
            assert look_up(store, NEW) == ROW
    assert set(counts) <= {"del"}


FOREIGN_CHANGES: dict[str, Callable[[Redis], object]] = {
    "deleted": lambda redis: redis.delete(FULL_KEY),
    "flushed": lambda redis: redis.flushdb(),
    "run out": lambda redis: redis.pexpire(FULL_KEY, 1),
    "overwritten": lambda redis: redis.set(FULL_KEY, b"garbage"),
    "renamed": lambda redis: redis.rename(FULL_KEY, "elsewhere"),
}


@pytest.mark.parametrize("change", FOREIGN_CHANGES.values(), ids=FOREIGN_CHANGES.keys())
def test_whatever_happens_to_the_key_is_heard(
    store: Store, redis_client: Redis, change: Callable[[Redis], object]
) -> None:
    """Also what others do to it, past us: an operator with redis-cli, expiry, a flush."""
    warm(store)
    change(redis_client)
    wait_until(lambda: forgotten(store), "the record is dropped")
    wait_until(lambda: look_up(store, NEW) == NEW, "it has run out in Redis")


def test_eviction_is_heard(own_store: Store, redis_server: RedisServer) -> None:
    """A Redis that is full and throws records out tells so."""
    warm(own_store)
    with redis_server.client() as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        redis.config_set("maxmemory", 1)
        wait_until(lambda: forgotten(own_store), "the record is dropped")


def test_barrier_of_another_process_holds(store: Store, redis_client: Redis) -> None:
    """While somebody writes, the row is asked for each time, and nothing is kept near."""
    warm(store)
    PROCESS._store, writer = None, None  # as another process would, with a store of its own
    writer = get_store()
    token = new_token()
    writer.raise_barriers([KEY], token)
    wait_until(lambda: forgotten(store), "the record is dropped")
    assert look_up(store, NEW) == NEW
    assert forgotten(store)
    writer.lower_barriers([KEY], token, [])
    wait_until(lambda: look_up(store, NEW) and recall(store) == NEW, "the new one is near")


def test_every_deployment_is_heard(deployment: Deployment) -> None:
    """A socket file, ACL users, TLS, sentinels and clusters: a change past us is heard by each."""
    store = get_store()
    wait_until(lambda: near_of(store).is_used, "somebody listens")
    warm(store)
    deployment.flush()
    wait_until(lambda: forgotten(store), "the record is dropped")
    assert look_up(store, NEW) == NEW


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["reset", "black_hole"])
def test_lost_line_ends_the_near_tier(
    fault: str, redis_server: RedisServer, settings: Settings
) -> None:
    """A line that breaks, or falls silent, takes the records along; another is looked for."""
    with TcpProxy(redis_server.port) as proxy:
        lead_shared_alias(settings, f"redis://127.0.0.1:{proxy.port}/0")
        store = get_store()
        wait_until(lambda: near_of(store).is_used, "somebody listens")
        warm(store)
        getattr(proxy, fault)()
        wait_until(lambda: not near_of(store).is_used, "nothing is served")
        proxy.restore()
        # Where the breaker opened as well, a look-up is what tries Redis again.
        wait_until(lambda: look_up(store, NEW) and near_of(store).is_used, "somebody listens again")
        warm(store)
        PROCESS.stop()


def test_line_to_a_replica_is_given_up(own_store: Store, redis_server: RedisServer) -> None:
    """A primary that was made a replica still answers, and hears of writes late or never."""
    warm(own_store)
    with TcpProxy(redis_server.port) as proxy, read_only(redis_server, proxy):
        wait_until(lambda: not near_of(own_store).is_used, "nothing is served")
        assert look_up(own_store) == ROW
    wait_until(lambda: near_of(own_store).is_used, "somebody listens again")


def test_failed_invalidation_empties_it(own_store: Store, redis_server: RedisServer) -> None:
    """What this process could not tell Redis, it doesn't serve either."""
    warm(own_store)
    with TcpProxy(redis_server.port) as proxy, read_only(redis_server, proxy):
        own_store.raise_barriers([KEY], new_token())
        assert look_up(own_store, NEW) == NEW
        assert len(near_of(own_store)) == 0


def test_server_without_tracking_is_used_without(
    redis_server: RedisServer, settings: Settings
) -> None:
    """Where tracking is refused, users come from Redis, and the reason is counted."""
    ask(redis_server, "ACL", "SETUSER", "default", "-client|tracking")
    lead_shared_alias(settings, redis_server.url, **PATIENCE)
    store = get_store()
    wait_until(lambda: "errors_listening_NoPermissionError" in store.stats.peek(), "it is told why")
    assert look_up(store) == ROW
    assert look_up(store, NEW) == ROW
    assert not near_of(store).is_used


def test_protocol_of_older_servers_is_used_without(
    redis_server: RedisServer, settings: Settings
) -> None:
    """An alias that insists on protocol 2 has no messages between answers."""
    lead_shared_alias(settings, redis_server.url, protocol=2)
    store = get_store()
    wait_until(lambda: "errors_listening_ConnectionError" in store.stats.peek(), "it is told why")
    assert look_up(store) == ROW


def test_end_hangs_up(own_store: Store, redis_server: RedisServer) -> None:
    """A process that ends leaves neither thread nor line behind."""
    [listener] = [thread for thread in PROCESS._threads if isinstance(thread, Listener)]
    PROCESS.stop()
    assert not listener._thread.is_alive()
    with redis_server.client() as redis:
        tracking = [client for client in redis.client_list() if "t" in client["flags"]]
    assert tracking == []
    assert conf.USERCACHE_NEAR_MAX_ENTRIES == 100


def test_forked_child_listens_for_itself(store: Store) -> None:
    """After a fork, the parent's records and line are the parent's alone."""
    warm(store)
    threads = PROCESS._threads
    PROCESS.forget()  # what a fork does in the child
    child = get_store()
    wait_until(lambda: near_of(child).is_used, "the child listens")
    assert forgotten(child)
    assert recall(store) == ROW
    for thread in threads:
        thread.end()
