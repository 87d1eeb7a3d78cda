"""Many readers and a few writers: how often the database is asked, and what is seen too late."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from benchmarks import ledger
from benchmarks.child import Child
from benchmarks.contenders import (
    CACHALOT,
    CACHEOPS,
    DATABASE,
    L1,
    NO_REDIS,
    PICKLED,
    REDIS,
    TTL_SECONDS,
    Contender,
)
from benchmarks.environment import THREADS, Environment
from benchmarks.measurement import shuffled
from benchmarks.outcome import Outcome, Panel
from benchmarks.plan import Plan
from benchmarks.targets import QUERIES, QUERIES_WITHOUT_REDIS, WITHOUT_REDIS, Verdict
from benchmarks.zipf import expiries_per_thousand

PROCESSES: Final = 2
EXPONENT: Final = 1.0
WRITE_SHARE: Final = 0.01
PER_THOUSAND: Final = 1000
PER_MILLION: Final = 1_000_000
SHOWN_RATES: Final = (1_000, 10_000)
REMARKS: Final = """
- {processes} processes of {threads} threads for each. A request is a look-up by id of one of
  {users:,} users, the n-th of them asked for 1/n as often as the first. {writes:.0%} are writes
  instead: a transaction that locks, loads and saves the row. Queries are those of the requests that
  read.
- Stale is a read that began after a write was acknowledged, in whichever process, and showed less:
  {seen}.
- Without Redis each process loads what it is asked for, holds all users
  (`USERCACHE_L1_MAX_ENTRIES`), and is told of changes by PostgreSQL. With fewer entries than users,
  users without a place are loaded again: of 100,000 users, 10,000 get 81% of these requests.
- Before it is measured, all users are put into the cache (not into cachalot, which its first write
  empties), and each makes {warm_seconds:g} s of the same load.
- Nothing runs out while it is measured. At a TTL of {ttl} s, records that run out would add
  {expiries} to every cache here, by arithmetic (`benchmarks/zipf.py`); a longer TTL less.
""".strip()


@dataclass
class Camp:
    """One contender's processes, and what they counted round by round."""

    contender: Contender
    lookup: str
    filling: str = ""
    """The command that puts all users into its cache; empty where none would stay there."""
    children: list[Child] = field(default_factory=list)
    ledger: str = ""
    rounds: list[dict[str, float]] = field(default_factory=list)


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Let each contender's processes read and write in turn, round by round."""
    environment.flush_redis()
    camps = [
        Camp(CACHEOPS, "orm", "fill_cacheops"),
        Camp(L1, "usercache", "fill"),
        Camp(NO_REDIS, "usercache", "fill_memory"),
        Camp(REDIS, "usercache", "fill"),
        Camp(PICKLED, "pickled", "fill_pickled"),
        # Its first write empties it.
        Camp(CACHALOT, "orm"),
        Camp(DATABASE, "simplejwt"),
    ]
    with ExitStack() as stack:
        for camp in camps:
            path = environment.new_log()
            ledger.create(path, processes=PROCESSES, users=plan.load_users)
            camp.ledger = str(path)
            camp.children = [
                stack.enter_context(environment.start(camp.contender)) for _ in range(PROCESSES)
            ]
        for camp in camps:
            _fill(environment, camp, plan)
        for camp in camps:
            _run(environment, camp, plan, plan.load_warm_seconds, seed=0)
        for number in range(plan.load_rounds):
            for camp in shuffled(camps, number):
                answer = _run(environment, camp, plan, plan.load_seconds, seed=number + 1)
                camp.rounds.append(answer)
    return _conclude(camps, plan)


def _fill(environment: Environment, camp: Camp, plan: Plan) -> None:
    if not camp.filling:
        return
    # What is not shared is filled by each.
    parts = 1 if camp.contender is NO_REDIS else PROCESSES
    share = plan.load_users // parts
    for number, child in enumerate(camp.children):
        first = environment.first_id + number % parts * share
        child.send(camp.filling, first=first, count=share)
    for child in camp.children:
        child.receive()


def _run(
    environment: Environment, camp: Camp, plan: Plan, seconds: float, *, seed: int
) -> dict[str, float]:
    for number, child in enumerate(camp.children):
        child.send(
            "make_load",
            lookup=camp.lookup,
            first_id=environment.first_id,
            users=plan.load_users,
            exponent=EXPONENT,
            write_share=WRITE_SHARE,
            ledger=camp.ledger,
            process=number,
            threads=THREADS,
            seconds=seconds,
            seed=seed * PROCESSES + number,
        )
    answers = [child.receive() for child in camp.children]
    return {name: sum(answer[name] for answer in answers) for name in answers[0]}


def _conclude(camps: list[Camp], plan: Plan) -> Outcome:
    panel, verdicts = Panel("Under load"), []
    for camp in sorted(camps, key=lambda camp: not camp.contender.is_ours):
        label, rounds = camp.contender.label, camp.rounds
        queries = [r["read_queries"] / r["reads"] * PER_THOUSAND for r in rounds]
        panel.add(label, "queries per 1,000 requests", queries)
        panel.add(
            label, "stale per million", [r["stale"] / r["reads"] * PER_MILLION for r in rounds]
        )
        panel.add(label, "requests/s", [_rate(r) for r in rounds])
        panel.add(label, "statements per write", [r["write_queries"] / r["writes"] for r in rounds])
        if camp.contender.is_ours:
            target = QUERIES_WITHOUT_REDIS if camp.contender is NO_REDIS else QUERIES
            verdicts.append(Verdict(target, label, tuple(queries)))
    with_redis, without = (
        [_rate(r) for camp in camps if camp.contender is each for r in camp.rounds]
        for each in (L1, NO_REDIS)
    )
    ratios = tuple(own / other for own, other in zip(without, with_redis, strict=True))
    verdicts.append(Verdict(WITHOUT_REDIS, "", ratios))
    return Outcome("load", "Under load", [panel], verdicts, _remark(camps, plan))


def _rate(counts: dict[str, float]) -> float:
    # The seconds are the sum of all processes'.
    return counts["reads"] / counts["seconds"] * PROCESSES


def _remark(camps: list[Camp], plan: Plan) -> str:
    seen = [
        f"{camp.contender.label} {sum(r['stale'] for r in camp.rounds):,.0f} of "
        f"{sum(r['reads'] for r in camp.rounds):,.0f}"
        for camp in camps
    ]
    expiries = [
        f"{_expiries(plan.load_users, rate):.0f} per 1,000 at {rate:,} requests/s"
        for rate in SHOWN_RATES
    ]
    return REMARKS.format(
        processes=PROCESSES,
        threads=THREADS,
        users=plan.load_users,
        writes=WRITE_SHARE,
        seen="; ".join(seen),
        warm_seconds=plan.load_warm_seconds,
        ttl=TTL_SECONDS,
        expiries=" and ".join(expiries),
    )


def _expiries(users: int, rate: int) -> float:
    return expiries_per_thousand(users, EXPONENT, requests_per_second=rate, ttl_seconds=TTL_SECONDS)
