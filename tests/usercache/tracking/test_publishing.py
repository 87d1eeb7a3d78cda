"""The premises of Note [Changes by publish/subscribe], on real Redis."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings
from redis.exceptions import NoPermissionError, ResponseError

from tests.backends import acquire_fill_lock
from tests.caches import WAIT, lead_shared_alias
from tests.servers.redis_cluster import ask
from tests.servers.redis_server import RedisServer
from tests.usercache.tracking.voices import MESSAGES, TRACKING, allow, voices_heard
from tests.waiting import wait_until
from usercache.backends.base import new_fill_lock, new_token
from usercache.backends.redis import RedisBackend, connect
from usercache.codec import Values, get_codec
from usercache.conf import conf
from usercache.keys import HEARTBEAT
from usercache.l1.cache import ClientCache
from usercache.l1.listener import Answer, Changes
from usercache.lookup import Source, Store
from usercache.runtime import Runtime, get_store
from usercache.tracking.subscription import SubscribedConnection

pytestmark = pytest.mark.redis

KEY, OTHER = "user:id:7", "user:ext:group:3"
FULL_KEY = "hmb:1:user:id:7"
ROW: Values = (7, "alice@example.com")
NEW: Values = (7, "new@example.com")
TOKEN = new_token()


@pytest.fixture(autouse=True)
def _messages_alone(redis_server: RedisServer, settings: Settings) -> None:
    allow(redis_server, MESSAGES)
    lead_shared_alias(settings, redis_server.url, **WAIT)
    settings.USERCACHE_FIELDS = ("id", "email")
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0


@pytest.fixture
def backend() -> RedisBackend:
    """Return a writer's backend."""
    return connect(conf.USERCACHE_REDIS_ALIAS)


@pytest.fixture
def listening(backend: RedisBackend) -> Iterator[SubscribedConnection]:
    """Give a connection that listens."""
    [pool] = backend.primaries.values()
    connection = SubscribedConnection(pool, backend.prefix, HEARTBEAT)
    beat(connection)
    yield connection
    connection.close()


def beat(connection: SubscribedConnection) -> list[Changes | Answer]:
    """Return what has arrived by the time of the answer to a heartbeat."""
    connection.send_heartbeat()
    taken = list[Changes | Answer]()
    while Answer.HEARTBEAT not in taken:
        taken += wait_until(lambda: list(connection.take()), "messages")
    return taken


def look_up(store: Store, row: Values = ROW) -> Values | None:
    source = Source(get_codec(), lambda _pks: {KEY: row}, lambda: True)
    return store.recall(KEY, 7, source) or store.look_up(KEY, 7, source)


def is_held(store: Store) -> bool:
    # Not by asking for it: nothing is served while a heartbeat's message is unread.
    return isinstance(store.l1, ClientCache) and store.l1.is_used and KEY in store.l1._entries


def warm() -> Store:
    """Return a store that holds the record, and hears of changes by messages."""
    store = get_store()
    wait_until(lambda: look_up(store) and is_held(store), "the record is near")
    return store


HELD: dict[str, Callable[[RedisBackend], object]] = {
    "nothing": lambda _backend: None,
    "a record": lambda backend: backend.client.set(FULL_KEY, b"R"),
    "a fill lock": lambda backend: acquire_fill_lock(backend, KEY, new_fill_lock()),
    "another's write marker": lambda backend: backend.set_markers([KEY], new_token()),
    "another type": lambda backend: backend.client.lpush(FULL_KEY, "x"),
}
CHANGES: dict[str, Callable[[RedisBackend], object]] = {
    "set_markers": lambda backend: backend.set_markers([KEY, OTHER], TOKEN),
    "clear_markers": lambda backend: backend.clear_markers([KEY, OTHER], TOKEN, ["user:email:a"]),
    "invalidate": lambda backend: backend.invalidate([KEY, OTHER], ["user:email:a"]),
}


@pytest.mark.parametrize("held", HELD.values(), ids=HELD)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_published(
    backend: RedisBackend,
    listening: SubscribedConnection,
    held: Callable[[RedisBackend], object],
    change: Callable[[RedisBackend], object],
) -> None:
    """Whatever the key holds, also nothing: others may have what it held before."""
    held(backend)
    beat(listening)
    change(backend)
    assert beat(listening) == [Changes([KEY]), Changes([OTHER]), Answer.HEARTBEAT]


def test_fill_is_no_change(backend: RedisBackend, listening: SubscribedConnection) -> None:
    """Neither the lock nor the record says that what others hold is wrong."""
    fill_lock = new_fill_lock()
    assert acquire_fill_lock(backend, KEY, fill_lock) is None
    assert backend.fill({KEY: (b"R", 60_000)}, fill_lock) == 1
    assert beat(listening) == [Answer.HEARTBEAT]


@pytest.mark.parametrize("loss", ["evicted", "flushed"])
@pytest.mark.parametrize("change", ["set_markers", "invalidate", "invalidate_all"])
def test_key_that_redis_has_lost_is_told(
    backend: RedisBackend, redis_server: RedisServer, loss: str, change: str
) -> None:
    """What Redis has evicted is still in memory, where it is right until it changes."""
    store = warm()
    with redis_server.client() as redis:
        assert redis.delete(FULL_KEY) if loss == "evicted" else redis.flushall()
    assert is_held(store)
    if change == "set_markers":
        backend.set_markers([KEY], TOKEN)
    elif change == "invalidate":
        backend.invalidate([KEY])
    else:
        backend.invalidate_all()
    wait_until(lambda: not is_held(store), "the record is dropped")
    assert look_up(store, NEW) == NEW


@pytest.mark.parametrize("voice", [TRACKING, MESSAGES, ""])
def test_nothing_is_published_to_nobody(
    backend: RedisBackend, redis_server: RedisServer, settings: Settings, voice: str
) -> None:
    """Where changes are tracked, or nobody has a memory, a write costs one question."""
    if voice:
        allow(redis_server, voice)
        warm()
    with redis_server.client() as redis:
        assert voices_heard(redis) == ({voice} if voice else set())
        redis.config_resetstat()
        backend.set_markers([KEY], TOKEN)
        backend.clear_markers([KEY], TOKEN, [])
        published = redis.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]
    assert published >= 2 if voice == MESSAGES else published == 0


def test_writer_that_may_not_publish_knows(
    backend: RedisBackend, listening: SubscribedConnection, redis_server: RedisServer
) -> None:
    """While somebody listens, its write counts as one that Redis wasn't told of."""
    ask(redis_server, "ACL", "SETUSER", "default", "-publish")
    for change in CHANGES.values():
        with pytest.raises((NoPermissionError, ResponseError)):
            change(backend)
    listening.close()
    with redis_server.client() as redis:
        wait_until(lambda: not voices_heard(redis), "nobody listens")
    for change in CHANGES.values():
        change(backend)


def test_nobody_listens_where_scripts_may_not_publish(
    backend: RedisBackend, redis_server: RedisServer
) -> None:
    """Not for a moment at each attempt: writes, which would fail in it, succeed."""
    ask(redis_server, "ACL", "SETUSER", "default", "-publish")
    [pool] = backend.primaries.values()
    with redis_server.client() as redis:
        redis.config_resetstat()
        with pytest.raises((NoPermissionError, ResponseError)):
            SubscribedConnection(pool, backend.prefix, HEARTBEAT)
        assert "cmdstat_subscribe" not in redis.info("commandstats")


def test_heartbeat_of_another_server_is_none(
    listening: SubscribedConnection, backend: RedisBackend, redis_server: RedisServer
) -> None:
    """Which has the name or the address by now, and doesn't know who listens here."""
    with RedisServer(redis_server.directory) as other:
        listening._sender.disconnect()
        listening._sender.port = other.port
        listening.send_heartbeat()
        backend.invalidate([KEY])
        taken = wait_until(lambda: list(listening.take()), "a message")
    assert taken == [Changes([KEY])]


def test_process_that_does_not_listen_publishes(settings: Settings) -> None:
    """A command, or the relay: a writer needs no memory of its own."""
    store = warm()
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    other = Runtime()
    writer = other.get_store()
    writer.l1 = None
    writer.invalidate([KEY])
    wait_until(lambda: not is_held(store), "the record is dropped")
    other.stop()
