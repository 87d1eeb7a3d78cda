"""Durations counted in fixed buckets, so that those of all processes can be added up."""

from bisect import bisect_left
from collections import Counter
from typing import Final

SMALLEST_SECONDS: Final = 1e-6
STEP: Final = 2**0.25
"""From one bound to the next; so a quantile is told to within a tenth, either way."""
BOUNDS: Final = tuple(SMALLEST_SECONDS * STEP**number for number in range(105))
"""The upper bounds in seconds, from 1 us to 67 s; what takes longer is counted with the last."""


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that a duration belongs to."""
    return min(bisect_left(BOUNDS, seconds), len(BOUNDS) - 1)


class Histogram:
    """How long something took, by bucket."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self.counts: Counter[int] = Counter()
        self.total_seconds = 0.0

    def note(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bucket_of(seconds)] += 1
        self.total_seconds += seconds

    def add(self, other: "Histogram") -> None:
        """Add another's counts."""
        self.counts.update(other.counts)
        self.total_seconds += other.total_seconds

    @property
    def count(self) -> int:
        """Say how many durations were counted."""
        return self.counts.total()

    @property
    def mean(self) -> float | None:
        """Return the mean in seconds, exactly; None before the first."""
        return self.total_seconds / self.count if self.count else None

    def quantile(self, part: float) -> float | None:
        """Return the seconds within which this part (0 to 1) was done; None before the first."""
        wanted, seen = part * self.count, 0
        for bucket, count in sorted(self.counts.items()):
            if seen + count >= wanted:
                # As if those in a bucket lay evenly between its bounds, which go up by a factor.
                within = (wanted - seen) / count
                return float(BOUNDS[bucket] * STEP ** (within - 1))
            seen += count
        return None
