"""How much is measured: all of it in about ten minutes, or a quick look."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plan:
    """Sizes and durations of one run; all durations are in seconds."""

    lookup_rounds: int
    lookup_seconds: float
    misses: int
    """Cold look-ups per round."""
    http_processes: tuple[int, ...]
    """How many worker processes a web server has."""
    http_rounds: int
    http_seconds: float
    load_users: int
    load_rounds: int
    load_seconds: float
    load_warm_seconds: float
    sizes: tuple[int, ...]
    """How many users are cached in Redis, one after the other."""
    growth_rounds: int
    growth_seconds: float
    readers: tuple[int, ...]
    """How many processes read at once."""
    deactivation_rounds: int
    deactivations: int
    """In each round."""
    renewal_rounds: int
    renewal_seconds: float
    write_rounds: int
    write_seconds: float
    endpoint_rounds: int
    endpoint_seconds: float
    overload_rounds: int
    overload_seconds: float
    capacity_rounds: int
    capacity_seconds: float
    against: str = ""
    """The commit whose code the endpoints are measured of as well."""


FULL: Final = Plan(
    lookup_rounds=11,
    lookup_seconds=0.3,
    misses=100,
    http_processes=(1, 2),
    http_rounds=11,
    http_seconds=0.8,
    load_users=100_000,
    load_rounds=3,
    load_seconds=4.0,
    load_warm_seconds=2.0,
    sizes=(1_000, 10_000, 100_000, 1_000_000),
    growth_rounds=5,
    growth_seconds=0.4,
    readers=(1, 2, 4, 8),
    deactivation_rounds=3,
    deactivations=100,
    renewal_rounds=3,
    renewal_seconds=5.0,
    write_rounds=7,
    write_seconds=0.5,
    endpoint_rounds=7,
    endpoint_seconds=0.3,
    overload_rounds=5,
    overload_seconds=3.0,
    capacity_rounds=5,
    capacity_seconds=2.0,
)
QUICK: Final = Plan(
    lookup_rounds=3,
    lookup_seconds=0.05,
    misses=30,
    http_processes=(1,),
    http_rounds=2,
    http_seconds=0.4,
    load_users=10_000,
    load_rounds=1,
    load_seconds=1.0,
    load_warm_seconds=0.5,
    sizes=(1_000, 10_000),
    growth_rounds=2,
    growth_seconds=0.1,
    readers=(1, 2, 4),
    deactivation_rounds=1,
    deactivations=30,
    renewal_rounds=1,
    renewal_seconds=5.0,
    write_rounds=2,
    write_seconds=0.2,
    endpoint_rounds=2,
    endpoint_seconds=0.2,
    overload_rounds=2,
    overload_seconds=1.0,
    capacity_rounds=1,
    capacity_seconds=0.5,
)
