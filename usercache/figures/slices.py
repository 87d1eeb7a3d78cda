"""The figures of a span of time, and how Redis holds them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Self

from usercache.figures.histogram import Histogram
from usercache.figures.ranking import Ranking

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
MINUTES_KEPT_SECONDS: Final = 2 * HOUR_SECONDS
HOURS_KEPT_SECONDS: Final = 48 * HOUR_SECONDS

_LATENCY: Final = "latency"
_MAXIMUM: Final = "max"
_TOTAL: Final = "us"
_MICROSECONDS: Final = 1_000_000


class Slice:
    """Everything that was counted in a span of time, by one process or by all."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self.counts: Counter[str] = Counter()
        self.maxima: dict[str, int] = {}
        self.latencies: defaultdict[str, Histogram] = defaultdict(Histogram)
        """By the result of the look-up: near, redis, local, miss."""
        self.ranking = Ranking()

    @property
    def is_empty(self) -> bool:
        """Say whether nothing was counted."""
        return not (self.counts or self.maxima or self.latencies)

    def note_maximum(self, name: str, value: int) -> None:
        """Keep the largest of a figure's values."""
        self.maxima[name] = max(value, self.maxima.get(name, 0))

    def add(self, other: "Slice") -> None:
        """Add another's figures."""
        self.counts.update(other.counts)
        for name, value in other.maxima.items():
            self.note_maximum(name, value)
        for result, histogram in other.latencies.items():
            self.latencies[result].add(histogram)
        self.ranking.add(other.ranking.at_least())

    def spell_fields(self) -> dict[str, int]:
        """Return by how much fields go up: `misses`, `latency:redis:41`, `latency:redis:us`."""
        fields = dict(self.counts)
        for result, histogram in self.latencies.items():
            prefix = f"{_LATENCY}:{result}:"
            fields |= {f"{prefix}{bucket}": count for bucket, count in histogram.counts.items()}
            fields[prefix + _TOTAL] = round(histogram.total_seconds * _MICROSECONDS)
        return fields

    def spell_maxima(self) -> dict[str, int]:
        """Return what a hash's fields are raised to: `max:audit_worst_ms`."""
        return {f"{_MAXIMUM}:{name}": value for name, value in self.maxima.items()}

    def read_fields(self, fields: Mapping[bytes, bytes]) -> Self:
        """Add what a hash's fields say."""
        for name, value in fields.items():
            self._read_field(name.decode().split(":"), int(value))
        return self

    def _read_field(self, name: list[str], value: int) -> None:
        match name:
            case [kind, result, bucket] if kind == _LATENCY and bucket == _TOTAL:
                self.latencies[result].total_seconds += value / _MICROSECONDS
            case [kind, result, bucket] if kind == _LATENCY:
                self.latencies[result].counts[int(bucket)] += value
            case [kind, figure] if kind == _MAXIMUM:
                self.note_maximum(figure, value)
            case _:
                self.counts[":".join(name)] += value


def start_of(moment: float, span_seconds: int) -> int:
    """Return when the minute or hour began that a moment is in, in seconds since 1970."""
    return int(moment) // span_seconds * span_seconds


def age_slice(start: int, now: float) -> int:
    """Return the start of the span that a slice of this start belongs to by now.

    A minute, then the hour it was in; 0, a remainder without a time, when that is forgotten, too.
    """
    age_seconds = now - start
    if age_seconds < MINUTES_KEPT_SECONDS:
        return start
    return start_of(start, HOUR_SECONDS) if age_seconds < HOURS_KEPT_SECONDS else 0


def add_up(slices: Iterable[Slice]) -> Slice:
    """Return the sum."""
    total = Slice()
    for part in slices:
        total.add(part)
    return total
