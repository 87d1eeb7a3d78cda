"""A primary dies under load: no request fails, and nothing old comes back to life."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.cache import caches
from django.db import connections
from pytest_django import Settings
from redis.crc import key_slot
from redis.exceptions import RedisError

from tests.backends import acquire_fill_lock
from tests.counting import counts
from tests.deployments import (
    NO_CLUSTER,
    PASSWORD,
    QUOTED_PASSWORD,
    SENTINEL_PASSWORD,
    Deployment,
)
from tests.servers.redis_cluster import ClusterServers, ask
from tests.servers.redis_server import RedisServer
from tests.servers.sentinel_set import SERVICE, SentinelSet
from tests.steering import steer_recovery
from tests.usercache.l1 import bring_l1, is_l1
from tests.users import User
from tests.waiting import wait_until
from usercache.backends import redis as redis_backend
from usercache.backends.base import new_fill_lock, new_token
from usercache.backends.breaker import Breaker
from usercache.backends.redis import HAS_CLUSTER, RedisBackend, TooFewReplicasError
from usercache.keys import WRITE_MARKER, record_key
from usercache.management.inspection import inspect_user
from usercache.runtime import RUNTIME, get_store
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]

# Dead servers refuse at once: nothing waits so long but a machine that is busy.
TIMEOUT_SECONDS = 5.0
WAIT_MS = 4000
"""For replicas, which answer at once as well."""
LONGEST_REQUEST_SECONDS = 2 * TIMEOUT_SECONDS
HANGING_TIMEOUT_SECONDS, LOOK_UPS = 1.0, 20
PAUSED_WAIT_MS = 100
"""For a replica that is paused, and doesn't answer."""
READERS, WRITERS = 3, 2
WRITES_AFTER = 20
ENTRY, TTL_MS = b"R the old row", 60_000


class Replicated(NamedTuple):
    """A deployment whose primary may die."""

    deployment: Deployment
    primary_of: Callable[[str], RedisServer]
    """Give the primary that a full key is on."""
    replica_of: Callable[[RedisServer], RedisServer]
    switch: Callable[[RedisServer], None]
    """Put the primary's replica in its place, while both are up."""
    restore: Callable[[], None]
    """Give the new primary a replica: the one that died."""


@contextmanager
def sentinel(directory: Path) -> Iterator[Replicated]:
    with SentinelSet(directory, PASSWORD, SENTINEL_PASSWORD) as servers:
        url = f"redis+sentinel://:{QUOTED_PASSWORD}@{servers.addresses}/{SERVICE}"
        yield Replicated(
            Deployment(url, lambda: None, sentinel_password=SENTINEL_PASSWORD),
            lambda _: servers.primary,
            lambda _: servers.replica,
            lambda _: servers.switch(),
            servers.restore,
        )


@contextmanager
def cluster(directory: Path) -> Iterator[Replicated]:
    with ClusterServers(directory, PASSWORD) as servers:
        yield Replicated(
            Deployment(f"redis+cluster://:{QUOTED_PASSWORD}@{servers.addresses}", lambda: None),
            lambda key: servers.owner_of(key_slot(key.encode())),
            servers.replica_of,
            servers.switch,
            servers.restore,
        )


@pytest.fixture(scope="module", params=[sentinel, cluster], ids=lambda deploy: deploy.__name__)
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicated]:
    """Run each kind of Redis that has replicas for all the tests of this module."""
    if request.param is cluster and not HAS_CLUSTER:
        pytest.skip(NO_CLUSTER)
    with request.param(tmp_path_factory.mktemp("servers")) as servers:
        yield servers


@pytest.fixture
def redis(
    servers: Replicated, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Replicated]:
    """Let the shared alias lead there; after failures, try again every fifth of a second."""
    monkeypatch.setattr("usercache.backends.breaker.LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr("usercache.backends.redis.WAIT_MS", WAIT_MS)
    servers.deployment.use(settings, TIMEOUT_SECONDS)
    backend = connect()
    wait_until(lambda: works(backend.probe), "Redis is reached")
    caches["usercache"].clear()
    yield servers
    RUNTIME.stop()
    servers.restore()


def connect() -> RedisBackend:
    return redis_backend.connect("usercache")


def full_key(pk: int) -> str:
    return caches["usercache"].make_key(record_key(pk))


def breaker() -> Breaker:
    resilient = get_store().redis
    assert resilient is not None
    return resilient.breaker


def first_name(user: User) -> str:
    found = get_user_by_id(user.pk)
    assert found is not None
    return found.first_name


class Load:
    """Threads that read and write users, and know which value had been written when."""

    def __init__(self, users: list[User]) -> None:
        self._users = users
        self._written = dict.fromkeys((user.pk for user in users), 0)
        self._written_again = dict[int, int]()
        self._stop = threading.Event()
        self.is_recovered = threading.Event()
        self._unfinished = 0
        self.slowest = 0.0
        self.stale = self.reads = self.writes = 0
        self._threads = [
            threading.Thread(target=self._run, args=(task, number, count))
            for task, count in ((self._read, READERS), (self._write, WRITERS))
            for number in range(count)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failures(self) -> int:
        """How many threads ended with an exception."""
        return self._unfinished

    def has_written_again(self) -> bool:
        """Say whether every user was written some times since the recovery."""
        counts = [self._written_again.get(user.pk, 0) for user in self._users]
        return min(counts) >= WRITES_AFTER

    def _run(self, task: Callable[[User], None], number: int, of: int) -> None:
        # Each user has one writer, who knows what he wrote last; readers read them all.
        mine = self._users[number::of] if task == self._write else self._users
        self._unfinished += 1
        while not self._stop.is_set():
            for user in mine:
                began = time.monotonic()
                task(user)
                self.slowest = max(self.slowest, time.monotonic() - began)
        connections.close_all()
        self._unfinished -= 1

    def _read(self, user: User) -> None:
        is_certain = user.pk in self._written_again
        at_least = self._written[user.pk]
        found = int(first_name(user))
        self.reads += 1
        # What was written while Redis was away is the outbox's business, not this test's.
        if is_certain and found < at_least:
            self.stale += 1

    def _write(self, user: User) -> None:
        is_recovered = self.is_recovered.is_set()
        value = self._written[user.pk] + 1
        user.first_name = str(value)
        user.save()
        self._written[user.pk] = value
        self.writes += 1
        if is_recovered:
            self._written_again[user.pk] = self._written_again.get(user.pk, 0) + 1


@pytest.fixture
def users(alice: User, bob: User) -> list[User]:
    for user in (alice, bob):
        user.first_name = "0"
        user.save()
    return [alice, bob]


@pytest.mark.long
def test_primary_killed_under_load(redis: Replicated, users: list[User]) -> None:
    """No request fails or waits for two timeouts, and Redis serves again, nothing old."""
    primary = redis.primary_of(full_key(users[0].pk))
    replica = redis.replica_of(primary)
    with Load(users) as load:
        wait_until(lambda: load.reads > 100 and load.writes > 20, "there is load")
        primary.kill()
        wait_until(lambda: breaker().state != "closed", "the breaker opens")
        wait_until(lambda: ask(replica, "ROLE")[:1] == [b"master"], "the replica takes over")
        wait_until(lambda: breaker().state == "closed", "the breaker closes")
        load.is_recovered.set()
        wait_until(load.has_written_again, "users are written again")
    assert load.failures == 0
    assert load.slowest < LONGEST_REQUEST_SECONDS
    assert load.stale == 0
    assert first_name(users[0]) == users[0].first_name
    assert inspect_user(users[0].pk).backend == "redis"
    # Some were being written when the primary died, and are still barred.
    assert inspect_user(users[0].pk).state in ("record", "write marker")


def test_primary_is_replaced_while_it_is_up(
    redis: Replicated, settings: Settings, alice: User
) -> None:
    """A process that was connected to it goes on with the new one, and doesn't read from a replica.

    What is in process memory is given up with the line to the old one.
    """
    settings.USERCACHE_L1_MAX_ENTRIES = 10
    bring_l1(alice.pk, lambda: first_name(alice))
    old = redis.primary_of(full_key(alice.pk))
    new = redis.replica_of(old)
    redis.switch(old)
    wait_until(lambda: ask(new, "ROLE")[:1] == [b"master"], "the replica is a primary")
    # The old one may think for some time that it still is one, too.
    wait_until(lambda: is_in_use(new, alice.pk), "the new primary is found")
    alice.first_name = "Alicia"
    alice.save()
    assert first_name(alice) == "Alicia"
    assert inspect_user(alice.pk)[:2] == ("redis", "record")
    assert ask(new, "EXISTS", full_key(alice.pk)) == 1
    bring_l1(alice.pk, lambda: first_name(alice))
    ask(new, "DEL", full_key(alice.pk))
    wait_until(lambda: not is_l1(alice.pk), "the new primary is heard")


def is_in_use(server: RedisServer, pk: int) -> bool:
    """Say whether what is written to a user's key arrives at this server."""
    backend, key, mark = connect(), record_key(pk), str(time.monotonic_ns())
    if not works(lambda: backend.set_pointer(key, mark, TTL_MS)):
        return False
    arrived: bool = ask(server, "GET", full_key(pk)) == mark.encode()
    backend.invalidate([key])
    return arrived


def test_nothing_comes_back_to_life(redis: Replicated, settings: Settings) -> None:
    """With WAIT, what was done just before the primary died is true of the new one, too.

    A write marker keeps off the fill lock that was there before it; an invalidated record stays
    away.
    """
    settings.USERCACHE_WAIT_REPLICAS = 1
    backend, primary = connect(), redis.primary_of(full_key(1))
    barred = record_key(1)
    forgotten = next(
        record_key(pk) for pk in range(2, 100) if redis.primary_of(full_key(pk)) is primary
    )
    fill_locks = {key: new_fill_lock() for key in (barred, forgotten)}
    for key, fill_lock in fill_locks.items():
        assert acquire_fill_lock(backend, key, fill_lock) is None
    assert backend.fill({forgotten: (ENTRY, TTL_MS)}, fill_locks[forgotten])
    backend.set_markers([barred], new_token())
    backend.invalidate([forgotten])
    replica = redis.replica_of(primary)
    primary.kill()
    settings.USERCACHE_WAIT_REPLICAS = 0  # there is none left
    wait_until(lambda: ask(replica, "ROLE")[:1] == [b"master"], "the replica takes over")
    wait_until(lambda: works(backend.probe), "the new primary is found")
    assert not backend.fill({barred: (ENTRY, TTL_MS)}, fill_locks[barred])
    held = backend.get(barred)
    assert held is not None
    assert held[:1] == WRITE_MARKER
    assert backend.get(forgotten) is None


def works(operation: Callable[[], object]) -> bool:
    try:
        operation()
    except RedisError:
        return False
    return True


@contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


def test_hanging_primary_costs_one_timeout(
    redis: Replicated, settings: Settings, alice: User
) -> None:
    """One look-up waits for it, once; looking for another primary holds up nobody."""
    redis.deployment.use(settings, HANGING_TIMEOUT_SECONDS)
    wait_until(lambda: first_name(alice) == "Alice" and breaker().is_closed, "Redis is in use")
    steer_recovery()  # whose probe nobody waits for
    before = count("errors_TimeoutError")
    with paused(redis.primary_of(full_key(alice.pk))):
        began = time.monotonic()
        for _ in range(LOOK_UPS):
            assert first_name(alice) == "Alice"
        waited = time.monotonic() - began
    assert count("errors_TimeoutError") - before == 1
    assert waited < LOOK_UPS * HANGING_TIMEOUT_SECONDS


def test_too_few_replicas_are_a_failed_invalidation(
    redis: Replicated, settings: Settings, monkeypatch: pytest.MonkeyPatch, alice: User
) -> None:
    """It opens the breaker at once, and a probe doesn't close it until the replica is back."""
    monkeypatch.setattr("usercache.backends.redis.WAIT_MS", PAUSED_WAIT_MS)
    settings.USERCACHE_WAIT_REPLICAS = 1
    wait_until(lambda: first_name(alice) == "Alice" and breaker().is_closed, "Redis is in use")
    with paused(redis.replica_of(redis.primary_of(full_key(alice.pk)))):
        with pytest.raises(TooFewReplicasError, match="0 of 1 replicas"):
            connect().invalidate([record_key(alice.pk)])
        alice.first_name = "Alicia"
        alice.save()
        assert first_name(alice) == "Alicia"
        assert not breaker().is_closed
        wait_until(lambda: count("errors_TooFewReplicasError") > 1, "a probe has failed")
        assert not breaker().is_closed


def count(name: str) -> int:
    return counts().get(name, 0)
