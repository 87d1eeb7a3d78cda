"""The metrics of a span of time, by one process or by all, and latencies as histograms."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain
from typing import Any, Final, NamedTuple, Self

from redis.exceptions import RedisError, ResponseError

from usercache.clocks import MILLISECONDS
from usercache.observability import metrics

STEP: Final = 2**0.25  # from one bound to the next, so that a quantile is right to within a tenth
BOUNDS: Final = tuple(1e-6 * STEP**number for number in range(105))
"""Upper bounds of latencies in seconds, 1 us to 67 s; the last counts what takes longer, too."""
LATENCIES: Final = {
    result: [f"latency:{result}:{number}" for number in range(len(BOUNDS))]
    for result in metrics.LOOKUPS
}
"""The counters of each result's latencies, by the number of the bound."""
LATENCY_TOTALS: Final = {result: f"latency:{result}:us" for result in metrics.LOOKUPS}
_LATENCY_NAMES: Final = frozenset((*chain(*LATENCIES.values()), *LATENCY_TOTALS.values()))
_MICROSECONDS: Final = 1_000_000
USERS_REMEMBERED: Final = 500
LARGEST_COUNT: Final = 2**53  # up to here numbers are exact in Lua, in JSON and in Prometheus
LONGEST_TEXT: Final = 250  # characters of a metric's name, a primary key, a host

Latency = dict[str, float | None]
"""Milliseconds: the exact mean, and p50, p95, p99 to within a tenth; None without look-ups."""


class Histogram(NamedTuple):
    """How many look-ups took how long."""

    counts: Sequence[int]  # by the number of the bound
    total_seconds: float

    def quantile(self, part: float) -> float | None:
        """Return the seconds within which this part (0 to 1) was done; None without look-ups."""
        wanted, seen = part * sum(self.counts), 0
        for number, count in enumerate(self.counts):
            if count and seen + count >= wanted:
                # As if those in a bucket lay evenly between its bounds, which go up by a factor.
                return float(BOUNDS[number] * STEP ** ((wanted - seen) / count - 1))
            seen += count
        return None

    def describe(self) -> Latency:
        """Return the mean and the quantiles."""
        count = sum(self.counts)
        found: Latency = {"mean": self.total_seconds / count if count else None}
        found |= {f"p{part}": self.quantile(part / 100) for part in (50, 95, 99)}
        return {name: s and round(s * MILLISECONDS, 4) for name, s in found.items()}


class Ranking:
    """Keep the users with the most hits in bounded memory, by the space-saving rule.

    A newcomer to a full ranking may have had as many hits before, unseen, as the last user that was
    dropped; these count for the rank, so that a newcomer can displace a user no longer seen. Only
    hits that were seen are reported. The last half is dropped at a time. Source: Metwally et al.,
    Efficient Computation of Frequent and Top-k Elements in Data Streams (2005).
    """

    def __init__(self, capacity: int = USERS_REMEMBERED) -> None:
        self._capacity = capacity
        self._at_most: dict[str, int] = {}
        self._unseen: dict[str, int] = {}
        self._dropped_at = 0

    def add(self, hits: Mapping[str, int]) -> None:
        """Add hits by user."""
        for user, count in hits.items():
            if user not in self._at_most:
                self._at_most[user] = self._unseen[user] = self._dropped_at
            self._at_most[user] += count
        if len(self._at_most) > 2 * self._capacity:
            kept = dict(nlargest(self._capacity, self._at_most.items(), key=lambda item: item[1]))
            dropped = (count for user, count in self._at_most.items() if user not in kept)
            self._dropped_at = max(self._dropped_at, *dropped)
            self._at_most, self._unseen = kept, {user: self._unseen[user] for user in kept}

    def at_least(self) -> dict[str, int]:
        """Return the hits that were seen of each user that is remembered."""
        return {user: count - self._unseen[user] for user, count in self._at_most.items()}


class TimeBucket(Counter[str]):
    """Everything that was counted in a span of time, by the names of its fields in Redis.

    A colon is in the names of latencies and of maxima, and in no other.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ranking = Ranking()
        self.foreign = 0
        """Fields that were read and skipped, since the cache never writes such."""

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was counted, and nothing foreign read."""
        return not (self or self.foreign)

    @property
    def counts(self) -> dict[str, int]:
        """Return the fields without latencies and maxima."""
        return {name: count for name, count in self.items() if ":" not in name}

    def note(self, name: str, value: int) -> None:
        """Add to a field; of a maximum, keep the largest value."""
        is_maximum = name.startswith(metrics.MAXIMUM_PREFIX)
        self[name] = max(self[name], value) if is_maximum else self[name] + value

    def note_latencies(self, result: str, seconds: Sequence[float]) -> None:
        """Add how long look-ups with this result took."""
        names = LATENCIES[result]
        last = len(names) - 1
        self.update([names[min(bisect_left(BOUNDS, each), last)] for each in seconds])
        self[LATENCY_TOTALS[result]] += round(sum(seconds) * _MICROSECONDS)

    def add(self, other: "TimeBucket") -> None:
        """Add another bucket's metrics."""
        for name, value in other.items():
            self.note(name, value)
        self.ranking.add(other.ranking.at_least())
        self.foreign += other.foreign

    def histogram(self, results: Collection[str] = tuple(metrics.LOOKUPS)) -> Histogram:
        """Return the latencies of look-ups with these results together."""
        by_bound = zip(*(LATENCIES[result] for result in results), strict=True)
        counts = [sum(self.get(name, 0) for name in names) for names in by_bound]
        total_us = sum(self[LATENCY_TOTALS[result]] for result in results)
        return Histogram(counts, total_us / _MICROSECONDS)

    def read(self, fields: Any, ranking: Any = ()) -> Self:
        """Add what Redis answered: the fields of a hash, the members of a sorted set."""
        for name, value in self._sift(fields):
            if ":" not in name or name in _LATENCY_NAMES or name.startswith(metrics.MAXIMUM_PREFIX):
                self.note(name, value)
            else:
                self.foreign += 1
        self.ranking.add(dict(self._sift(ranking, least=1)))
        return self

    def _sift(self, answer: Any, least: int = 0) -> Iterator[tuple[str, int]]:
        if is_foreign(answer):
            self.foreign += 1
            return
        for raw_name, raw_value in answer.items() if isinstance(answer, dict) else answer:
            name, value = parse_text(raw_name), parse_count(raw_value)
            if name is None or value is None or value < least:
                self.foreign += 1
            else:
                yield name, value


def start_of(moment: float, span_seconds: int) -> int:
    """Return when the minute or hour of a moment began, in seconds since 1970."""
    return int(moment) // span_seconds * span_seconds


def add_up(buckets: Iterable[TimeBucket]) -> TimeBucket:
    """Return the sum."""
    total = TimeBucket()
    for bucket in buckets:
        total.add(bucket)
    return total


# Other clients of Redis can write under the keys of the metrics, too. None stands for a value that
# the cache never writes; it is skipped and counted as foreign.


def parse_count(value: object) -> int | None:
    """Return a whole number from 0 up, as a hash's field, a score or INFO has it."""
    if isinstance(value, bytes):
        value = int(value) if value.isdigit() and len(value) <= len(str(LARGEST_COUNT)) else None
    if isinstance(value, float):
        value = int(value) if math.isfinite(value) else None
    return value if isinstance(value, int) and 0 <= value <= LARGEST_COUNT else None


def parse_text(value: bytes) -> str | None:
    """Return a word that can be shown."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if is_text(text) else None


def is_text(value: str) -> bool:
    """Return whether this is a word that can be shown."""
    return 0 < len(value) <= LONGEST_TEXT and value.isprintable()


def is_foreign(answer: Any) -> bool:
    """Return whether a key is of another type than ours; raise any other error of Redis."""
    if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
        return True
    if isinstance(answer, RedisError):
        raise answer
    return False
