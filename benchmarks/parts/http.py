"""Requests per second of one small view, by how its user is found."""

from typing import Final
from urllib.parse import urlsplit

from benchmarks.child import Child
from benchmarks.contenders import DATABASE, L1, REDIS, STATELESS, Contender
from benchmarks.environment import THREADS, Environment
from benchmarks.formatting import format_all
from benchmarks.outcome import Outcome
from benchmarks.parts.race import USERS, Race, format_processes
from benchmarks.plan import Plan
from benchmarks.targets import (
    L1_OVER_STATELESS,
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
    (L1_OVER_STATELESS, L1, STATELESS, 0),
    (REDIS_OVER_STATELESS, REDIS, STATELESS, 0),
    (OVER_DATABASE, L1, DATABASE, 0),
    (OVER_FAR_DATABASE, L1, DATABASE, 10),
)
"""Whose requests per second are divided by whose, the database so many milliseconds away."""
REMARKS: Final = """
- `GET /auth/verify`, the product's own view and middleware for all; only the authentication class
  differs. The product's server, whose event loop answers from memory: usercache's users, and
  simplejwt's tokens alone. *simplejwt, database* is on {threads} threads of granian's instead,
  which are faster for what always waits. {threads} kept-alive connections per worker process;
  {users} users, each with a token, all warm.
- The client is a process of its own on bare sockets (`benchmarks/web/generator.py`); it took at
  most {cpu:.2f} of a core.
- The distance of the database is a round trip, made by a proxy that holds everything back by half
  of it each way; a `SELECT 1` took {trips}. Connections are the product's own, from a pool; a
  request with a query makes one round trip.
- With usercache, {gets:.2f} GETs per request reached Redis.
""".strip()


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Race one and two worker processes, the database nearer and farther away."""
    environment.flush_redis()
    postgresql_port = urlsplit(environment.superuser_url).port or 0
    with (
        Child(GENERATOR, environment.variables(L1), environment.new_log()) as client,
        Distance(postgresql_port) as distance,
    ):
        race = Race(environment, plan, client)
        trips = {}
        for phase in PHASES_MS:
            distance.is_direct = phase == (0,)
            for ms in phase:
                distance.set_round_trip(ms)
                trips[ms] = distance.measure(environment.superuser_url)
            for processes in plan.http_processes:
                race.run(processes, distance, phase)
    return Outcome(
        "http", "Over HTTP", list(race.panels.values()), _judge(race, plan), _remark(race, trips)
    )


def _judge(race: Race, plan: Plan) -> list[Verdict]:
    return [
        Verdict(
            target,
            format_processes(processes),
            race.rate(processes, mine, ms).over(race.rate(processes, its, ms)),
        )
        for target, mine, its, ms in COMPARISONS
        for processes in plan.http_processes
    ]


def _remark(race: Race, trips: dict[int, float]) -> str:
    measured = ", ".join(f"{format_all(taken)} ms at {ms}" for ms, taken in trips.items())
    return REMARKS.format(
        threads=THREADS, users=USERS, cpu=race.most_cpu, trips=measured, gets=race.most_gets
    )
