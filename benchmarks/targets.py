"""What we want to reach, and whether we do."""

from dataclasses import dataclass
from typing import Any, Final

from benchmarks.measurement import Spread, spread_of


@dataclass(frozen=True)
class Target:
    """A bound on one measurement."""

    name: str
    bound: float
    is_minimum: bool
    """Whether the value must be at least the bound; else at most."""
    unit: str = ""

    def is_met(self, value: float) -> bool:
        """Say whether the value is on the right side; on the bound is right."""
        return value >= self.bound if self.is_minimum else value <= self.bound

    def format_all(self) -> str:
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
            "target": self.target.format_all(),
            "is_met": self.is_met,
        }


def _at_least(bound: float, name: str) -> Target:
    return Target(name, bound, is_minimum=True, unit="x")


def _at_most(bound: float, name: str, unit: str = "x") -> Target:
    return Target(name, bound, is_minimum=False, unit=unit)


L1_LOOKUP: Final = _at_most(1.0, "look-up in process memory / `LocMemCache.get` of the same record")
REDIS_LOOKUP: Final = _at_most(1.25, "look-up in Redis / bare redis-py GET of the same key")
L1_OVER_STATELESS: Final = _at_least(1.10, "requests/s / token only, no user")
REDIS_OVER_STATELESS: Final = _at_least(0.80, "requests/s, Redis alone / token only, no user")
OVER_DATABASE: Final = _at_least(2.8, "requests/s / simplejwt, database 0 ms away")
OVER_FAR_DATABASE: Final = _at_least(10.0, "requests/s / simplejwt, database 10 ms away")
DEACTIVATION: Final = _at_most(
    50.0, "deactivation seen by 4 busy processes, p99 after the response", unit="ms"
)
QUERIES: Final = _at_most(10.0, "queries per 1,000 requests, Zipf, 1% writes", unit="")
QUERIES_WITHOUT_REDIS: Final = _at_most(
    20.0, "queries per 1,000 requests, Zipf, 1% writes, each process loads its own", unit=""
)
WITHOUT_REDIS: Final = _at_least(0.9, "look-ups/s under load without Redis / with")
REDIS_BYTES: Final = _at_most(1.3, "bytes per user in Redis / the record's own fields")
FORWARD_OVER_VERIFY: Final = _at_least(10.0, "GET /auth/forward per CPU second / GET /auth/verify")
OVER_VERIFY: Final = _at_most(1.2, "CPU / that of GET /auth/verify")
VERIFY_OVER_OTHER: Final = _at_least(1.6, "GET /auth/verify per CPU second / the other commit's")
GOODPUT: Final = Target(
    "served at four times the capacity, of the capacity", 80.0, is_minimum=True, unit="%"
)
LIGHT_ANSWERED: Final = Target(
    "light requests answered at four times the capacity", 100.0, is_minimum=True, unit="%"
)
PREDICTION: Final = Target(
    "web CPU of two runs, predicted off by", 15.0, is_minimum=False, unit="%"
)
