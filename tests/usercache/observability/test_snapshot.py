"""Snapshots: what all processes did, or this one alone, and what asking costs."""

import json
import time
from collections.abc import Callable
from itertools import pairwise
from pkgutil import resolve_name

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries, Settings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.caches import lead_shared_alias
from tests.counting import counts
from tests.servers.redis_server import RedisServer
from tests.steering import get_guard
from tests.users import User
from tests.waiting import wait_until
from usercache.backends.redis import RedisBackend
from usercache.management.relay import Backlog
from usercache.observability.snapshot import TopUser, as_json, look_at_once, take_snapshot
from usercache.observability.status import Status
from usercache.runtime import RUNTIME
from usercache.users import get_user_by_id, invalidate_user

ASKED_AT_ONCE = "usercache.backends.redis.RedisBackend.get"
ASKED_BY_SNAPSHOTS = "usercache.observability.metrics.store.read_redis_state"
TRANSACTIONS = pytest.mark.django_db(transaction=True)


def use(user: User) -> None:
    """Miss once, hit three times, invalidate once."""
    for _ in range(4):
        get_user_by_id(user.pk)
    invalidate_user(user.pk)


def status_of_snapshot() -> Status:
    return take_snapshot().status


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str, error: type[RedisError]) -> None:
    """Let Redis fail at the next call of this function, and be well again."""
    ask, calls = resolve_name(name), list[object]()

    def fail_or_ask(backend: RedisBackend, *arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise error("once")
        return ask(backend, *arguments)

    monkeypatch.setattr(name, fail_or_ask)


@pytest.mark.redis
@TRANSACTIONS
def test_metrics_outlive_the_process_that_counted(alice: User) -> None:
    """What a process counted is delivered at its normal end, and another one reports it."""
    use(alice)
    RUNTIME.stop()
    get_user_by_id(alice.pk)
    snapshot = take_snapshot()
    assert not snapshot.is_partial
    assert (snapshot.hits, snapshot.misses, snapshot.hit_rate) == (3, 2, 0.6)
    assert snapshot.counts["invalidations"] == 1 + 1  # the other was Alice's making
    assert snapshot.top_users == (TopUser(f"user:id:{alice.pk}", 3),)
    assert snapshot.totals["misses"] == 2
    assert take_snapshot(2 * 24 * 3600).hits == 3


@TRANSACTIONS
def test_without_others_the_metrics_are_this_process_s(alice: User, settings: Settings) -> None:
    """Where there is no Redis, everything is told all the same, and that it is partial."""
    settings.USERCACHE_REDIS_ALIAS = ""
    use(alice)
    snapshot = take_snapshot()
    assert snapshot.is_partial
    assert snapshot.status is Status.HEALTHY
    assert snapshot.hits_by_backend == {"l1": 0, "redis": 0, "memory": 3}
    assert snapshot.misses == 1
    assert snapshot.redis is None
    mean = snapshot.latency_ms["overall"]["mean"]
    assert mean is not None
    assert 0 < mean < 10_000


@TRANSACTIONS
def test_series_covers_the_window_without_gaps(alice: User, settings: Settings) -> None:
    """Every minute of the window has its point, the current one by the seconds it has lasted."""
    settings.USERCACHE_REDIS_ALIAS = ""
    use(alice)
    now = time.time()
    series = take_snapshot(7200, clock=lambda: now).series
    assert len(series) == 121
    assert {after.start - before.start for before, after in pairwise(series)} == {60}
    assert series[0].start <= now - 7200
    assert series[-1].start <= now <= series[-1].start + 60
    assert sum(point.lookups for point in series) == 4
    assert series[0].hit_rate is None


@pytest.fixture
def own_redis(redis_server: RedisServer, settings: Settings, alice: User) -> RedisServer:
    """Lead the shared alias to a Redis that the test may break, and use it."""
    lead_shared_alias(settings, redis_server.url)
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0  # a test's own counts stay its own
    use(alice)
    get_guard().breaker.steady_from = 0.0  # as of a process that has used it for a while
    return redis_server


@pytest.mark.redis
@TRANSACTIONS
def test_hanging_redis_costs_two_timeouts(own_redis: RedisServer) -> None:
    """Its own and the probe's, however many round trips a snapshot takes; then Redis is down."""
    own_redis.pause()
    snapshot = take_snapshot()
    assert look_at_once() is Status.DOWN
    own_redis.resume()
    assert snapshot.status is Status.DOWN
    assert snapshot.is_partial
    assert snapshot.breaker.state == "open"
    assert snapshot.hits == 3
    assert counts()["errors_TimeoutError"] == 2


@pytest.mark.redis
@pytest.mark.usefixtures("own_redis")
@TRANSACTIONS
@pytest.mark.parametrize("error", [RedisTimeoutError, RedisConnectionError])
@pytest.mark.parametrize("look", [status_of_snapshot, look_at_once])
def test_one_failure_is_no_outage(
    look: Callable[[], Status], error: type[RedisError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is slow, or a connection that breaks: both need a second one."""
    is_brief = look is look_at_once
    fail_once(monkeypatch, ASKED_AT_ONCE if is_brief else ASKED_BY_SNAPSHOTS, error)
    assert look() is Status.HEALTHY
    assert counts()[f"errors_{error.__name__}"] == 1


@pytest.mark.redis
@TRANSACTIONS
def test_dead_redis_is_told_once_it_was_probed(own_redis: RedisServer) -> None:
    """By a process that sees nothing of it but health checks as well."""
    own_redis.kill()
    wait_until(lambda: look_at_once() is Status.DOWN, "it is told")
    assert take_snapshot().status is Status.DOWN


@pytest.mark.django_db
def test_snapshot_without_database() -> None:
    """The outbox is then unknown, and the rest is told."""

    def fail() -> Backlog:
        raise OperationalError("the database is away")

    snapshot = take_snapshot(get_backlog=fail)
    assert snapshot.outbox.waiting is None
    assert snapshot.status is Status.DEGRADED


@TRANSACTIONS
def test_json_is_plain_and_complete(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """What programs rely on is there under its name; taking a snapshot makes one query."""
    use(alice)
    with django_assert_num_queries(1):
        snapshot = take_snapshot()
    formatted = json.loads(json.dumps(as_json(snapshot)))
    assert formatted["schema_version"] == 1
    assert set(formatted["latency_ms"]) >= {"hit", "miss", "overall"}
    assert set(formatted["latency_ms"]["hit"]) == {"mean", "p50", "p95", "p99"}
    assert formatted["outbox"] == {"waiting": 0, "oldest_seconds": 0.0}
    assert formatted["lookups"] == formatted["hits"] + formatted["misses"] == 4
    assert formatted["database_load_saved"] == formatted["hit_rate"] == 0.75
    assert {
        *("status", "backend", "window_seconds", "invalidations", "top_users", "redis"),
        *("breaker", "audit", "processes", "errors", "signature_failures"),
    } <= set(formatted)


@pytest.mark.parametrize("seconds", [0, 59, 2 * 24 * 3600 + 1, float("nan")])
def test_window_that_is_not_kept(seconds: float) -> None:
    """A window of which there are no metrics is refused, not shown as empty."""
    with pytest.raises(ValueError, match="60 to 172800 seconds"):
        take_snapshot(seconds)
