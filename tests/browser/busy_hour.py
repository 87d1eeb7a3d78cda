"""Two hours of figures as some busy processes would have left them, with a dip to look at."""

import math
import random
import time
from typing import Final

from usercache.figures.shared import Parcel
from usercache.figures.slices import HOUR_SECONDS, MINUTE_SECONDS, Slice, start_of
from usercache.stats import (
    AUDIT_CHECKED,
    COUNTERS,
    FILLS,
    HITS_PREFIX,
    INVALIDATIONS,
    MISS,
    MISSES,
    NEAR,
    REDIS,
)
from usercache.totals import Totals

MINUTES: Final = 2 * HOUR_SECONDS // MINUTE_SECONDS
DIP: Final = range(30, 36)
"""Minutes ago in which the cache had been emptied."""
MEDIANS: Final = {NEAR: 8e-6, REDIS: 2.6e-4, MISS: 3.7e-3}
SPREAD: Final = 0.45


def make_up(totals: Totals, users: list[int]) -> None:
    """Deliver the figures; the same each time, but for the clock."""
    chance, now = random.Random(1973), time.time()
    for number, ago in enumerate(range(MINUTES, -1, -1), start=1):
        minute = start_of(now - ago * MINUTE_SECONDS, MINUTE_SECONDS)
        lasted = min(1.0, (now - minute) / MINUTE_SECONDS)
        part = _make_minute(chance, ago, lasted, users)
        assert totals.deliver(Parcel("made up", number, {minute: part}, None, None))


def _make_minute(chance: random.Random, ago: int, lasted: float, users: list[int]) -> Slice:
    part = Slice()
    lookups = round(lasted * (900 + 500 * math.sin(ago / 15) + 80 * chance.random()))
    misses = round(lookups * (0.3 if ago in DIP else 0.03 + 0.015 * math.sin(ago / 7)))
    near = (lookups - misses) * 4 // 5
    for result, count in ((MISS, misses), (NEAR, near), (REDIS, lookups - misses - near)):
        part.counts[COUNTERS[result]] += count
        for _ in range(count):
            part.latencies[result].note(MEDIANS[result] * chance.lognormvariate(0, SPREAD))
    part.counts[FILLS] = part.counts[MISSES]
    part.counts[INVALIDATIONS] = chance.randrange(8)
    part.counts[AUDIT_CHECKED] = part.counts[HITS_PREFIX + REDIS] // 6
    part.ranking.add({str(user): lookups // (rank + 4) for rank, user in enumerate(users)})
    return part
