"""What more users, and more processes, do to size and speed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.child import Child
from benchmarks.contenders import L1, REDIS_ALONE
from benchmarks.environment import Environment
from benchmarks.outcome import Outcome, Panel
from benchmarks.parts.crowd import measure_crowd
from benchmarks.parts.warming import warm_up
from benchmarks.plan import Plan
from benchmarks.targets import REDIS_BYTES, Verdict

STATEMENT: Final = "/proc/{pid}/statm"
PAGE_BYTES: Final = 4096
FIELDS, KEY_AND_ENTRY, ALL = "their own fields", "key and entry (MEMORY USAGE)", "all of Redis"
IN_PROCESS: Final = "each process (RSS)"
SHARED, L1_BY = "usercache, Redis", "usercache, process memory"
REMARKS: Final = """
- A user's own fields are the cached columns: text in UTF-8, numbers and times as 8 bytes, truth
  as 1. Beside them Redis keeps a key, a signature, a time to live and its own tables. *All of
  Redis* is what `used_memory` went up by.
- A process that holds all users has `USERCACHE_L1_MAX_ENTRIES` as large as that; by default it is
  10,000. Its memory is measured on Linux alone.
- Processes that read at once share the machine's cores with Redis.
""".strip()


class Growth:
    """The measurements as they come in."""

    def __init__(self, environment: Environment, plan: Plan) -> None:
        """Have none yet."""
        self._ground = environment
        self._plan = plan
        self.sizes = Panel("Bytes per user")
        self.speed = Panel("One look-up, µs")
        self.verdicts: list[Verdict] = []

    def start_shared(self) -> Child:
        """Start a process without a client-side cache, on the same keys as those with one."""
        return self._ground.start(L1, **REDIS_ALONE)

    def measure(self, count: int) -> None:
        """Cache so many users, weigh them, and look them up."""
        environment, column = self._ground, f"{count:,} users"
        with self.start_shared() as shared:
            # What Redis takes with the first user, and never again, is nobody's.
            shared.ask("fill", first=environment.first_id, count=1)
            environment.flush_redis()
            empty = self._used_bytes()
            means = shared.ask("fill", first=environment.first_id, count=count)
            used = (self._used_bytes() - empty) / count
            self.sizes.add(FIELDS, column, [means["own"]])
            self.sizes.add(KEY_AND_ENTRY, column, [means["key_and_entry"]])
            self.sizes.add(ALL, column, [used])
            self.verdicts.append(Verdict(REDIS_BYTES, column, (used / means["own"],)))
            self._time(shared, SHARED, count)
        if Path(STATEMENT.format(pid="self")).exists():
            self._measure_l1(count)

    def _measure_l1(self, count: int) -> None:
        first = self._ground.first_id
        with self._ground.start(L1, USERCACHE_L1_MAX_ENTRIES=str(count)) as l1:
            l1.ask("look_up_all", first=first, count=1)
            empty = _resident_bytes(l1)
            warm_up(self._ground, lambda: int(l1.ask("look_up_all", first=first, count=count)))
            used = (_resident_bytes(l1) - empty) / count
            self.sizes.add(IN_PROCESS, f"{count:,} users", [used])
            self._time(l1, L1_BY, count)

    def _time(self, child: Child, label: str, count: int) -> None:
        known: dict[str, Any] = {"lookup": "usercache", "first": self._ground.first_id}
        seconds = self._plan.growth_seconds
        times = [
            child.ask("time_lookups", **known, count=count, seconds=seconds)
            for _ in range(self._plan.growth_rounds)
        ]
        self.speed.add(label, f"{count:,} users", times)

    def _used_bytes(self) -> int:
        memory: dict[str, Any] = self._ground.redis.info("memory")
        return int(memory["used_memory"]) - int(memory["mem_clients_normal"])


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Measure each size, then each number of processes."""
    growth = Growth(environment, plan)
    for count in plan.sizes:
        growth.measure(count)
    environment.flush_redis()
    backends: dict[str, Callable[[], Child]] = {
        L1_BY: lambda: environment.start(L1),
        SHARED: growth.start_shared,
    }
    crowd = measure_crowd(environment, plan, backends)
    return Outcome(
        "growth",
        "More users, more processes",
        [growth.sizes, growth.speed, crowd],
        growth.verdicts,
        REMARKS,
    )


def _resident_bytes(child: Child) -> int:
    statement = Path(STATEMENT.format(pid=child.pid)).read_text()
    return int(statement.split()[1]) * PAGE_BYTES
