"""The primary is found within one timeout, however many sentinels hang, and must be one."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from pytest_django import Settings
from redis import Redis
from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import MasterNotFoundError

from tests.clocks import Clock
from tests.deployments import QUOTED_PASSWORD, SENTINEL_PASSWORD, Deployment
from tests.fixtures.product import Deploy
from tests.servers.sentinel_set import SERVICE, SentinelSet
from tests.servers.server import HOST, find_free_port
from tests.servers.tcp_proxy import TcpProxy
from tests.waiting import wait_until
from usercache.redis_topologies.sentinel import (
    NotPrimaryError,
    PrimaryFinder,
    PrimaryPool,
    PrimarySSLConnection,
)

pytestmark = pytest.mark.redis

TIMEOUT_SECONDS = 2.0
# Two timeouts would be more, and a busy machine's own delays are less.
BARELY_ONE_TIMEOUT = 1.8 * TIMEOUT_SECONDS
WAIT_SECONDS = 30.0
PIECE_BYTES, PAUSE_SECONDS = 16, 0.5
"""The question goes in two pieces; the answer would take twice the patience."""


@pytest.fixture
def servers(deploy: Deploy) -> SentinelSet:
    """Give the session's sentinels, primary and replica, which no test kills."""
    return cast(SentinelSet, deploy("sentinel").servers)


@pytest.fixture
def finder(servers: SentinelSet) -> PrimaryFinder:
    """Give what asks the sentinels."""
    return find_by(servers, TIMEOUT_SECONDS)


def find_by(servers: SentinelSet, timeout_seconds: float) -> PrimaryFinder:
    addresses = [(HOST, sentinel.port) for sentinel in servers.sentinels]
    waits: dict[str, Any] = dict.fromkeys(
        ("socket_timeout", "socket_connect_timeout"), timeout_seconds
    )
    return PrimaryFinder(addresses, TIMEOUT_SECONDS, password=SENTINEL_PASSWORD, **waits)


def use(settings: Settings, addresses: str, password: str = SENTINEL_PASSWORD) -> None:
    url = f"redis+sentinel://:{QUOTED_PASSWORD}@{addresses}/{SERVICE}"
    Deployment(url, lambda: None, sentinel_password=password).use(settings, TIMEOUT_SECONDS)


def get_client() -> "Redis":
    return cast("RedisCache[DefaultClient]", caches["usercache"]).client.get_client()


def seconds_to_find(finder: PrimaryFinder) -> float:
    began = time.monotonic()
    finder.discover_master(SERVICE)
    return time.monotonic() - began


def test_primary_is_found(servers: SentinelSet, finder: PrimaryFinder) -> None:
    """Any sentinel's answer will do."""
    assert finder.discover_master(SERVICE) == (HOST, servers.primary.port)


def test_hanging_sentinels_cost_nothing(servers: SentinelSet, finder: PrimaryFinder) -> None:
    """As long as one of them answers."""
    hanging = servers.sentinels[:2]
    for sentinel in hanging:
        sentinel.pause()
    try:
        assert seconds_to_find(finder) < TIMEOUT_SECONDS
    finally:
        for sentinel in hanging:
            sentinel.resume()


@pytest.mark.parametrize("timeout_seconds", [TIMEOUT_SECONDS / 4, TIMEOUT_SECONDS])
def test_all_sentinels_hang(servers: SentinelSet, timeout_seconds: float) -> None:
    """It costs one wait, not one for each of them, whichever clock runs out first."""
    finder = find_by(servers, timeout_seconds)
    for sentinel in servers.sentinels:
        sentinel.pause()
    try:
        with pytest.raises(RedisTimeoutError):
            began = time.monotonic()
            finder.discover_master(SERVICE)
        assert time.monotonic() - began < BARELY_ONE_TIMEOUT
    finally:
        for sentinel in servers.sentinels:
            sentinel.resume()


def test_dripping_sentinel_leaves_no_thread(servers: SentinelSet) -> None:
    """Each piece comes in time; the thread that asks ends at the deadline all the same."""
    with TcpProxy(servers.sentinels[0].port) as proxy:
        waits: dict[str, Any] = dict.fromkeys(
            ("socket_timeout", "socket_connect_timeout"), TIMEOUT_SECONDS
        )
        addresses = [(HOST, proxy.port)]
        finder = PrimaryFinder(addresses, TIMEOUT_SECONDS, password=SENTINEL_PASSWORD, **waits)
        finder.discover_master(SERVICE)
        proxy.drip(PIECE_BYTES, PAUSE_SECONDS)
        with pytest.raises(RedisTimeoutError):
            finder.discover_master(SERVICE)
        wait_until(lambda: not asking_threads(), "it has ended", WAIT_SECONDS)


def asking_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "usercache-sentinel"]


def test_unknown_service(finder: PrimaryFinder) -> None:
    """It is said, by name."""
    with pytest.raises(MasterNotFoundError, match="nobody"):
        finder.discover_master("nobody")


def test_sentinels_that_are_away() -> None:
    """That none listens is said with their addresses."""
    port = find_free_port()
    with pytest.raises(MasterNotFoundError, match=str(port)):
        PrimaryFinder([(HOST, port)], TIMEOUT_SECONDS).discover_master(SERVICE)


def test_replica_is_not_taken_for_the_primary(
    servers: SentinelSet, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a sentinel says so, since it has not heard of a failover yet."""
    use(settings, ",".join(reversed(servers.addresses.split(","))))  # a pool of its own
    monkeypatch.setattr(
        PrimaryFinder, "discover_master", lambda *args: (HOST, servers.replica.port)
    )
    with pytest.raises(NotPrimaryError, match=f"{servers.replica.port} is a b'slave'"):
        get_client().get("x")


def test_reads_are_the_primary_s(servers: SentinelSet, settings: Settings) -> None:
    """django-redis's own client for sentinels sends them to replicas."""
    use(settings, servers.addresses)
    cache = caches["usercache"]
    cache.set("x", "y")
    servers.replica.pause()
    try:
        assert cache.get("x") == "y"
    finally:
        servers.replica.resume()


def test_threads_share_a_pool_and_deployments_don_t(
    servers: SentinelSet, settings: Settings
) -> None:
    """Two sets of sentinels may call their service the same."""
    use(settings, servers.addresses)
    pool = get_client().connection_pool
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: get_client().connection_pool).result() is pool
    use(settings, f"{HOST}:{find_free_port()}")
    assert get_client().connection_pool is not pool
    with pytest.raises(RedisConnectionError):
        get_client().get("x")


def test_sentinels_have_their_own_password(servers: SentinelSet, settings: Settings) -> None:
    """A wrong one is an error, though the primary's is right."""
    first, *_ = servers.addresses.split(",")
    use(settings, first, password="wrong")
    with pytest.raises(MasterNotFoundError, match=r"(?i)password"):
        get_client().get("x")


def test_encryption(servers: SentinelSet, settings: Settings) -> None:
    """`ssl` in the pool's options is meant for the primary and for the sentinels."""
    url = f"rediss+sentinel://:{QUOTED_PASSWORD}@{servers.addresses}/{SERVICE}"
    Deployment(url, lambda: None).use(settings, TIMEOUT_SECONDS)
    pool = cast(PrimaryPool, get_client().connection_pool)
    assert pool.connection_class is PrimarySSLConnection
    sentinel_pools = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    assert all(issubclass(p.connection_class, SSLConnection) for p in sentinel_pools)


def test_primary_is_looked_up_each_second_of_use(
    servers: SentinelSet, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once for each, a second after the one before; a machine that slept for long asks at once."""
    clock, checks = Clock(), list[int]()
    monkeypatch.setattr("usercache.redis_topologies.sentinel.boot_time", clock)
    monkeypatch.setattr(PrimaryPool, "_check", lambda _pool: checks.append(1))
    first, second, third = servers.addresses.split(",")
    use(settings, f"{second},{third},{first}")  # a pool of its own
    client = get_client()
    for count in range(3):
        client.ping()
        clock.now += 0.999
        client.ping()
        assert len(checks) == count
        clock.now += 0.001
        client.ping()
        wait_until(lambda: len(checks) == count + 1, "the sentinels are asked")  # noqa: B023  # at once


def test_no_sentinels(settings: Settings) -> None:
    """The factory says what it needs."""
    use(settings, f"{HOST}:1")
    settings.CACHES["usercache"]["OPTIONS"]["SENTINELS"] = []
    with pytest.raises(ImproperlyConfigured, match="SENTINELS"):
        get_client()
