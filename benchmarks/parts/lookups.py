"""One look-up within a process, beside everything else that one could do instead."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from benchmarks.child import Child
from benchmarks.contenders import CACHALOT, CACHEOPS, DATABASE, L1, PICKLED, REDIS, Contender
from benchmarks.environment import Environment
from benchmarks.measurement import shuffled
from benchmarks.outcome import Outcome, Panel
from benchmarks.parts.warming import warm_up
from benchmarks.plan import Plan
from benchmarks.targets import L1_LOOKUP, REDIS_LOOKUP, Verdict

USERS: Final = 200
"""The users that are looked up again and again, in random order."""
COLUMN: Final = "µs"


@dataclass(frozen=True)
class Way:
    """One way to a user: whose process, and which of its look-ups."""

    label: str
    contender: Contender
    lookup: str


WAYS: Final = (
    Way("usercache, process memory", L1, "usercache"),
    Way("LocMemCache.get of the record", L1, "locmem"),
    Way("redis-py GET", REDIS, "bare"),
    Way("usercache, Redis", REDIS, "usercache"),
    Way("django-redis cache.get of the record", REDIS, "cache"),
    Way("pickled users in cache.get", PICKLED, "pickled"),
    Way("cachalot", CACHALOT, "orm"),
    Way("cacheops", CACHEOPS, "orm"),
    Way("database (objects.get)", DATABASE, "orm"),
)
MISS: Final = "usercache, miss"
REMARKS: Final = """
- {users} users in random order, all warm but for the misses; one thread. All but `redis-py GET` and
  the `cache.get`s of a record return a `User`.
- The record is the cached columns as a tuple, pickled as Django's and django-redis' defaults have
  it. `redis-py GET` fetches usercache's own key over usercache's own pool.
- From process memory, {gets:.2f} GETs per look-up reached Redis.
""".strip()


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Time each way in turn, round by round."""
    environment.flush_redis()
    times: dict[str, list[float]] = {label: [] for label in (*(way.label for way in WAYS), MISS)}
    with ExitStack() as stack:
        children = {
            contender.label: stack.enter_context(environment.start(contender))
            for contender in dict.fromkeys(way.contender for way in WAYS)
        }
        gets = _prepare(environment, children)
        for number in range(plan.lookup_rounds):
            for way in shuffled(WAYS, number):
                times[way.label].append(_time(environment, children, way, plan))
            cold = environment.first_id + USERS + number * plan.misses
            times[MISS].append(
                children[L1.label].ask(
                    "time_each_once", lookup="usercache", first=cold, count=plan.misses
                )
            )
    return _conclude(times, gets)


def _prepare(environment: Environment, children: dict[str, Child]) -> float:
    known = {"first": environment.first_id, "count": USERS}
    for contender in (L1, REDIS):
        children[contender.label].ask("prepare", **known)
        children[contender.label].ask("look_up_each", lookup="usercache", **known)
    for way in WAYS:
        children[way.contender.label].ask("look_up_each", lookup=way.lookup, **known)

    def look_up() -> int:
        children[L1.label].ask("look_up_each", lookup="usercache", **known)
        return USERS

    return warm_up(environment, look_up)


def _time(environment: Environment, children: dict[str, Child], way: Way, plan: Plan) -> float:
    return float(
        children[way.contender.label].ask(
            "time_lookups",
            lookup=way.lookup,
            first=environment.first_id,
            count=USERS,
            seconds=plan.lookup_seconds,
        )
    )


def _conclude(times: dict[str, list[float]], gets: float) -> Outcome:
    panel = Panel("One look-up, µs")
    series = {label: panel.add(label, COLUMN, values) for label, values in times.items()}
    l1, locmem = series["usercache, process memory"], series["LocMemCache.get of the record"]
    shared, bare = series["usercache, Redis"], series["redis-py GET"]
    return Outcome(
        "lookups",
        "One look-up",
        [panel],
        [
            Verdict(L1_LOOKUP, "", l1.over(locmem)),
            Verdict(REDIS_LOOKUP, "", shared.over(bare)),
        ],
        REMARKS.format(users=USERS, gets=gets),
    )
