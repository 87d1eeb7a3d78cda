"""Snapshots: what all processes did, or this one alone, and what asking costs."""

import json
import time
from itertools import pairwise

import pytest
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from tests.caches import lead_shared_alias
from tests.servers.redis_server import RedisServer
from usercache.outbox import Backlog
from usercache.process import PROCESS, get_store
from usercache.report import Status, as_json, take_snapshot
from usercache.report.snapshot import TopUser
from usercache.users import get_user_by_id, invalidate_user

TRANSACTIONS = pytest.mark.django_db(transaction=True)


def use(user: User) -> None:
    """Miss once, hit three times, invalidate once."""
    for _ in range(4):
        get_user_by_id(user.pk)
    invalidate_user(user.pk)


@pytest.mark.redis
@TRANSACTIONS
def test_figures_outlive_the_process_that_counted(alice: User) -> None:
    """What a process counted is delivered at its normal end, and another one reports it."""
    use(alice)
    PROCESS.stop()
    get_user_by_id(alice.pk)
    snapshot = take_snapshot()
    assert not snapshot.is_partial
    assert (snapshot.hits, snapshot.misses, snapshot.hit_rate) == (3, 2, 0.6)
    assert snapshot.counts["invalidations"] == 1 + 1  # the other was Alice's making
    assert snapshot.top_users == (TopUser(f"user:id:{alice.pk}", 3),)
    assert snapshot.totals.counts["misses"] == 2
    assert take_snapshot(2 * 24 * 3600).hits == 3


@TRANSACTIONS
def test_without_others_the_figures_are_this_process_s(alice: User, settings: Settings) -> None:
    """Where there is no Redis, everything is told all the same, and that it is partial."""
    settings.USERCACHE_SHARED_ALIAS = ""
    use(alice)
    snapshot = take_snapshot()
    assert snapshot.is_partial
    assert snapshot.status is Status.HEALTHY
    assert snapshot.hits_by_tier == {"near": 0, "redis": 0, "local": 3}
    assert snapshot.misses == 1
    assert snapshot.redis is None
    mean = snapshot.latencies["overall"].mean_ms
    assert mean is not None
    assert 0 < mean < 10_000


@TRANSACTIONS
def test_series_covers_the_window_without_gaps(alice: User, settings: Settings) -> None:
    """Every minute of the window has its point, the current one by the seconds it has lasted."""
    settings.USERCACHE_SHARED_ALIAS = ""
    use(alice)
    now = time.time()
    series = take_snapshot(7200, clock=lambda: now).series
    assert len(series) == 121
    assert {after.start - before.start for before, after in pairwise(series)} == {60}
    assert series[0].start <= now - 7200
    assert series[-1].start <= now <= series[-1].start + 60
    assert sum(point.lookups for point in series) == 4
    assert series[0].hit_rate is None


@pytest.mark.redis
@TRANSACTIONS
def test_hanging_redis_costs_one_timeout(
    alice: User, settings: Settings, redis_server: RedisServer
) -> None:
    """However many round trips a snapshot takes; and it says that Redis is down."""
    lead_shared_alias(settings, redis_server.url)
    use(alice)
    redis_server.pause()
    began = time.monotonic()
    snapshot = take_snapshot()
    assert time.monotonic() - began < 2 * 0.25
    redis_server.resume()
    assert snapshot.status is Status.DOWN
    assert snapshot.is_partial
    assert snapshot.breaker.state == "open"
    assert snapshot.hits == 3
    assert get_store().stats.peek()["errors_TimeoutError"] == 1


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
    spelled = json.loads(json.dumps(as_json(snapshot, with_series=True)))
    assert spelled["schema_version"] == 1
    assert set(spelled["latency_ms"]) >= {"hit", "miss", "overall"}
    assert set(spelled["latency_ms"]["hit"]) == {"mean", "p50", "p95", "p99"}
    assert spelled["outbox"] == {"waiting": 0, "oldest_seconds": 0.0}
    assert spelled["lookups"] == spelled["hits"] + spelled["misses"] == 4
    assert spelled["database_load_saved"] == spelled["hit_rate"] == 0.75
    assert {
        *("status", "backend", "window_seconds", "invalidations", "top_users", "redis"),
        *("breaker", "audit", "processes", "series", "errors", "signature_failures"),
    } <= set(spelled)


@pytest.mark.parametrize("seconds", [0, 59, 2 * 24 * 3600 + 1, float("nan")])
def test_window_that_is_not_kept(seconds: float) -> None:
    """A window of which there are no figures is refused, not shown as empty."""
    with pytest.raises(ValueError, match="60 to 172800 seconds"):
        take_snapshot(seconds)
