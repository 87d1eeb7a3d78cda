"""The shape of a snapshot. Moments are seconds since 1970; durations say their unit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from usercache.figures.histogram import Histogram
from usercache.figures.processes import SeenProcess
from usercache.figures.redis_state import RedisState
from usercache.figures.slices import Slice
from usercache.report.status import Status

SCHEMA_VERSION: Final = 1
"""Goes up when a field of the JSON goes away or changes its meaning."""
MILLISECONDS: Final = 1000


@dataclass(frozen=True)
class Latency:
    """How long look-ups took as their callers saw it; None where there were none.

    The mean is exact, quantiles are to within a tenth.
    """

    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    @classmethod
    def of_all(cls, histograms: Iterable[Histogram]) -> Self:
        """Take the figures from the histograms together."""
        histogram = Histogram()
        for part in histograms:
            histogram.add(part)
        seconds = (histogram.mean, *(histogram.quantile(part) for part in (0.5, 0.95, 0.99)))
        return cls(*(None if s is None else s * MILLISECONDS for s in seconds))


@dataclass(frozen=True)
class Point:
    """One minute of the series; an hour, where the series is longer than two."""

    start: int
    seconds: float
    """How long it has lasted: 60, or less in the minute that is not over."""
    lookups: int
    hits: int
    latency: Latency
    """Of all look-ups."""

    @property
    def lookups_per_second(self) -> float:
        """Give look-ups by seconds."""
        return self.lookups / self.seconds

    @property
    def hit_rate(self) -> float | None:
        """Give hits by look-ups, 0 to 1; None without look-ups."""
        return self.hits / self.lookups if self.lookups else None


@dataclass(frozen=True)
class TopUser:
    """A user with many hits."""

    key: str
    """As in `user:id:42`."""
    hits: int
    """At least so many."""


@dataclass(frozen=True)
class BreakerState:
    """What this process thinks of Redis."""

    state: str
    """closed (in use), open, probing; none where there is no Redis."""
    seconds_to_probe: float


@dataclass(frozen=True)
class OutboxState:
    """Invalidations that Redis has not heard of yet."""

    waiting: int | None
    """None while the database can't be asked."""
    oldest_seconds: float


@dataclass(frozen=True)
class AuditState:
    """Hits that were compared with the database a moment later. See Note [The audit]."""

    share: float
    """The part of all hits that is compared."""
    checked: int
    mismatched: int
    explained: int
    """Of those checked, the ones that differed since somebody wrote in between."""
    undecided: int
    """Not among those checked: Redis or the database could not be asked."""
    worst_age_seconds: float
    """The largest age of a mismatched record; it can't have been stale for longer."""
    checked_ever: int
    mismatched_ever: int
    consistency: float | None
    """The part of all hits ever that is true, with 95 % confidence at least; None before the first.

    0.9997 after 10,000 checks without a mismatch: so many can't promise more.
    """


@dataclass(frozen=True)
class Snapshot:
    """What the cache did in the window, and how it is now."""

    taken_at: float
    status: Status
    reasons: tuple[str, ...]
    """What is wrong, worst first, in words for an operator; empty while healthy."""
    backend: str
    """redis, or local where there is no shared tier."""
    is_partial: bool
    """Whether the figures are this process's alone, since Redis keeps those of all processes."""
    window_seconds: float
    since: float
    """When the window's first minute or hour began; it covers the window at least."""
    counts: Mapping[str, int]
    """Every figure of the window by name, as `usercache.stats` spells them."""
    hits_by_tier: Mapping[str, int]
    """near, redis, local."""
    misses: int
    latencies: Mapping[str, Latency]
    """By result: near, redis, local, miss; also hit and overall."""
    top_users: tuple[TopUser, ...]
    """Most hits first."""
    redis: RedisState | None
    """None where there is none, or it can't be asked."""
    breaker: BreakerState
    outbox: OutboxState
    audit: AuditState
    processes: tuple[SeenProcess, ...]
    """Who reported itself in the last minute."""
    series: tuple[Point, ...]
    """The window by minutes, or by hours, oldest first, without gaps."""
    totals: Slice
    """What was ever counted, since Redis was last emptied."""
    delivered: Slice | None
    """The totals without what this process has yet to deliver: they only go up, whichever process
    is asked. None where Redis can't be asked."""

    @property
    def hits(self) -> int:
        """Count the look-ups that needed no query."""
        return sum(self.hits_by_tier.values())

    @property
    def lookups(self) -> int:
        """Count all look-ups that were answered."""
        return self.hits + self.misses

    @property
    def hit_rate(self) -> float:
        """Give hits by look-ups, 0 to 1; 0 before the first."""
        return self.hits / self.lookups if self.lookups else 0.0

    @property
    def database_load_saved(self) -> float:
        """Give the part of look-ups that the database was not asked for, 0 to 1."""
        return self.hit_rate
