"""Counting, and the way of the counts to the shared totals."""

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import StringIO

import pytest
from django.core.management import call_command

from accounts.models import User
from tests.processes import environment
from usercache.process import PROCESS, get_store
from usercache.report import take_snapshot
from usercache.stats import Delivery, Stats
from usercache.users import get_user_by_id, invalidate_user

NEVER_SECONDS = 3600.0


def test_threads_lose_no_count() -> None:
    """Additions of several threads add up."""
    stats = Stats()

    def count() -> None:
        for _ in range(5000):
            stats.count("hits")

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(count)
    assert stats.take() == {"hits": 20_000}
    assert stats.take() == {}


def test_undelivered_counts_wait() -> None:
    """What could not be delivered is delivered the next time, together with what came since."""
    stats, arrived = Stats(), list[dict[str, int]]()
    works = False

    def deliver(counts: Mapping[str, int]) -> bool:
        if works:
            arrived.append(dict(counts))
        return works

    delivery = Delivery(stats, deliver, NEVER_SECONDS)
    stats.count("hits", 2)
    delivery.deliver_now()
    stats.count("hits")
    works = True
    delivery.end()
    assert arrived == [{"hits": 3}]
    assert stats.peek() == {}


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_totals_outlive_the_process_that_counted(alice: User) -> None:
    """What a process counted is delivered at its normal end, and another one reports it."""
    before = take_snapshot()
    for _ in range(2):
        get_user_by_id(alice.pk)
    invalidate_user(alice.pk)
    PROCESS.stop()
    snapshot = take_snapshot()
    assert not snapshot.is_partial
    assert (snapshot.hits, snapshot.misses) == (1, 1)
    assert snapshot.invalidations == before.invalidations + 1
    assert snapshot.hit_rate == 0.5


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_cache_stats_prints_the_totals_of_all_processes(alice: User) -> None:
    """The command, a process of its own, shows what this one counted."""
    for _ in range(4):
        get_user_by_id(alice.pk)
    PROCESS.stop()
    command = [sys.executable, "manage.py", "cache_stats"]
    printed = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    assert printed.stderr == ""
    lines = [line.split(maxsplit=1) for line in printed.stdout.splitlines()]
    assert ["Backend", "redis"] in lines
    assert ["Redis", "in use"] in lines
    assert ["Hits", "3 (75.0%)"] in lines
    assert ["Misses", "1"] in lines


@pytest.mark.redis
@pytest.mark.django_db
def test_cache_stats_says_that_redis_is_away() -> None:
    """With Redis away the command still prints, and says that the counts are partial."""
    shared = get_store().shared
    assert shared is not None
    shared.breaker.failed(at_once=True)
    out = StringIO()
    call_command("cache_stats", stdout=out)
    assert "not reachable" in out.getvalue()
    assert "this process's alone" in out.getvalue()
