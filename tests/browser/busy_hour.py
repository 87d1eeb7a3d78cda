"""Two hours of metrics as some busy processes would have left them, with a dip to look at."""

import math
import random
import time
from typing import Final

from usercache.events import FILLS, INVALIDATIONS, L1, MISS, REDIS
from usercache.observability.metrics import (
    AUDIT_CHECKED,
    HOUR_SECONDS,
    LOOKUPS,
    MINUTE_SECONDS,
    MISSES,
)
from usercache.observability.metrics.recorder import Batch
from usercache.observability.metrics.store import MetricsStore
from usercache.observability.metrics.time_buckets import TimeBucket, start_of
from usercache.runtime import get_store

MINUTES: Final = 2 * HOUR_SECONDS // MINUTE_SECONDS
DIP: Final = range(30, 36)
"""Minutes ago in which the cache had been emptied."""
MEDIANS: Final = {L1: 8e-6, REDIS: 2.6e-4, MISS: 3.7e-3}
SPREAD: Final = 0.45


def own_totals() -> MetricsStore:
    """Return the metrics in the Redis of this process's settings."""
    shared = get_store().redis
    assert shared is not None
    return MetricsStore(shared)


def make_up(totals: MetricsStore, users: list[int]) -> None:
    """Deliver the metrics; the same each time, but for the clock."""
    chance, now = random.Random(1973), time.time()
    for number, ago in enumerate(range(MINUTES, -1, -1), start=1):
        minute = start_of(now - ago * MINUTE_SECONDS, MINUTE_SECONDS)
        lasted = min(1.0, (now - minute) / MINUTE_SECONDS)
        part = _make_minute(chance, ago, lasted, users)
        assert totals.flush(Batch("made up", number, {minute: part}))


def _make_minute(chance: random.Random, ago: int, lasted: float, users: list[int]) -> TimeBucket:
    part = TimeBucket()
    lookups = round(lasted * (900 + 500 * math.sin(ago / 15) + 80 * chance.random()))
    misses = round(lookups * (0.3 if ago in DIP else 0.03 + 0.015 * math.sin(ago / 7)))
    l1 = (lookups - misses) * 4 // 5
    for result, count in ((MISS, misses), (L1, l1), (REDIS, lookups - misses - l1)):
        part[LOOKUPS[result]] += count
        durations = [MEDIANS[result] * chance.lognormvariate(0, SPREAD) for _ in range(count)]
        part.note_latencies(result, durations)
    part[FILLS] = part[MISSES]
    part[INVALIDATIONS] = chance.randrange(8)
    part[AUDIT_CHECKED] = part[LOOKUPS[REDIS]] // 6
    part.ranking.add({str(user): lookups // (rank + 4) for rank, user in enumerate(users)})
    return part
