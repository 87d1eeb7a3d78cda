"""When an operator is told that something is wrong, and what."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from tests.fixtures.product import SLOW_HERE_MS
from usercache.management.relay import Backlog
from usercache.observability.metrics import AUDIT_MISMATCHED
from usercache.observability.metrics.state import ProcessState, RedisState
from usercache.observability.snapshot import BreakerState, OutboxState, Snapshot, take_snapshot
from usercache.observability.status import NO_REDIS, Status

REDIS = RedisState(0.2, 50, None, "noeviction", 0, 3, 0, "Redis 7.0.15", "server", 1, 7, 9)
PROCESS = ProcessState("t", "web1", 7, "gunicorn", 0.0, "closed", "", seen_seconds=2.0)
OPEN = BreakerState("open", 1.0)


@pytest.fixture
def snapshot(settings: Settings) -> Snapshot:
    """Return that of a healthy cache."""
    settings.USERCACHE_REDIS_ALIAS = ""
    return replace(
        take_snapshot(get_backlog=lambda: Backlog(0, 0.0)),
        redis=REDIS,
        breaker=BreakerState("closed", 0.0),
        processes=(PROCESS,),
        counts={"errors_TimeoutError": 3, "unreadable_shape": 2},
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"redis": None, "breaker": BreakerState(NO_REDIS, 0.0)},
        {"outbox": OutboxState(3, 2.0)},
        {"served_percent": 1},
        {"redis": replace(REDIS, memory_limit=100)},
        {"redis": replace(REDIS, memory_used=99, memory_limit=100, policy="volatile-lru")},
        {"redis": replace(REDIS, policy="volatile-ttl")},
    ],
    ids=[
        "well",
        "embedded",
        "outbox at work",
        "ramp",
        "memory left",
        "memory evicts",
        "never evicts",
    ],
)
def test_healthy(snapshot: Snapshot, change: dict[str, Any]) -> None:
    """What is as it should be has no reason to be looked at."""
    changed = replace(snapshot, **change)
    assert (changed.status, changed.reasons) == (Status.HEALTHY, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counts": {AUDIT_MISMATCHED: 1}}, "not what the database had"),
        ({"outbox": OutboxState(None, 0.0)}, "database can't be asked"),
        ({"outbox": OutboxState(3, 11.0)}, "cache_relay"),
        (
            {"processes": [replace(PROCESS, breaker="open")]},
            "gunicorn 7 on web1 does without Redis",
        ),
        ({"processes": [replace(PROCESS, seen_seconds=30.0)]}, "last heard of 30 s ago"),
        ({"counts": {"unreadable_signature": 2}}, "USERCACHE_SIGNING_KEY"),
        ({"redis": replace(REDIS, latency_ms=2 * SLOW_HERE_MS)}, "10000 ms"),
        ({"redis": replace(REDIS, memory_used=95, memory_limit=100)}, "maxmemory-policy"),
        (
            {"redis": replace(REDIS, memory_limit=100, policy="volatile-ttl")},
            "set maxmemory-policy to allkeys-lru",
        ),
        ({"served_percent": 0}, "manage.py usercache on"),
        ({"counts": {"lookups_untimed": 7}}, "too fast"),
        ({"counts": {"errors_unexpected_KeyError": 2}}, "background threads: 2"),
        ({"redis": None, "counts": {"errors_NoPermissionError": 1}}, "docs/redis.md"),
    ],
)
def test_degraded(snapshot: Snapshot, change: dict[str, Any], said: str) -> None:
    """Each thing that an operator should look at is said, with what to do."""
    changed = replace(snapshot, **change)
    [reason] = changed.reasons
    assert changed.status is Status.DEGRADED
    assert said in reason


def test_down(snapshot: Snapshot) -> None:
    """Redis that can't be used comes first, whatever else is wrong."""
    worst = replace(snapshot, redis=None, breaker=OPEN, counts={AUDIT_MISMATCHED: 1})
    assert worst.status is Status.DOWN
    assert [reason[:21] for reason in worst.reasons] == [
        "Redis can't be used: ",
        "Hits that were not wh",
    ]
    assert [status.exit_code for status in Status] == [0, 1, 2]
