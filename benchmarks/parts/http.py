"""Requests per second of one small view, by how its user is found."""

from typing import Final
from urllib.parse import urlsplit

from benchmarks.child import Child
from benchmarks.contenders import DATABASE, NEAR, REDIS, STATELESS, Contender
from benchmarks.ground import THREADS, Ground
from benchmarks.outcome import Outcome
from benchmarks.parts.race import USERS, Race, spell_processes
from benchmarks.plan import Plan
from benchmarks.spelling import spell
from benchmarks.targets import (
    NEAR_OVER_STATELESS,
    OVER_DATABASE,
    OVER_FAR_DATABASE,
    REDIS_OVER_STATELESS,
    Target,
    Verdict,
)
from benchmarks.web.distance import Distance

PHASES_MS: Final = ((0,), (1, 10))
"""Round trips to the database: without anything between, and through one and the same proxy."""
GENERATOR: Final = """
from benchmarks.service import serve
from benchmarks.web.generator import run
serve({"run": run})
"""
COMPARISONS: Final[tuple[tuple[Target, Contender, Contender, int], ...]] = (
    (NEAR_OVER_STATELESS, NEAR, STATELESS, 0),
    (REDIS_OVER_STATELESS, REDIS, STATELESS, 0),
    (OVER_DATABASE, NEAR, DATABASE, 0),
    (OVER_FAR_DATABASE, NEAR, DATABASE, 10),
)
"""Whose requests per second are divided by whose, the database so many milliseconds away."""
REMARKS: Final = """
- `GET /auth/verify`, the product's own view and middleware for all; only the authentication class
  differs. granian, {threads} threads per worker process, as the product's server has by
  default, and as many kept-alive connections; {users} users, each with a token, all warm.
- The client is a process of its own on bare sockets (`benchmarks/web/generator.py`); it took at
  most {cpu:.2f} of a core.
- The distance of the database is a round trip, made by a proxy that holds everything back by half
  of it each way; a `SELECT 1` took {trips}. Connections are the product's own: a pool that checks
  each before it lends it, so that a request with a query makes two round trips.
- With usercache, {gets:.2f} GETs per request reached Redis.
""".strip()


def measure(ground: Ground, plan: Plan) -> Outcome:
    """Race one and two worker processes, the database nearer and farther away."""
    ground.flush_redis()
    postgresql_port = urlsplit(ground.superuser_url).port or 0
    with (
        Child(GENERATOR, ground.environment(NEAR), ground.new_log()) as client,
        Distance(postgresql_port) as distance,
    ):
        race = Race(ground, plan, client)
        trips = {}
        for phase in PHASES_MS:
            distance.is_direct = phase == (0,)
            for ms in phase:
                distance.set_round_trip(ms)
                trips[ms] = distance.measure(ground.superuser_url)
            for processes in plan.http_processes:
                race.run(processes, distance, phase)
    return Outcome(
        "http", "Over HTTP", list(race.panels.values()), _judge(race, plan), _remark(race, trips)
    )


def _judge(race: Race, plan: Plan) -> list[Verdict]:
    return [
        Verdict(
            target,
            spell_processes(processes),
            race.rate(processes, mine, ms).over(race.rate(processes, its, ms)),
        )
        for target, mine, its, ms in COMPARISONS
        for processes in plan.http_processes
    ]


def _remark(race: Race, trips: dict[int, float]) -> str:
    measured = ", ".join(f"{spell(taken)} ms at {ms}" for ms, taken in trips.items())
    return REMARKS.format(
        threads=THREADS, users=USERS, cpu=race.most_cpu, trips=measured, gets=race.most_gets
    )
