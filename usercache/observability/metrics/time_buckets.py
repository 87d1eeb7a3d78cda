"""The metrics of a span of time, by one process or by all, and latencies as histograms."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nlargest
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
_BOUND_OF: Final = {
    name: (result, number)
    for result in metrics.LOOKUPS
    for number, name in enumerate(LATENCIES[result])
} | {name: (result, None) for result, name in LATENCY_TOTALS.items()}
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
        if not count:
            return dict.fromkeys(("mean", "p50", "p95", "p99"))
        found: Latency = {"mean": self.total_seconds / count}
        found |= {f"p{part}": self.quantile(part / 100) for part in (50, 95, 99)}
        return {n: None if s is None else round(s * MILLISECONDS, 4) for n, s in found.items()}


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


class TimeBucket:
    """Everything that was counted in a span of time, by the names that Redis has for it."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.latencies = Counter[str]()
        self.maxima = Counter[str]()
        self.ranking = Ranking()
        self.foreign = 0
        """Fields that were read and skipped, since the cache never writes such."""

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was counted, and nothing foreign read."""
        return not (self.counts or self.latencies or self.maxima or self.foreign)

    def note_latencies(self, result: str, seconds: Sequence[float]) -> None:
        """Add how long look-ups with this result took."""
        names = LATENCIES[result]
        last = len(names) - 1
        self.latencies.update([names[min(bisect_left(BOUNDS, each), last)] for each in seconds])
        self.latencies[LATENCY_TOTALS[result]] += round(sum(seconds) * _MICROSECONDS)

    def add(self, other: "TimeBucket") -> None:
        """Add another bucket's metrics."""
        self.counts.update(other.counts)
        self.latencies.update(other.latencies)
        self.maxima |= other.maxima
        self.ranking.add(other.ranking.at_least())
        self.foreign += other.foreign

    def histogram(self, results: Collection[str] = tuple(metrics.LOOKUPS)) -> Histogram:
        """Return the latencies of look-ups with these results together."""
        counts, total_us = [0] * len(BOUNDS), 0
        for name, count in self.latencies.items():
            result, number = _BOUND_OF[name]
            if result in results and number is None:
                total_us += count
            elif result in results and number is not None:
                counts[number] += count
        return Histogram(counts, total_us / _MICROSECONDS)

    def read(self, fields: Any, ranking: Any = ()) -> Self:
        """Add what Redis answered: the fields of a hash, the members of a sorted set."""
        hits = dict[str, int]()
        for answer in (fields, ranking):
            self.foreign += is_foreign(answer)
        for raw_name, raw_value in {} if is_foreign(fields) else fields.items():
            name, value = parse_text(raw_name), parse_count(raw_value)
            if name is None or value is None:
                self.foreign += 1
            elif name in _BOUND_OF:
                self.latencies[name] += value
            elif name.startswith(metrics.MAXIMUM_PREFIX):
                self.maxima[name] = max(value, self.maxima[name])
            elif ":" in name:
                self.foreign += 1
            else:
                self.counts[name] += value
        for member, score in () if is_foreign(ranking) else ranking:
            user, count = parse_text(member), parse_count(score)
            if user is None or not count:
                self.foreign += 1
            else:
                hits[user] = count
        self.ranking.add(hits)
        return self


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
