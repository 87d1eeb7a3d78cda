"""From a value to its height in a chart, and the words beside the axis."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Tick(NamedTuple):
    """A line across the chart, and what it stands for."""

    y: float
    label: str


class Scale(NamedTuple):
    """What the lower and the upper edge stand for; evenly in between, or by powers of ten."""

    low: float
    high: float
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return the height of a value, 0 to 1."""
        if self.is_logarithmic:
            part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, part))

    def values(self) -> list[float]:
        """Return what should be marked: each power of ten, or both edges and the middle."""
        if not self.is_logarithmic:
            return [self.low, (self.low + self.high) / 2, self.high]
        powers = round(math.log10(self.high / self.low))
        return [self.low * 10**power for power in range(powers + 1)]

    def ticks(self, height: float, spell: Callable[[float], str]) -> Sequence[Tick]:
        """Return the marks for a chart of this height, whose y grows downwards."""
        return [Tick(round(height * (1 - self.place(v)), 1), spell(v)) for v in self.values()]


def fit_linear(values: Iterable[float]) -> Scale:
    """Reach from 0 to 1, 2 or 5 times a power of ten that is large enough."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return Scale(0.0, 1.0)
    power = 10.0 ** math.floor(math.log10(largest))
    steps = (1.0, 2.0, 5.0, 10.0)
    return Scale(0.0, next((s * power for s in steps if s * power >= largest), 10 * power))


def fit_logarithmic(values: Iterable[float]) -> Scale:
    """Reach from a power of ten to another, one apart at least."""
    known = [value for value in values if value > 0] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(known)))
    high = 10.0 ** math.ceil(math.log10(max(known)))
    return Scale(low, max(high, low * 10), is_logarithmic=True)
