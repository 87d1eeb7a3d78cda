"""The cluster's client: slots that move, nodes that hang, and never more than one timeout."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django_redis.cache import RedisCache
from pytest_django import Settings
from redis.crc import key_slot
from redis.exceptions import (
    ClusterDownError,
    MaxConnectionsError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.deployments import NO_CLUSTER, PASSWORD, QUOTED_PASSWORD, Deployment
from tests.fixtures.product import Deploy
from tests.servers.redis_cluster import ClusterServer, ClusterServers, ask, give_slots
from tests.servers.redis_server import RedisServer
from tests.servers.server import HOST, find_free_port
from tests.servers.tcp_proxy import TcpProxy
from tests.usercache.forks import fork
from tests.waiting import wait_until
from usercache.backends import redis as redis_backend
from usercache.backends.redis import HAS_CLUSTER
from usercache.redis_topologies.cluster import ClusterClient, ClusterRedis

pytestmark = [pytest.mark.redis, pytest.mark.skipif(not HAS_CLUSTER, reason=NO_CLUSTER)]

TIMEOUT_SECONDS = 1.0
# Two timeouts would be more, and a busy machine's own delays are less.
BARELY_ONE_TIMEOUT = 1.8 * TIMEOUT_SECONDS
LONG_VALUE = b"x" * 10_000
PIECE_BYTES, PAUSE_SECONDS = 100, 0.05
"""A question goes in one piece; the long answer would take five seconds."""
KEYS = [f"key{number}" for number in range(100)]
KEY, SLOT = "key", key_slot(b"key")


@pytest.fixture
def servers(deploy: Deploy) -> ClusterServers:
    """Give the session's cluster, which is whole after each test."""
    return cast(ClusterServers, deploy("cluster").servers)


@pytest.fixture
def cache(servers: ClusterServers, settings: Settings) -> "RedisCache[ClusterClient]":
    """Give the alias of the cluster, warm."""
    url = f"redis+cluster://:{QUOTED_PASSWORD}@{servers.addresses}"
    Deployment(url, servers.flush).use(settings, TIMEOUT_SECONDS)
    cache = cast("RedisCache[ClusterClient]", caches["usercache"])
    wait_until(lambda: works(client_of(cache)), "the cluster answers")
    return cache


@pytest.fixture
def client(cache: "RedisCache[ClusterClient]") -> ClusterRedis:
    """Give the client that all threads share."""
    return client_of(cache)


def client_of(cache: "RedisCache[ClusterClient]") -> ClusterRedis:
    return cast(ClusterRedis, cast(object, cache.client.get_client()))


def get_client() -> ClusterRedis:
    return client_of(cast("RedisCache[ClusterClient]", caches["usercache"]))


def works(client: ClusterRedis) -> bool:
    try:
        with client.pipeline() as pipe:
            for key in KEYS:
                pipe.get(key)
            pipe.execute()
    except RedisError:
        return False
    return True


def seconds_to_fail(operation: Callable[[], object], error: type[RedisError]) -> float:
    began = time.monotonic()
    with pytest.raises(error):
        operation()
    return time.monotonic() - began


def set_and_get(client: ClusterRedis) -> list[Any]:
    with client.pipeline() as pipe:
        for key in KEYS:
            pipe.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, key, key)
        for key in KEYS:
            pipe.get(key)
        return pipe.execute()


def count_calls(servers: ClusterServers, command: str) -> int:
    field = f"cmdstat_{command}"
    total = 0
    for node in servers.primaries():
        with node.client() as admin:
            total += admin.info("commandstats").get(field, {}).get("calls", 0)
    return total


def move_slot(servers: ClusterServers, *, finish: bool) -> None:
    """Begin, or finish, to move KEY's slot from its primary to another."""
    source = servers.owner_of(SLOT)
    target = next(node for node in servers.primaries() if node is not source)
    ids = {node: ask(node, "CLUSTER", "MYID") for node in (source, target)}
    ask(target, "CLUSTER", "SETSLOT", SLOT, "IMPORTING", ids[source])
    ask(source, "CLUSTER", "SETSLOT", SLOT, "MIGRATING", ids[target])
    if finish:
        for key in ask(source, "CLUSTER", "GETKEYSINSLOT", SLOT, 10):
            ask(source, "MIGRATE", HOST, target.port, key, 0, 1000, "AUTH", PASSWORD)
        for node in (target, source):
            ask(node, "CLUSTER", "SETSLOT", SLOT, "NODE", ids[target])


def stop_moving(servers: ClusterServers) -> None:
    for node in servers.primaries():
        ask(node, "CLUSTER", "SETSLOT", SLOT, "STABLE")
        ask(node, "DEL", KEY)


def test_pipeline_of_scripts_over_all_slots(client: ClusterRedis) -> None:
    """EVALs of any slots go in one pipeline, and the answers come in the order of the commands."""
    answers = set_and_get(client)
    assert answers == [b"OK"] * len(KEYS) + [key.encode() for key in KEYS]


def test_pipeline_asks_no_node_for_keys(servers: ClusterServers, client: ClusterRedis) -> None:
    """redis-py's own asks once for each EVAL."""
    before = count_calls(servers, "command|getkeys")
    set_and_get(client)
    assert count_calls(servers, "command|getkeys") == before


def test_error_in_a_pipeline(client: ClusterRedis) -> None:
    """Other commands are drained all the same; it is raised, or an answer where wanted."""
    pipe = client.pipeline()
    pipe.set("text", "x")
    pipe.incr("text")
    pipe.set("other", "y")
    with pytest.raises(RedisError, match="not an integer"):
        pipe.execute()
    assert client.get("other") == b"y"
    pipe.incr("text")
    pipe.get("other")
    error, answer = pipe.execute(raise_on_error=False)
    assert isinstance(error, RedisError)
    assert answer == b"y"


def test_django_s_cache_methods(cache: "RedisCache[ClusterClient]") -> None:
    """What django-redis does with many keys at once works across slots."""
    values = {key: number for number, key in enumerate(KEYS)}
    cache.set_many(values)
    assert cache.get_many([*KEYS, "absent"]) == values
    assert cache.incr("key7") == 8
    assert sorted(cache.keys("key*")) == sorted(cache.iter_keys("key*")) == sorted(KEYS)
    assert cache.delete_many(KEYS[:10]) == 10
    assert cache.delete_pattern("key*") == 90
    assert cache.add("key1", "x", timeout=10)
    assert not cache.add("key1", "y")
    assert 0 < cache.ttl("key1") <= 10
    cache.clear()
    assert "key1" not in cache


def test_locks(cache: "RedisCache[ClusterClient]") -> None:
    """A lock excludes others until it is released, and as django-redis makes it."""
    with cache.lock("gate", timeout=10) as held:
        assert held.owned()
        assert not cache.lock("gate", blocking=False).acquire()
    assert cache.lock("gate", timeout=10, blocking=False).acquire()


def test_keys_of_two_slots(client: ClusterRedis) -> None:
    """A command across slots is refused as a server would, and costs no other of its pipeline."""
    with pytest.raises(ResponseError, match="same key slot"):
        client.sdiff([KEYS[0], KEYS[1]])
    pipe = client.pipeline()
    pipe.sdiff([KEYS[0], KEYS[1]])
    pipe.set(KEY, "x")
    error, answer = pipe.execute(raise_on_error=False)
    assert isinstance(error, ResponseError)
    assert answer


def test_keys_are_of_all_primaries(client: ClusterRedis) -> None:
    """redis-py would ask one node."""
    set_and_get(client)
    assert sorted(client.keys("key*")) == sorted(key.encode() for key in KEYS)


def test_many_of_nobody(settings: Settings) -> None:
    """With IGNORE_EXCEPTIONS an unreachable cluster has nothing, whichever method is called."""
    Deployment(f"redis+cluster://{HOST}:{find_free_port()}", lambda: None).use(settings)
    settings.CACHES["usercache"]["OPTIONS"] |= {"IGNORE_EXCEPTIONS": True}
    cache = cast("RedisCache[ClusterClient]", caches["usercache"])
    assert cache.get_many(KEYS) == {}
    assert KEY not in cache


def test_threads_and_requests_share_one_client(cache: "RedisCache[ClusterClient]") -> None:
    """Connections and slots belong to the process; Django makes an alias for each thread."""
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(get_client)
        assert other.result() is client_of(cache)


def test_forked_child_has_a_client_of_its_own(client: ClusterRedis) -> None:
    """Parent and child don't read each other's answers."""
    set_and_get(client)
    with client._topology._lock:  # a thread of the parent's that holds it won't let go here
        child = fork(lambda: refresh_and_use(client))
    for _ in range(20):
        assert has_right_answers(client)
    assert os.waitpid(child, 0)[1] == 0


def refresh_and_use(client: ClusterRedis) -> None:
    client._topology.refresh()
    wait_until(lambda: has_right_answers(client), "the child is served")


def has_right_answers(client: ClusterRedis) -> bool:
    return works(client) and set_and_get(client)[len(KEYS) :] == [key.encode() for key in KEYS]


def test_slot_that_has_moved(servers: ClusterServers, client: ClusterRedis) -> None:
    """MOVED is followed within the command, and the next one goes the right way at once."""
    client.set(KEY, "here")
    old = servers.owner_of(SLOT)
    move_slot(servers, finish=True)
    assert servers.owner_of(SLOT) is not old
    assert client.get(KEY) == b"here"
    with client.pipeline() as pipe:
        pipe.get(KEY)
        pipe.set(KEY, "there")
        pipe.get(KEY)
        assert pipe.execute() == [b"here", True, b"there"]
    client.delete(KEY)


def test_slot_that_is_moving(servers: ClusterServers, client: ClusterRedis) -> None:
    """ASK is followed, for a single command and in a pipeline."""
    client.delete(KEY)
    move_slot(servers, finish=False)
    try:
        with client.pipeline() as pipe:
            pipe.set(KEY, "x")
            pipe.get(KEY)
            pipe.get("key1")
            assert pipe.execute() == [True, b"x", None]
        assert client.get(KEY) == b"x"
        with pytest.raises(TryAgainError):
            client.execute_command("MGET", KEY, "{key}2")
    finally:
        stop_moving(servers)


def test_wait_in_a_pipeline(client: ClusterRedis) -> None:
    """It is asked of each node that the pipeline writes to, and the smallest number counts."""
    with client.pipeline() as pipe:
        for key in KEYS:
            pipe.set(key, "x")
        pipe.wait(1, 1000)
        assert pipe.execute() == [True] * len(KEYS) + [1]
        for key in KEYS:
            pipe.get(key)  # no second write, which a busy replica may not have had within 1 ms
        pipe.wait(2, 1)
        assert pipe.execute()[-1] == 1


def test_hanging_primary(servers: ClusterServers, client: ClusterRedis) -> None:
    """It costs its own keys one timeout, a pipeline too, and other primaries' keys nothing."""
    hanging = servers.owner_of(SLOT)
    other = next(key for key in KEYS if servers.owner_of(key_slot(key.encode())) is not hanging)
    hanging.pause()
    try:
        assert seconds_to_fail(lambda: client.get(KEY), RedisTimeoutError) < BARELY_ONE_TIMEOUT
        assert seconds_to_fail(lambda: set_and_get(client), RedisTimeoutError) < BARELY_ONE_TIMEOUT
        assert client.get(other) == other.encode()  # the pipeline's other part was drained
    finally:
        hanging.resume()
        servers.wait_until_whole()


def test_hanging_cluster(servers: ClusterServers, client: ClusterRedis) -> None:
    """Though every node hangs, each caller waits for one timeout, and none for another's."""
    for node in servers.nodes:
        node.pause()
    try:
        ways = [lambda: client.get(KEY), lambda: set_and_get(client), client.info_of_primaries]
        operations = ways * 2
        with ThreadPoolExecutor(len(operations)) as pool:
            waits = pool.map(lambda f: seconds_to_fail(f, RedisTimeoutError), operations)
            assert max(waits) < BARELY_ONE_TIMEOUT
    finally:
        for node in servers.nodes:
            node.resume()
        servers.wait_until_whole()


@pytest.fixture
def dripping_client(tmp_path: Path, settings: Settings) -> Iterator[tuple[ClusterRedis, TcpProxy]]:
    """Give the client of a cluster of one node, and the proxy behind which that says it is."""
    with ClusterServer(tmp_path, PASSWORD) as server, TcpProxy(server.port) as proxy:
        ask(server, "CONFIG", "SET", "cluster-announce-ip", HOST)
        ask(server, "CONFIG", "SET", "cluster-announce-port", proxy.port)
        give_slots(server)
        url = f"redis+cluster://:{QUOTED_PASSWORD}@{HOST}:{proxy.port}"
        Deployment(url, lambda: None).use(settings, TIMEOUT_SECONDS)
        client = get_client()
        # Or the thread that looks the slots up would have the only connection.
        wait_until(lambda: works(client) and client._topology._worker is None, "it is settled")
        yield client, proxy


@pytest.mark.parametrize("is_pipeline", [False, True], ids=["command", "pipeline"])
def test_dripping_node(is_pipeline: bool, dripping_client: tuple[ClusterRedis, TcpProxy]) -> None:
    """An answer that comes in pieces, each of them in time, costs one timeout."""
    client, proxy = dripping_client
    pipe = client.pipeline()
    pipe.get(KEY)
    operation = pipe.execute if is_pipeline else lambda: client.get(KEY)
    client.set(KEY, LONG_VALUE)
    proxy.drip(PIECE_BYTES, PAUSE_SECONDS)
    assert seconds_to_fail(operation, RedisTimeoutError) < BARELY_ONE_TIMEOUT


def test_cold_start_with_a_hanging_cluster(servers: ClusterServers, settings: Settings) -> None:
    """A process that has never seen the cluster waits no longer."""
    addresses = ",".join(reversed(servers.addresses.split(",")))  # a client of its own
    url = f"redis+cluster://:{QUOTED_PASSWORD}@{addresses}"
    Deployment(url, servers.flush).use(settings, TIMEOUT_SECONDS)
    client = get_client()
    for node in servers.nodes:
        node.pause()
    try:
        assert seconds_to_fail(lambda: client.get(KEY), RedisTimeoutError) < BARELY_ONE_TIMEOUT
    finally:
        for node in servers.nodes:
            node.resume()
        servers.wait_until_whole()
    wait_until(lambda: works(client), "the cluster is found after all")


def test_nobody_there(settings: Settings) -> None:
    """Addresses where nobody listens are a ConnectionError that names them."""
    port = find_free_port()
    Deployment(f"redis+cluster://{HOST}:{port}", lambda: None).use(settings)
    client = get_client()
    with pytest.raises(RedisConnectionError, match=str(port)):
        client.get(KEY)


def test_server_that_is_no_cluster(settings: Settings, redis_server: RedisServer) -> None:
    """It is a ConnectionError that says so."""
    Deployment(f"redis+cluster://{HOST}:{redis_server.port}", lambda: None).use(settings)
    client = get_client()
    with pytest.raises(RedisConnectionError, match="Cluster mode is not enabled"):
        client.get(KEY)


def test_exhausted_pool(servers: ClusterServers, client: ClusterRedis) -> None:
    """When all connections to a node are taken, it is said by name, and nothing is refreshed."""
    node = client.nodes_manager.get_node_from_slot(SLOT)
    pool = node.redis_connection.connection_pool
    taken = [pool.get_connection() for _ in range(pool.max_connections)]
    try:
        with pytest.raises(MaxConnectionsError):
            client.get(KEY)
        assert client._topology._worker is None
    finally:
        for connection in taken:
            pool.release(connection)
    client.get(KEY)


def test_slot_that_nobody_serves(client: ClusterRedis) -> None:
    """It is a ClusterDownError, for a command and for the tags of a probe, and is looked up."""
    nodes = client.nodes_manager.slots_cache.pop(SLOT)
    assert nodes
    with pytest.raises(ClusterDownError, match=str(SLOT)):
        client.get(KEY)
    wait_until(lambda: works(client), "the slot is known again")


def test_probe_is_of_all_primaries(servers: ClusterServers, client: ClusterRedis) -> None:
    """Whichever hangs, it fails: each may be owed an invalidation."""
    backend = redis_backend.connect("usercache")
    backend.probe()
    for node in servers.primaries():
        node.pause()
        try:
            with pytest.raises(RedisTimeoutError):
                backend.probe()
        finally:
            node.resume()
    servers.wait_until_whole()


def test_tags_are_of_all_primaries(servers: ClusterServers, client: ClusterRedis) -> None:
    """Each tag's slot is another primary's."""
    owners = [
        servers.owner_of(key_slot(tag.strip("{}").encode())) for tag in client.get_primaries()
    ]
    assert len(owners) == len(set(owners)) == len(servers.primaries())


def test_info_is_of_all_primaries(servers: ClusterServers, client: ClusterRedis) -> None:
    """Each says of itself how it is."""
    ports = {info["tcp_port"] for info in client.info_of_primaries()}
    assert ports == {server.port for server in servers.primaries()}


def test_factory_of_another_kind(settings: Settings) -> None:
    """The client says which factory it needs."""
    entry = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://{HOST}:1",
        "OPTIONS": {"CLIENT_CLASS": "usercache.redis_topologies.cluster.ClusterClient"},
    }
    settings.CACHES = settings.CACHES | {"usercache": entry}
    with pytest.raises(ImproperlyConfigured, match="CONNECTION_FACTORY"):
        caches["usercache"].get("x")
