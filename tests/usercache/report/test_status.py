"""When an operator is told that something is wrong, and what."""

from typing import Any

import pytest

from tests.conftest import SLOW_HERE_MS
from usercache.figures.processes import ProcessState, SeenProcess
from usercache.figures.redis_state import RedisState
from usercache.report.status import Signs, Status, judge

REDIS = RedisState(0.2, 50, None, "noeviction", 0, 3, 0, "Redis 7.0.15", "server", 1, 7, 9)
PROCESS = SeenProcess(ProcessState("t", "web1", 7, "gunicorn", 0.0, "closed", ""), 2.0)
OPEN = PROCESS._replace(state=PROCESS.state._replace(breaker="open"))
WELL = Signs(
    has_shared_tier=True,
    redis=REDIS,
    breaker="closed",
    outbox_waiting=0,
    outbox_oldest_seconds=0.0,
    mismatched=0,
    processes=[PROCESS],
    counts={"errors_TimeoutError": 3, "unreadable_shape": 2},
)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"has_shared_tier": False, "redis": None, "breaker": ""},
        {"outbox_waiting": 3, "outbox_oldest_seconds": 2.0},
        {"redis": REDIS._replace(memory_limit=100)},
        {"redis": REDIS._replace(memory_used=99, memory_limit=100, policy="volatile-ttl")},
    ],
    ids=["well", "embedded", "outbox at work", "memory left", "memory evicts"],
)
def test_healthy(change: dict[str, Any]) -> None:
    """What is as it should be has no reason to be looked at."""
    assert judge(WELL._replace(**change)) == (Status.HEALTHY, ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mismatched": 1}, "not what the database had"),
        ({"outbox_waiting": None}, "database can't be asked"),
        ({"outbox_waiting": 3, "outbox_oldest_seconds": 11.0}, "cache_relay"),
        ({"processes": [OPEN]}, "gunicorn 7 on web1 does without Redis"),
        ({"processes": [PROCESS._replace(seen_seconds=30.0)]}, "last heard of 30 s ago"),
        ({"counts": {"unreadable_signature": 2}}, "USERCACHE_SIGNING_KEY"),
        ({"redis": REDIS._replace(latency_ms=2 * SLOW_HERE_MS)}, "10000 ms"),
        ({"redis": REDIS._replace(memory_used=95, memory_limit=100)}, "maxmemory-policy"),
        ({"counts": {"lookups_untimed": 7}}, "too fast"),
        ({"redis": None, "counts": {"errors_NoPermissionError": 1}}, "README"),
    ],
)
def test_degraded(change: dict[str, Any], said: str) -> None:
    """Each thing that an operator should look at is said, with what to do."""
    status, (reason,) = judge(WELL._replace(**change))
    assert status is Status.DEGRADED
    assert said in reason


def test_down() -> None:
    """Redis that can't be used comes first, whatever else is wrong."""
    status, reasons = judge(WELL._replace(redis=None, breaker="open", mismatched=1))
    assert status is Status.DOWN
    assert [reason[:21] for reason in reasons] == ["Redis can't be used: ", "Hits that were not wh"]
    assert [status.exit_code for status in Status] == [0, 1, 2]
