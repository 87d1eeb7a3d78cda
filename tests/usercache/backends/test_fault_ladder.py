"""Every function of the store under every fault: an answer, no older row, at most one time-out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.caches import lead_shared_alias
from tests.counting import counts
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.sizes import some_of
from tests.steering import steer_recovery
from tests.usercache.redis_faults import FAULTS, Fault
from tests.users import User
from usercache.backends.base import new_token
from usercache.codec import Codec, Values
from usercache.lookup import Source, Store
from usercache.management.inspection import inspect_record
from usercache.observability.metrics import MINUTE_SECONDS
from usercache.observability.metrics.recorder import Batch
from usercache.observability.metrics.store import MetricsStore
from usercache.observability.metrics.time_buckets import TimeBucket
from usercache.runtime import get_store

pytestmark = pytest.mark.redis

KEY, COLD_KEY = "user:id:7", "user:id:8"
POINTER = "user:email:alice@example.com"
OLD: Values = (7, "old@example.com")
NEW: Values = (7, "new@example.com")
CODEC = Codec(User, ("id", "email"), "k" * 32)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(Path(tmp_path_factory.mktemp("redis"))) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(server: RedisServer) -> Iterator[TcpProxy]:
    with TcpProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def store(server: RedisServer, proxy: TcpProxy, settings: Settings) -> Store:
    """Return a store that is connected, with one user in Redis and a pointer to him."""
    with server.client() as client:
        client.flushall()
    lead_shared_alias(settings, f"redis://127.0.0.1:{proxy.port}/0")
    store = get_store()
    steer_recovery()  # whose timeouts nobody waits for
    assert look_up(store, OLD) == OLD
    store.set_pointer(POINTER, "7")
    return store


def look_up(store: Store, row: Values) -> Values | None:
    return store.look_up(KEY, 7, Source(CODEC, lambda _pks: {KEY: row}, lambda: True))


def look_up_cold(store: Store) -> None:
    source = Source(CODEC, lambda _pks: {COLD_KEY: NEW}, lambda: True)
    assert store.look_up(COLD_KEY, 8, source) == NEW


def write(store: Store) -> None:
    token = new_token()
    store.set_markers([KEY], token)
    assert look_up(store, NEW) == NEW
    store.clear_markers([KEY], token, [POINTER])
    assert look_up(store, NEW) == NEW


def invalidate(store: Store) -> None:
    store.invalidate([KEY], [POINTER])
    assert look_up(store, NEW) == NEW


def invalidate_all(store: Store) -> None:
    store.invalidate_all()
    assert look_up(store, NEW) == NEW


def look_up_warm(store: Store) -> None:
    assert look_up(store, OLD) == OLD


def follow_pointer(store: Store) -> None:
    assert store.get_pointer(POINTER) in ("7", None)


def set_pointer(store: Store) -> None:
    store.set_pointer(POINTER, "7")


def inspect(store: Store) -> None:
    assert inspect_record(store, KEY, CODEC).state in ("record", "nothing", "unreachable")


def deliver_metrics(store: Store) -> None:
    assert store.redis is not None
    totals, part = MetricsStore(store.redis), TimeBucket()
    part["given"] = 1
    batch = Batch("token", 1, {0: part})
    is_delivered = [totals.flush(batch) for _ in range(2)]
    reading = totals.read([0], MINUTE_SECONDS)
    assert reading is None or reading.totals["given"] == any(is_delivered)


FUNCTIONS: list[Callable[[Store], None]] = [
    look_up_warm,
    look_up_cold,
    follow_pointer,
    set_pointer,
    write,
    invalidate,
    invalidate_all,
    inspect,
    deliver_metrics,
]


@pytest.mark.parametrize(("fault", "function"), some_of(FAULTS, FUNCTIONS))
def test_function_under_fault(
    function: Callable[[Store], None],
    fault: Fault,
    store: Store,
    server: RedisServer,
    proxy: TcpProxy,
) -> None:
    """Nothing is raised, nothing older than a write returned, and one time-out waited for."""
    with fault(server, proxy):
        function(store)
        look_up_cold(store)
    assert counts(store).get("errors_TimeoutError", 0) <= 1
