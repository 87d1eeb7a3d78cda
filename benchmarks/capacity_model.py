"""How many machines a load takes: arithmetic on what one request costs.

Note [What the model says]
--------------------------
A request has a cost at each server: processor time in the web server, Redis and PostgreSQL. A mix
costs the average of its parts, and a load so many times that. A part of each processor is planned
with (`USED`), since waits grow without bound towards all of it. A worker of the web server uses one
core, since Python runs one thread at a time, and so does a Redis node.

One thing grows with the square of the load: each write is told to each worker, so that its memory
is current. With a larger load there are more writes, and more workers. Where hearing of them would
take a worker more than `HEARING_MOST`, users are divided (by country, or by the key): each part has
web servers and a Redis of its own, and hears of its own writes.
"""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

USED: Final = 0.6
"""The part of a processor that is planned with."""
CORES: Final = 16
"""Of one instance, with a worker on each."""
CONNECTIONS_PER_CORE: Final = 4
"""Of PostgreSQL, in PgBouncer's pool: a transaction waits for its client between two statements."""
MICROSECONDS: Final = 1e6
HEARING_MOST: Final = 0.2
"""The part of a worker's core that hearing of writes may take."""
PERCENT: Final = 100


class Cost(NamedTuple):
    """What one request takes: microseconds of processor time, and operations."""

    web: float
    redis: float = 0.0
    postgresql: float = 0.0
    commands: float = 0.0
    """Round trips to Redis."""
    queries: float = 0.0

    def plus(self, other: "Cost", times: float = 1.0) -> "Cost":
        """Return the sum of this and so many times another."""
        return Cost(*(a + times * b for a, b in zip(self, other, strict=True)))


class Telling(NamedTuple):
    """What it takes to tell one worker of one write, in microseconds."""

    web: float
    redis: float


def blend(costs: Mapping[str, Cost], mix: Mapping[str, float]) -> Cost:
    """Return what a request of a mix costs on average; `mix` has each kind's part."""
    total, parts = Cost(0.0), sum(mix.values())
    for kind, part in mix.items():
        total = total.plus(costs[kind], part / parts)
    return total


def plan_for(rate: float, cost: Cost, writes: float, telling: Telling) -> dict[str, float]:
    """Return what so many requests per second take, by name; `writes` is the part that write."""
    hearing = rate * writes * telling.web / MICROSECONDS  # of each worker's core, undivided
    parts = max(1, math.ceil(hearing / HEARING_MOST))
    hearing, part = hearing / parts, rate / parts
    workers = math.ceil(part * cost.web / MICROSECONDS / (USED - hearing))
    messages = part * writes * workers
    redis_cores = (part * cost.redis + messages * telling.redis) / MICROSECONDS / USED
    postgresql_cores = rate * cost.postgresql / MICROSECONDS / USED
    return {
        "parts": parts,
        "workers": parts * workers,
        "instances": parts * math.ceil(workers / CORES),
        "hearing of writes, % of a worker": PERCENT * hearing,
        "round trips to Redis/s": rate * cost.commands,
        "messages to workers/s": parts * messages,
        "Redis nodes": parts * math.ceil(redis_cores),
        "queries/s": rate * cost.queries,
        "PostgreSQL cores": postgresql_cores,
        "PostgreSQL connections": math.ceil(postgresql_cores * CONNECTIONS_PER_CORE),
    }
