"""What we want to reach, and whether we do."""

from dataclasses import dataclass
from typing import Any, Final

from benchmarks.measurement import Spread, spread_of


@dataclass(frozen=True)
class Target:
    """A bound on one figure."""

    name: str
    bound: float
    is_minimum: bool
    """Whether the figure must be at least the bound; else at most."""
    unit: str = ""

    def is_met(self, figure: float) -> bool:
        """Say whether the figure is on the right side; on the bound is right."""
        return figure >= self.bound if self.is_minimum else figure <= self.bound

    def spell(self) -> str:
        """Return `at least 1.10 x`."""
        side = "at least" if self.is_minimum else "at most"
        return f"{side} {self.bound:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class Verdict:
    """A target, and what was measured in each round."""

    target: Target
    setting: str
    """Where it was measured, as in `2 workers`; may be empty."""
    values: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Median and quartiles."""
        return spread_of(self.values)

    @property
    def is_met(self) -> bool:
        """Whether the median meets the target."""
        return self.target.is_met(self.spread.median)

    @property
    def name(self) -> str:
        """The target's name, and where."""
        return f"{self.target.name}, {self.setting}" if self.setting else self.target.name

    def as_json(self) -> dict[str, Any]:
        """Name all of it."""
        return {
            "name": self.name,
            **self.spread._asdict(),
            "target": self.target.spell(),
            "is_met": self.is_met,
        }


NEAR_LOOKUP: Final = Target(
    "look-up in process memory / `LocMemCache.get` of the same record", 1.0, False, "x"
)
REDIS_LOOKUP: Final = Target(
    "look-up in Redis / bare redis-py GET of the same key", 1.25, False, "x"
)
NEAR_OVER_STATELESS: Final = Target("requests/s / token only, no user", 1.10, True, "x")
REDIS_OVER_STATELESS: Final = Target(
    "requests/s, Redis alone / token only, no user", 0.80, True, "x"
)
OVER_DATABASE: Final = Target("requests/s / simplejwt, database 0 ms away", 2.8, True, "x")
OVER_FAR_DATABASE: Final = Target("requests/s / simplejwt, database 10 ms away", 10.0, True, "x")
DEACTIVATION: Final = Target(
    "deactivation seen by 4 busy processes, p99 after the response", 50.0, False, "ms"
)
QUERIES: Final = Target("queries per 1,000 requests, Zipf, 1 % writes", 10.0, False)
REDIS_BYTES: Final = Target("bytes per user in Redis / the record's own fields", 1.3, False, "x")
