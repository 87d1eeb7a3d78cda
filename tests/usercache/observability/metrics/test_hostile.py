"""Foreign values under the keys of the metrics break no page, and no metric."""

import io
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.json import encode
from pytest_django import Settings
from redis import Redis

from usercache.conf import conf
from usercache.observability.metrics import AUDIT_WORST_MS, HOUR_SECONDS, MINUTE_SECONDS, MISSES
from usercache.observability.metrics.recorder import Batch
from usercache.observability.metrics.state import ProcessState
from usercache.observability.metrics.store import (
    PROCESSES,
    TOTALS,
    MetricsStore,
    bucket_key,
    delivered_key,
    ranking_key,
)
from usercache.observability.metrics.time_buckets import TimeBucket, start_of
from usercache.observability.snapshot import take_snapshot
from usercache.observability.status import Status
from usercache.runtime import RUNTIME, get_store

pytestmark = [pytest.mark.redis, pytest.mark.django_db]

TOKEN = "conch" * 8
STATE = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")

NUMBERS = [
    b"x",
    b"",
    b"-1",
    b"nan",
    b"inf",
    b"1e300",
    b"9" * 19,
    b"9" * 400,
    b"1.5",
    b"\xff",
    b"\0",
]
NAMES = [
    MISSES.encode(),
    b"max:audit_worst_ms",
    b"latency:miss:us",
    b"latency:miss:7",
    b"latency:miss:105",
    b"latency:miss:-1",
    b"latency:miss:x",
    b"latency:x",
    b"a:b:c:d",
    b"\xff",
]
USERS = [b"", b"7", b"../../", b"\xff", b"\x1b[2J", b"x" * 5000]
STATES = [b"", b"7", b"{}", b"[" * 5000, b"[[[]]]", b"\xff", encode(STATE), encode(STATE) + b"x"]
SCORES = [float("inf"), float("-inf"), 1e300, -1.0, 0.0, 0.5, 7.0, time.time()]

Garbage = Callable[[Redis, str], object]


def put_string(value: bytes) -> Garbage:
    return lambda client, key: client.set(key, value)


def put_list(value: bytes) -> Garbage:
    return lambda client, key: client.rpush(key, value)


def put_field(name: bytes, value: bytes) -> Garbage:
    return lambda client, key: client.hset(key, name, value)


def put_member(member: bytes, score: float) -> Garbage:
    return lambda client, key: client.zadd(key, {member: score})


GARBAGE = st.one_of(
    st.builds(put_string, st.sampled_from(NUMBERS) | st.binary(max_size=20)),
    st.builds(put_list, st.binary(max_size=5)),
    st.builds(put_field, st.sampled_from(NAMES) | st.binary(max_size=20), st.sampled_from(NUMBERS)),
    st.builds(put_member, st.sampled_from(USERS + STATES) | st.binary(), st.sampled_from(SCORES)),
)


@pytest.fixture
def admin_client(settings: Settings) -> Client:
    settings.USERCACHE_METRICS_TOKEN = TOKEN
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    client = Client()
    client.force_login(
        get_user_model().objects.create_superuser("dora@example.com", "a long enough password")
    )
    return client


def metric_keys(now: float) -> list[str]:
    keys = [TOTALS, PROCESSES, delivered_key("token")]
    for span in (MINUTE_SECONDS, HOUR_SECONDS):
        start = start_of(now, span)
        keys += [bucket_key(start, span), ranking_key(start, span)]
    return [caches[conf.USERCACHE_REDIS_ALIAS].make_key(key) for key in keys]


def deliver(number: int, now: float) -> bool:
    shared = get_store().redis
    assert shared is not None
    part = TimeBucket()
    part[MISSES] = 3
    part.note_latencies("miss", [0.001])
    part[AUDIT_WORST_MS] = 5
    part.ranking.add({"42": 3})
    batch = Batch("token", number, {start_of(now, MINUTE_SECONDS): part})
    return MetricsStore(shared).flush(batch, STATE)


def assert_every_page_answers(client: Client) -> None:
    """Ask each page, command and endpoint; none of them fails."""
    ready = Client().get("/health/ready")
    assert (ready.status_code, ready.json()["cache"]) == (200, "healthy")
    bearer = {"authorization": f"Bearer {TOKEN}"}
    health = Client(headers=bearer).get("/health/cache")
    assert health.status_code == 200
    assert health.json()["stats"]["status"] != "down"
    assert Client(headers=bearer).get("/metrics").status_code == 200
    assert client.get("/admin/usercache_observability/dashboard/").status_code == 200
    for options in ([], ["--json"], ["--window", "12h"]):
        out = io.StringIO()
        with suppress(SystemExit):  # degraded, as what it says must show
            call_command("cache_stats", *options, stdout=out)
        assert "Redis can't be used" not in out.getvalue()
        assert "of this process alone" not in out.getvalue()


@given(st.lists(st.tuples(st.integers(0, 6), GARBAGE), min_size=1, max_size=6))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_garbage_under_each_key(
    admin_client: Client, redis_client: Redis, garbage: list[tuple[int, Garbage]]
) -> None:
    """Whatever stands there, each page answers with the rest, and batches still arrive."""
    RUNTIME.stop()
    redis_client.flushdb()
    now = time.time()
    for number, put in garbage:
        key = metric_keys(now)[number]
        redis_client.delete(key)
        put(redis_client, key)
    assert_every_page_answers(admin_client)
    assert deliver(2**40, now)
    assert_every_page_answers(admin_client)


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("name", [b"misses", b"max:audit_worst_ms"])
def test_field_that_is_no_number_is_skipped_counted_and_replaced(
    redis_client: Redis, settings: Settings, name: bytes, value: bytes
) -> None:
    """The rest is shown; the next batch puts the field right."""
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    now = time.time()
    assert deliver(1, now)
    redis_client.hset(metric_keys(now)[0], name, value)
    totals = take_snapshot(clock=lambda: now).totals
    assert totals.foreign == 1
    assert sum(totals.histogram().counts) == 1
    assert deliver(2, now)
    snapshot = take_snapshot(clock=lambda: now)
    assert snapshot.totals.foreign == 0
    assert snapshot.totals[MISSES] == (3 if name == b"misses" else 6)
    assert snapshot.totals[AUDIT_WORST_MS] == 5


@pytest.mark.parametrize("score", SCORES[:3])
def test_score_that_is_no_count_is_skipped_counted_and_replaced(
    redis_client: Redis, settings: Settings, score: float
) -> None:
    """In a ranking as in a hash."""
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    now = time.time()
    assert deliver(1, now)
    redis_client.zadd(metric_keys(now)[4], {"42": score})
    snapshot = take_snapshot(clock=lambda: now)
    assert (snapshot.foreign_metrics, snapshot.top_users) == (1, ())
    assert snapshot.status is Status.DEGRADED
    assert "aren't ours and are left out: 1" in snapshot.reasons[0]
    assert deliver(2, now)
    snapshot = take_snapshot(clock=lambda: now)
    assert snapshot.foreign_metrics == 0
    assert [user.hits for user in snapshot.top_users] == [3]


def test_keys_of_another_type_give_way(redis_client: Redis, settings: Settings) -> None:
    """A string under each: all is told but what stood there, and the next batch is complete."""
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    now = time.time()
    for key in metric_keys(now):
        redis_client.set(key, b"theirs")
    snapshot = take_snapshot(clock=lambda: now)
    assert not snapshot.is_partial
    assert snapshot.foreign_metrics == 4  # totals, processes, the minute and its ranking
    assert deliver(1, now)
    assert deliver(2, now)  # the processes' key had to be dropped first
    snapshot = take_snapshot(clock=lambda: now)
    assert snapshot.foreign_metrics == 0
    assert snapshot.misses == snapshot.totals[MISSES] == 6
    assert [state.token for state in snapshot.processes] == [STATE.token]
