"""Several processes that look users up at once."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

from benchmarks.child import Child
from benchmarks.environment import Environment
from benchmarks.outcome import Panel
from benchmarks.plan import Plan

USERS: Final = 10_000
"""As many as the client-side cache holds by default."""
MICROSECONDS: Final = 1e6


def measure_crowd(
    environment: Environment, plan: Plan, backends: dict[str, Callable[[], Child]]
) -> Panel:
    """Let more and more processes read, backend by backend; `backends` start one of theirs."""
    panel = Panel("Look-ups/s of all processes at once")
    known = {"lookup": "usercache", "first": environment.first_id, "count": USERS}
    with ExitStack() as stack:
        children = {
            label: [stack.enter_context(start()) for _ in range(max(plan.readers))]
            for label, start in backends.items()
        }
        next(iter(children.values()))[0].ask("fill", first=environment.first_id, count=USERS)
        for crowd in children.values():
            for child in crowd:
                child.send("look_up_all", first=environment.first_id, count=USERS)
            for child in crowd:
                child.receive()
        for readers in plan.readers:
            rates: dict[str, list[float]] = {label: [] for label in backends}
            for _ in range(plan.growth_rounds):
                for label, crowd in children.items():
                    rates[label].append(_read(crowd[:readers], known, plan.growth_seconds))
            for label, values in rates.items():
                panel.add(label, f"{readers} process{'es' if readers > 1 else ''}", values)
    return panel


def _read(children: Sequence[Child], known: dict[str, object], seconds: float) -> float:
    for child in children:
        child.send("time_lookups", **known, seconds=seconds)
    return sum(MICROSECONDS / float(child.receive()) for child in children)
