"""What one request costs each server, what that predicts, and whether it comes true."""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any, Final

import psycopg
from redis import Redis

from benchmarks.capacity_model import CORES, USED, Cost, Telling, blend, plan_for
from benchmarks.child import Child
from benchmarks.contenders import Contender, make_product
from benchmarks.environment import THREADS, Environment
from benchmarks.measurement import shuffled
from benchmarks.outcome import Outcome, Panel
from benchmarks.parts import endpoints
from benchmarks.parts.endpoints import LOGIN, PATCH, PROFILE, USER, VERIFY, Participant, Request
from benchmarks.parts.http import GENERATOR
from benchmarks.plan import Plan
from benchmarks.targets import PREDICTION, Verdict
from benchmarks.users import mint_tokens
from benchmarks.web.generator import format_request
from benchmarks.web.server import BenchmarkServer, tree_cpu_seconds

KINDS: Final = (VERIFY, PROFILE, USER, PATCH, LOGIN)
FROM_REDIS: Final = "verify, user from Redis"
MISS: Final = "verify, user from PostgreSQL"
MIX: Final = {VERIFY: 50.0, PROFILE: 25.0, USER: 23.9, PATCH: 1.0, LOGIN: 0.1}
"""In percent, of what is planned for."""
FROM_REDIS_PERCENT: Final = 3.0
MISS_PERCENT: Final = 0.3
RATES: Final = (1_000, 10_000, 1_000_000)
TRIALS: Final[dict[str, dict[str, float]]] = {
    "users in memory, 1% writes": {VERIFY: 50, PROFILE: 25, USER: 24, PATCH: 1},
    "users from Redis, 10% writes": {VERIFY: 60, PROFILE: 30, PATCH: 10},
}
TELLING: Final = "telling a worker of a write"
LISTENERS: Final = 8
COLD_USERS: Final = 6_000
"""For each round, counted from the last: nothing else asks for them."""
MIXED: Final = 1_000
"""How many requests of a mix there are before they come again."""
WARM_SECONDS: Final = 1.0
COUNTED: Final = 40
WEB: Final = "web CPU, µs"
REDIS: Final = "Redis CPU, µs"
POSTGRESQL: Final = "PostgreSQL CPU, µs"
COMMANDS: Final = "round trips to Redis"
QUERIES: Final = "queries"
PROCESSORS: Final = (WEB, REDIS, POSTGRESQL)
MICROSECONDS: Final = 1e6
PERCENT: Final = 100
REMARKS: Final = """
- Processor time, not seconds: of granian with one worker of {threads} threads, of Redis and of
  PostgreSQL, for each answered request over HTTP. So a busy machine changes little. Its load was
  {load}.
- A user from Redis: without the client-side cache. A user from PostgreSQL: one that isn't cached,
  with a token that wasn't seen before. What either costs more than `GET /auth/verify` of a user in
  process memory, it costs any request.
- *Telling*: what a worker that serves nothing takes while another writes, and what Redis takes for
  each of {listeners} further connections that track every key.
- A run is predicted by adding up the costs of its requests.
- Larger loads are {mix}. Of the users {from_redis:g} % come from Redis and {miss:g} % from
  PostgreSQL. {used:.0%} of a processor is planned with; an instance has {cores} workers.
""".strip()

Found = dict[tuple[str, str], list[float]]
"""By row and column, in each round."""


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Measure the costs, predict two runs by them, make those, and say what larger loads take."""
    found: Found = defaultdict(list)
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        contender = make_product("capacity")
        near = stack.enter_context(endpoints.start(environment, contender))
        bare = stack.enter_context(
            endpoints.start(environment, contender, USERCACHE_L1_MAX_ENTRIES="0")
        )
        idle = stack.enter_context(_start_idle(environment, contender, near))
        generator = Child(GENERATOR, environment.variables(contender), environment.new_log())
        meter = Meter(stack.enter_context(generator), _find_postmaster(environment.superuser_url))
        requests = endpoints.list_requests(environment)
        first = environment.first_id + endpoints.USERS
        pks = [*range(first, first + endpoints.ADMITTED)]
        near.child.ask("set_password", pks=pks, password=endpoints.PASSWORD)
        for participant, kind in product((near, bare, idle), KINDS):
            meter.run(participant, requests[kind], WARM_SECONDS, seed=0)
        for kind in KINDS:
            _count(found, kind, near, requests[kind])
        _count(found, FROM_REDIS, bare, requests[VERIFY])
        _count(found, MISS, bare, _list_cold(environment, plan.capacity_rounds), is_cold=True)
        for number in range(plan.capacity_rounds):
            seconds = plan.capacity_seconds
            for kind in shuffled(KINDS, number):
                _add(found, kind, meter.run(near, requests[kind], seconds, number))
            _add(found, FROM_REDIS, meter.run(bare, requests[VERIFY], seconds, number))
            _add(found, MISS, meter.run(bare, _list_cold(environment, number), seconds, number))
            for (name, mix), participant in zip(TRIALS.items(), (near, bare), strict=True):
                _add(found, name, meter.run(participant, _mix(requests, mix), seconds, number))
            _measure_telling(found, meter, (near, idle), requests[PATCH], (seconds, number))
    return _conclude(
        found, f"{load_before:.0f} at the beginning, {os.getloadavg()[0]:.0f} at the end"
    )


class Meter:
    """Runs requests, and reads what each server's processor did meanwhile."""

    def __init__(self, client: Child, postmaster: int) -> None:
        """Take the process that asks, and PostgreSQL's first."""
        self._client = client
        self._postmaster = postmaster
        self.requests = 0.0
        """Of the last run."""

    def run(
        self, participant: Participant, requests: Sequence[Request], seconds: float, seed: int
    ) -> dict[str, float]:
        """Keep the server busy for so long, and return what one request took of each processor."""
        raw = [format_request(**request) for request in requests]
        before = self._read(participant)
        answer = self._client.ask(
            "run",
            port=participant.server.port,
            requests=raw,
            connections=endpoints.CONNECTIONS,
            seconds=seconds,
            seed=seed,
        )
        after = self._read(participant)
        self.requests = answer["requests"]
        return {
            name: (after[name] - before[name]) / self.requests * MICROSECONDS for name in before
        }

    def _read(self, participant: Participant) -> dict[str, float]:
        with participant.redis.client() as client:
            used: Mapping[str, Any] = client.info("cpu")
        return {
            WEB: participant.server.cpu_seconds(),
            REDIS: float(used["used_cpu_sys"]) + float(used["used_cpu_user"]),
            POSTGRESQL: tree_cpu_seconds(self._postmaster),
        }


@contextmanager
def _start_idle(
    environment: Environment, contender: Contender, near: Participant
) -> Iterator[Participant]:
    # A worker on the same Redis, which hears of what the other one writes.
    variables = {**environment.variables(contender), "REDIS_URL": near.redis.url}
    server = BenchmarkServer(environment.new_directory(), variables, processes=1)
    with server:
        yield near._replace(server=server)


def _find_postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row
        # After the name, in parentheses: the state and the parent. Source: proc(5).
        status = Path(f"/proc/{row[0]}/stat").read_text()
        return int(status.rpartition(")")[2].split()[1])


def _count(
    found: Found,
    row: str,
    participant: Participant,
    requests: Sequence[Request],
    *,
    is_cold: bool = False,
) -> None:
    if not is_cold:
        participant.child.ask("time_requests", requests={"": requests}, seconds=WARM_SECONDS)
    counted = participant.child.ask("count_operations", requests=requests[:COUNTED])
    _add(found, row, {COMMANDS: counted["redis"], QUERIES: counted["queries"]})


def _add(found: Found, row: str, values: Mapping[str, float]) -> None:
    for column, value in values.items():
        found[row, column].append(value)


def _list_cold(environment: Environment, number: int) -> list[Request]:
    count = min(COLD_USERS, environment.users // 8)
    first = environment.first_id + environment.users - (number + 1) * count
    return [
        {"method": "GET", "path": "/auth/verify", "token": token, "body": ""}
        for token in mint_tokens(first, count, environment.signing_key)
    ]


def _mix(requests: Mapping[str, Sequence[Request]], mix: Mapping[str, float]) -> list[Request]:
    return [
        requests[kind][number % len(requests[kind])]
        for kind, percent in mix.items()
        for number in range(round(percent * MIXED / PERCENT))
    ]


def _measure_telling(
    found: Found,
    meter: Meter,
    participants: tuple[Participant, Participant],
    writes: Sequence[Request],
    turn: tuple[float, int],
) -> None:
    (near, idle), (seconds, number) = participants, turn

    def spend(pause: float = 0.0) -> tuple[dict[str, float], float, float]:
        before, began = idle.server.cpu_seconds(), time.monotonic()
        if pause:
            time.sleep(pause)
            costs: dict[str, float] = {}
        else:
            costs = meter.run(near, writes, seconds, number)
        return costs, idle.server.cpu_seconds() - before, time.monotonic() - began

    _, spent, waited = spend(pause=seconds)
    rate_of_idleness = spent / waited
    alone, spent, waited = spend()
    heard = max(0.0, spent - rate_of_idleness * waited) / meter.requests * MICROSECONDS
    with ExitStack() as stack:
        for _ in range(LISTENERS):
            stack.enter_context(_listen(near.redis.url))
        crowded, _, _ = spend()
    told = max(0.0, crowded[REDIS] - alone[REDIS]) / LISTENERS
    _add(found, TELLING, {WEB: heard, REDIS: told})


@contextmanager
def _listen(url: str) -> Iterator[None]:
    # Nobody reads it: what comes in a round fits into the sockets' buffers.
    with Redis.from_url(url) as client:
        connection: Any = client.connection_pool.get_connection()
        connection.send_command("HELLO", "3")
        connection.send_command("CLIENT", "TRACKING", "ON", "BCAST")
        try:
            yield
        finally:
            connection.disconnect()


def _conclude(found: Found, load: str) -> Outcome:
    costs_panel, told, runs = Panel("One request"), Panel("One write"), Panel("Two runs")
    for (row, column), values in found.items():
        panel = told if row == TELLING else runs if row in TRIALS else costs_panel
        panel.add(row, f"{column}, measured" if row in TRIALS else column, values)
    costs = {row: _cost_of(found, row) for row in (*KINDS, FROM_REDIS, MISS)}
    worst = list[float]()
    for name, mix in TRIALS.items():
        predicted = blend(costs, mix)
        if name == [*TRIALS][1]:
            predicted = predicted.plus(costs[FROM_REDIS]).plus(costs[VERIFY], -1)
        for column, value in zip(PROCESSORS, predicted, strict=False):
            runs.add(name, f"{column}, predicted", [value])
        off = PERCENT * (predicted.web / median(found[name, WEB]) - 1)
        runs.add(name, "web, off by %", [off])
        worst.append(abs(off))
    remarks = REMARKS.format(
        threads=THREADS,
        listeners=LISTENERS,
        mix=", ".join(f"{percent:g} % `{kind}`" for kind, percent in MIX.items()),
        from_redis=FROM_REDIS_PERCENT,
        miss=MISS_PERCENT,
        used=USED,
        cores=CORES,
        load=load,
    )
    panels = [costs_panel, told, runs, _plan_loads(found, costs)]
    verdicts = [Verdict(PREDICTION, "", (max(worst),))]
    return Outcome("capacity", "Capacity", panels, verdicts, remarks)


def _cost_of(found: Found, row: str) -> Cost:
    return Cost(*(median(found[row, it]) for it in (*PROCESSORS, COMMANDS, QUERIES)))


def _plan_loads(found: Found, costs: Mapping[str, Cost]) -> Panel:
    cost = blend(costs, MIX)
    for row, percent in ((FROM_REDIS, FROM_REDIS_PERCENT), (MISS, MISS_PERCENT)):
        cost = cost.plus(costs[row], percent / PERCENT).plus(costs[VERIFY], -percent / PERCENT)
    telling = Telling(*(median(found[TELLING, it]) for it in (WEB, REDIS)))
    panel = Panel("What larger loads take")
    for rate in RATES:
        needs = plan_for(rate, cost, MIX[PATCH] / PERCENT, telling)
        for column, value in needs.items():
            panel.add(f"{rate:,} requests/s", column, [value])
    return panel
