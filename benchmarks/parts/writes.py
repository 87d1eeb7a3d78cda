"""What a cache costs a save of a user."""

from contextlib import ExitStack
from typing import Final

from benchmarks.contenders import CACHALOT, CACHEOPS, DATABASE, L1, PICKLED, Contender
from benchmarks.environment import Environment
from benchmarks.measurement import shuffled
from benchmarks.outcome import Outcome, Panel
from benchmarks.plan import Plan

USERS: Final = 500
ALONE: Final = "no cache"
CONTENDERS: Final[dict[str, tuple[Contender, str]]] = {
    ALONE: (DATABASE, "orm"),
    L1.label: (L1, "usercache"),
    PICKLED.label: (PICKLED, "pickled"),
    CACHEOPS.label: (CACHEOPS, "orm"),
    CACHALOT.label: (CACHALOT, "orm"),
}
REMARKS: Final = """
- `user.save(update_fields=…)` in autocommit, {users} cached users in random order; loading the row
  is not counted.
- PostgreSQL writes nothing to disk here (`fsync=off`), so that the database's own part is smaller
  than in production, and the cache's share larger.
- usercache's part: the write marker in Redis, the trigger's row in the outbox, and the
  invalidation. A thread deletes the rows of many saves in one statement.
""".strip()


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Save users of each contender's in turn, round by round."""
    environment.flush_redis()
    times: dict[str, list[float]] = {label: [] for label in CONTENDERS}
    known = {"first": environment.first_id, "count": USERS}
    with ExitStack() as stack:
        children = {
            label: stack.enter_context(environment.start(contender))
            for label, (contender, _) in CONTENDERS.items()
        }
        for label, (_, lookup) in CONTENDERS.items():
            children[label].ask("look_up_each", lookup=lookup, **known)
            children[label].ask("time_writes", **known, seconds=plan.write_seconds, seed=0)
        for number in range(plan.write_rounds):
            for label in shuffled(children, number):
                child, seconds, seed = children[label], plan.write_seconds, number + 1
                times[label].append(child.ask("time_writes", **known, seconds=seconds, seed=seed))
    panel = Panel("One save, µs")
    for label, values in times.items():
        panel.add(label, "µs", values)
    return Outcome(
        "writes",
        "One save",
        [panel],
        remarks=REMARKS.format(users=USERS),
    )
