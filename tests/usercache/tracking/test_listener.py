"""The client-side cache on real Redis: what it hears of, and what happens when it hears nothing."""

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import close_caches
from pytest_django import Settings
from redis import Redis

from tests.caches import WAIT, lead_shared_alias
from tests.counting import CountCommands, counts
from tests.deployments import Deployment
from tests.servers.redis_cluster import ask
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.usercache.forks import fork
from tests.usercache.redis_faults import read_only
from tests.usercache.tracking.voices import (
    MESSAGES,
    TRACKING,
    VOICES,
    allow,
    listening_clients,
    voices_heard,
)
from tests.waiting import wait_until
from usercache.backends.base import new_token
from usercache.backends.redis import connect
from usercache.codec import Values, get_codec
from usercache.conf import conf
from usercache.l1.cache import ClientCache
from usercache.l1.listener import Listener
from usercache.lookup import Source, Store
from usercache.runtime import RUNTIME, Runtime, get_store

pytestmark = pytest.mark.redis

KEY = "user:id:7"
FULL_KEY = "hmb:1:user:id:7"
ROW: Values = (7, "alice@example.com")
NEW: Values = (7, "new@example.com")
CODEC_FIELDS = ("id", "email")


@pytest.fixture(autouse=True)
def _client_cache_is_on(settings: Settings) -> None:
    settings.USERCACHE_FIELDS = CODEC_FIELDS
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0  # so that what is counted can be seen


@pytest.fixture
def store() -> Store:
    """Return a store that Redis is heard by."""
    store = get_store()
    wait_until(lambda: l1_of(store).is_used, "somebody listens")
    return store


@pytest.fixture(params=VOICES)
def voice(request: pytest.FixtureRequest) -> str:
    """Give each way in which Redis reports changes."""
    return str(request.param)


@pytest.fixture
def own_store(voice: str, redis_server: RedisServer, settings: Settings) -> Store:
    """Return the same on a Redis of this test's own, which reports in this way."""
    allow(redis_server, voice)
    lead_shared_alias(settings, redis_server.url, **WAIT)
    store = get_store()
    wait_until(lambda: l1_of(store).is_used, "somebody listens")
    return store


def l1_of(store: Store) -> ClientCache:
    assert store.l1 is not None
    assert isinstance(store.l1, ClientCache)
    return store.l1


def look_up(store: Store, row: Values = ROW) -> Values | None:
    source = Source(get_codec(), lambda _pks: {KEY: row}, lambda: True)
    return store.recall(KEY, 7, source) or store.look_up(KEY, 7, source)


def recall(store: Store) -> Values | None:
    return store.recall(KEY, 7, Source(get_codec(), never, never))


def never(*_arguments: object) -> Any:
    raise AssertionError("nothing is audited here")


def warm(store: Store) -> None:
    """Look up until it comes from memory: a fill's own messages may be on their way."""
    wait_until(lambda: look_up(store) and recall(store), "the record is near")


def forgotten(store: Store) -> bool:
    return recall(store) is None


def test_warm_look_up_asks_nobody(count_commands: CountCommands, store: Store) -> None:
    """A user in memory costs Redis nothing; the heart beats with DEL.

    A process that had no time for a heartbeat asks Redis instead.
    """
    warm(store)
    hits = counts(store)["hits_l1"]
    with count_commands() as asked:
        for _ in range(100):
            assert look_up(store, NEW) == ROW
    lapsed = 100 - (counts(store)["hits_l1"] - hits)
    assert asked.get("get", 0) == lapsed
    assert set(asked) <= {"del", "get"}


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


@pytest.mark.parametrize("voice", [TRACKING], indirect=True)
def test_eviction_is_heard(own_store: Store, redis_server: RedisServer) -> None:
    """A Redis that is full and throws records out tells so."""
    warm(own_store)
    with redis_server.client() as redis:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        redis.config_set("maxmemory", 1)
        wait_until(lambda: forgotten(own_store), "the record is dropped")


def test_marker_of_another_process_holds(own_store: Store) -> None:
    """While somebody writes, the row is asked for each time, and nothing is kept near."""
    warm(own_store)
    other = Runtime()  # as another process would, with a store of its own
    writer = other.get_store()
    token = new_token()
    writer.set_markers([KEY], token)
    wait_until(lambda: forgotten(own_store), "the record is dropped")
    assert look_up(own_store, NEW) == NEW
    assert forgotten(own_store)
    writer.clear_markers([KEY], token, [])
    wait_until(lambda: look_up(own_store, NEW) and recall(own_store) == NEW, "the new one is near")
    other.stop()


def test_every_deployment_is_heard(deployment: Deployment) -> None:
    """A socket file, ACL users, TLS, sentinels and clusters: a change past us is heard by each."""
    store = get_store()
    wait_until(lambda: l1_of(store).is_used, "somebody listens")
    warm(store)
    deployment.flush()
    wait_until(lambda: forgotten(store), "the record is dropped")
    assert look_up(store, NEW) == NEW


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["reset", "black_hole"])
def test_lost_line_ends_the_client_cache(
    fault: str, voice: str, redis_server: RedisServer, settings: Settings
) -> None:
    """A line that breaks, or falls silent, takes the records along; another is looked for."""
    allow(redis_server, voice)
    with TcpProxy(redis_server.port) as proxy:
        lead_shared_alias(settings, f"redis://127.0.0.1:{proxy.port}/0")
        store = get_store()
        wait_until(lambda: l1_of(store).is_used, "somebody listens")
        warm(store)
        getattr(proxy, fault)()
        wait_until(lambda: not l1_of(store).is_used, "nothing is served")
        proxy.restore()
        # Where the breaker opened as well, a look-up is what tries Redis again.
        wait_until(lambda: look_up(store, NEW) and l1_of(store).is_used, "somebody listens again")
        warm(store)
        RUNTIME.stop()


def close_after_request(_redis: Redis, settings: Settings) -> None:
    settings.DJANGO_REDIS_CLOSE_CONNECTION = True
    close_caches()  # as Django does at the end of a request


def disconnect_in_a_fork(redis: Redis, _settings: Settings) -> None:
    child = fork(redis.connection_pool.disconnect)
    assert os.waitpid(child, 0)[1] == 0


DISCONNECTIONS: dict[str, Callable[[Redis, Settings], object]] = {
    "DJANGO_REDIS_CLOSE_CONNECTION": close_after_request,
    "pool.disconnect()": lambda redis, _: redis.connection_pool.disconnect(),
    "pool.close()": lambda redis, _: redis.connection_pool.close(),
    "pool.reset()": lambda redis, _: redis.connection_pool.reset(),
    "a fork": disconnect_in_a_fork,
}


@pytest.mark.django_db  # at the end of a request Django looks at its connection, too
@pytest.mark.parametrize("disconnect", DISCONNECTIONS.values(), ids=DISCONNECTIONS.keys())
def test_line_outlasts_its_pool_s_connections(
    own_store: Store,
    redis_client: Redis,
    settings: Settings,
    disconnect: Callable[[Redis, Settings], object],
) -> None:
    """Who closes the connections of the pool doesn't close the line: changes are still told."""
    warm(own_store)
    before = listening_clients(redis_client)
    disconnect(redis_client, settings)
    assert listening_clients(redis_client) == before
    assert recall(own_store) == ROW
    connect(conf.USERCACHE_REDIS_ALIAS).invalidate([KEY])  # as another process would
    wait_until(lambda: not len(l1_of(own_store)), "the record is dropped")
    warm(own_store)
    assert "errors_listening_ConnectionError" not in counts(own_store)


def test_lost_line_is_told_and_replaced(
    own_store: Store, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Each loss is counted and logged; the next line is another connection, and is told."""
    for losses in (1, 2):
        warm(own_store)
        [lost] = listening_clients(redis_client)
        redis_client.client_kill_filter(_id=lost)
        wait_until(lambda: forgotten(own_store), "nothing is served")
        others = ([lost], list[str]())
        wait_until(lambda: listening_clients(redis_client) not in others, "there is another line")  # noqa: B023  # at once
        wait_until(lambda: l1_of(own_store).is_used, "it is told on it")
        assert counts(own_store)["errors_listening_ConnectionError"] == losses
    said = [r for r in caplog.records if r.name == "usercache.l1.listener"]
    assert [record.levelno for record in said] == [logging.WARNING] * 2
    warm(own_store)
    connect(conf.USERCACHE_REDIS_ALIAS).invalidate([KEY])  # as another process would
    wait_until(lambda: not len(l1_of(own_store)), "the record is dropped")


def test_line_to_a_replica_is_given_up(own_store: Store, redis_server: RedisServer) -> None:
    """A primary that was made a replica still answers, and hears of writes late or never."""
    warm(own_store)
    with TcpProxy(redis_server.port) as proxy, read_only(redis_server, proxy):
        wait_until(lambda: not l1_of(own_store).is_used, "nothing is served")
        assert look_up(own_store) == ROW
    wait_until(lambda: l1_of(own_store).is_used, "somebody listens again")


def test_failed_invalidation_empties_it(own_store: Store, redis_server: RedisServer) -> None:
    """What this process could not tell Redis, it doesn't serve either."""
    warm(own_store)
    with TcpProxy(redis_server.port) as proxy, read_only(redis_server, proxy):
        own_store.set_markers([KEY], new_token())
        assert look_up(own_store, NEW) == NEW
        assert len(l1_of(own_store)) == 0


def test_what_a_server_allows_is_found_out_each_time(
    redis_server: RedisServer, settings: Settings
) -> None:
    """The next connection may be to a server that allows more, or less."""
    lead_shared_alias(settings, redis_server.url, **WAIT)
    store = get_store()
    for voice in (MESSAGES, TRACKING, MESSAGES):
        allow(redis_server, voice)
        with redis_server.client() as redis:
            for client in listening_clients(redis):
                redis.client_kill_filter(_id=client)
            wait_until(lambda: voices_heard(redis) == {voice}, "it is found out")  # noqa: B023  # at once
        warm(store)


@pytest.mark.parametrize("refused", ["-subscribe", "-publish", "-pubsub"])
def test_server_that_reports_nothing_is_used_without(
    refused: str, redis_server: RedisServer, settings: Settings
) -> None:
    """Where both ways are refused, users come from Redis, and the reason is counted."""
    allow(redis_server, MESSAGES)
    ask(redis_server, "ACL", "SETUSER", "default", refused)
    lead_shared_alias(settings, redis_server.url, **WAIT)
    store = get_store()
    wait_until(
        lambda: any(name.startswith("errors_listening_") for name in counts(store)), "it is told"
    )
    assert look_up(store) == ROW
    assert look_up(store, NEW) == ROW
    store.set_markers([KEY], new_token())
    assert look_up(store, NEW) == NEW
    assert not l1_of(store).is_used


@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_are_heard_in_each_protocol(
    protocol: int, redis_server: RedisServer, settings: Settings
) -> None:
    """An alias that insists on protocol 2 has no messages between answers, and so no tracking."""
    allow(redis_server, MESSAGES if protocol == 3 else TRACKING)
    lead_shared_alias(settings, redis_server.url, protocol=protocol, **WAIT)
    store = get_store()
    warm(store)
    with redis_server.client() as redis:
        assert voices_heard(redis) == {MESSAGES}


def test_end_hangs_up(own_store: Store, redis_server: RedisServer) -> None:
    """A process that ends leaves neither thread nor line behind."""
    listeners = [thread for thread in RUNTIME.services if isinstance(thread, Listener)]
    RUNTIME.stop()
    assert listeners
    assert not any(listener._worker.is_alive for listener in listeners)
    with redis_server.client() as redis:
        assert listening_clients(redis) == []
    assert conf.USERCACHE_L1_MAX_ENTRIES == 100


def test_forked_child_listens_for_itself(own_store: Store) -> None:
    """After a fork, the parent's records and line are the parent's alone."""
    warm(own_store)
    threads = RUNTIME.services
    RUNTIME.reset()  # what a fork does in the child
    child = get_store()
    wait_until(lambda: l1_of(child).is_used, "the child listens")
    assert forgotten(child)
    assert recall(own_store) == ROW
    for thread in threads:
        thread.end()
