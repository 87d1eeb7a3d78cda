"""What was measured again and again: middle, spread and comparison."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

PERCENT = 100


class Spread(NamedTuple):
    """The middle of some rounds, and the quarters around it."""

    median: float
    low: float
    """The first quartile."""
    high: float
    """The third."""


@dataclass(frozen=True)
class Series:
    """One measurement of one contender, once per round."""

    row: str
    """The contender, as in `cacheops`."""
    column: str
    """What, as in `10 ms away`."""
    values: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Median and quartiles."""
        return spread_of(self.values)

    def over(self, other: "Series") -> tuple[float, ...]:
        """Divide round by round: what slows the machine for a while slows both."""
        return tuple(mine / its for mine, its in zip(self.values, other.values, strict=True))

    def as_json(self) -> dict[str, Any]:
        """Name all of it."""
        return {
            "row": self.row,
            "column": self.column,
            **self.spread._asdict(),
            "rounds": list(self.values),
        }


def shuffled(contenders: Iterable[T], number: int) -> list[T]:
    """Return the order in which they are measured in a round: drawn, but alike in every run.

    A part that follows a busy one finds the processor awake, one that follows an idle one doesn't:
    by as much as a fifth, round after round, where the order is always the same.
    """
    order = list(contenders)
    Random(number).shuffle(order)
    return order


def spread_of(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles, which a single value is all of."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(median(values), low, high)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / PERCENT)) - 1]
