"""The metrics of all processes in Redis: each counted once, bounded, and gone in time."""

from dataclasses import replace

import pytest
from pytest_django import Settings
from redis import Redis

from tests.clocks import Clock
from usercache.observability.metrics import (
    AUDIT_WORST_MS,
    HOUR_SECONDS,
    HOURS_KEPT_SECONDS,
    MINUTE_SECONDS,
    MISSES,
)
from usercache.observability.metrics.recorder import Batch
from usercache.observability.metrics.state import FORGOTTEN_AFTER_SECONDS, ProcessState
from usercache.observability.metrics.store import (
    FINISHED_AFTER_SECONDS,
    REMEMBERED_SECONDS,
    USERS_KEPT,
    MetricsStore,
    Reading,
    ranking_key,
)
from usercache.observability.metrics.time_buckets import TimeBucket
from usercache.runtime import get_store

pytestmark = pytest.mark.redis

HOUR = 1000 * HOUR_SECONDS
MINUTE = HOUR + 5 * MINUTE_SECONDS
STATE = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")


@pytest.fixture
def clock() -> Clock:
    return Clock(MINUTE + 30)


@pytest.fixture
def totals(clock: Clock, settings: Settings) -> MetricsStore:
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0  # this process has nothing to say
    shared = get_store().redis
    assert shared is not None
    return MetricsStore(shared, clock)


def make_bucket(misses: int, **hits: int) -> TimeBucket:
    part = TimeBucket()
    part[MISSES] = misses
    part.note_latencies("miss", [0.25])
    part[AUDIT_WORST_MS] = misses
    part.ranking.add(hits)
    return part


def batch(number: int, buckets: dict[int, TimeBucket]) -> Batch:
    return Batch("token", number, buckets)


def read(totals: MetricsStore, start: int = MINUTE, span_seconds: int = MINUTE_SECONDS) -> Reading:
    reading = totals.read([start], span_seconds)
    assert reading is not None
    return reading


def read_hour(totals: MetricsStore) -> TimeBucket:
    return read(totals, HOUR, HOUR_SECONDS).buckets[HOUR]


def test_batch_that_is_sent_twice_counts_once(totals: MetricsStore) -> None:
    """In the minute, the hour and the totals; and what comes after it counts, too."""
    first = batch(1, {MINUTE: make_bucket(3, alice=2)})
    assert totals.flush(first)
    assert totals.flush(first)
    assert totals.flush(batch(2, {MINUTE: make_bucket(4, alice=1, bob=1)}))
    reading = read(totals)
    for found in (reading.buckets[MINUTE], read_hour(totals)):
        assert found[MISSES] == 7
        assert found[AUDIT_WORST_MS] == 4
        assert sum(found.histogram().counts) == 2
        assert found.histogram(["miss"]).total_seconds == pytest.approx(0.5)
        assert found.ranking.at_least() == {"alice": 3, "bob": 1}
    assert reading.totals[MISSES] == 7


def test_late_batch_counts_where_its_time_is_still_kept(totals: MetricsStore, clock: Clock) -> None:
    """After hours only the hour and the totals get it; after days, the totals."""
    clock.now += 3 * HOUR_SECONDS
    totals.flush(batch(1, {MINUTE: make_bucket(1)}))
    assert read(totals).buckets == {}
    assert read_hour(totals)[MISSES] == 1
    totals.flush(batch(2, {0: make_bucket(1)}))
    assert read_hour(totals)[MISSES] == 1
    assert read(totals).totals[MISSES] == 2


def test_finished_buckets_are_not_read_again(totals: MetricsStore, clock: Clock) -> None:
    """What can't change is remembered for a minute; what still can is read each time."""
    steps = [(0, 1), (FINISHED_AFTER_SECONDS + 30, 2), (1, 2), (REMEMBERED_SECONDS, 4)]
    for number, (seconds, expected) in enumerate(steps):
        clock.now += seconds
        totals.flush(batch(1 + number, {MINUTE: make_bucket(1)}))
        assert read(totals).buckets[MINUTE][MISSES] == expected


def test_everything_but_the_totals_expires(totals: MetricsStore, redis_client: Redis) -> None:
    """No key is left for ever, and none of a minute longer than its two hours and a bit."""
    totals.flush(batch(1, {MINUTE: make_bucket(1, alice=1)}), STATE)
    lives = {key.decode(): redis_client.ttl(key) for key in redis_client.scan_iter("*{metrics}*")}
    assert len(lives) == 7
    assert [key for key, seconds in lives.items() if seconds < 0] == [
        "hmb:1:usercache:{metrics}:totals"
    ]
    assert max(lives.values()) <= HOURS_KEPT_SECONDS + HOUR_SECONDS
    minutes = [seconds for key, seconds in lives.items() if f":{MINUTE_SECONDS}:" in key]
    assert max(minutes) <= 2 * HOUR_SECONDS + MINUTE_SECONDS


def test_rankings_are_bounded(totals: MetricsStore, redis_client: Redis) -> None:
    """However many users there are, a ranking has at most twice those it keeps, the first ones."""
    for number in range(1, 9):
        hits = {f"{number}-{user}": user for user in range(1, 31)}
        totals.flush(batch(number, {MINUTE: make_bucket(1, **hits)}))
    [key] = redis_client.scan_iter(f"*:{ranking_key(MINUTE, MINUTE_SECONDS)}")
    assert USERS_KEPT[0] <= redis_client.zcard(key) <= 2 * USERS_KEPT[0]
    assert max(read(totals).buckets[MINUTE].ranking.at_least().values()) == 30


def test_processes_come_change_and_go(totals: MetricsStore, clock: Clock) -> None:
    """A process is listed once, as it last described itself, until it ends or isn't heard of."""
    other = replace(STATE, token="other", pid=8)
    totals.flush(None, STATE)
    totals.flush(None, other)
    opened = replace(STATE, breaker="open")
    clock.now += 5
    totals.flush(None, opened, STATE)
    assert read(totals).processes == [opened, replace(other, seen_seconds=5.0)]
    totals.sign_off(opened)
    assert read(totals).processes == [replace(other, seen_seconds=5.0)]
    clock.now += FORGOTTEN_AFTER_SECONDS
    assert read(totals).processes == []
