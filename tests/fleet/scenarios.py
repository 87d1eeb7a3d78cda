"""The scenarios: what happens when, and what is promised while it does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.fleet import faults, rotation
from tests.fleet.promise import Promise
from tests.fleet.renewer import Renewer
from tests.fleet.run_state import RunState
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker

RELAY_SECONDS = 1.0
"""What the relay takes at most to tell the others of a change that Redis did not hear of."""

CONNECTION_LAG_SECONDS = 0.05
"""How much later than a writer's response a message may reach one process over a connection that is
slower than the writer's: the client-side cache doesn't wait for it. See docs/caveats.md."""

REPORT_SECONDS = 0.25
"""How much later than a writer's response PostgreSQL's message may reach a process without Redis,
however busy its machine is."""

NOTHING_STALE = Promise()
CONNECTIONS_LAG = Promise(stale_seconds=CONNECTION_LAG_SECONDS)
RELAY_TELLS_OTHERS = Promise(stale_seconds=RELAY_SECONDS, cut_off_stale_seconds=REPORT_SECONDS)
PROCESSES_TELL_EACH_OTHER = Promise(cut_off_stale_seconds=REPORT_SECONDS)
POSTGRESQL_TELLS_OTHERS = Promise(undisturbed_stale_seconds=REPORT_SECONDS)
# It pauses for seconds between tries.
RELAY_RECONNECTS = Promise(visible_seconds=5.0)
OFTEN_PERMILLE = 5
"""Of a scenario's time between two faults that happen often."""


class Step(NamedTuple):
    """Something that happens at a share of the scenario's time, 0 to 1."""

    at: float
    do: Callable[[RunState[Any]], None]


@dataclass(frozen=True)
class Scenario:
    """A story under load: after its last step the servers recover, and the load goes on."""

    name: str
    steps: tuple[Step, ...] = ()
    promise: Promise = NOTHING_STALE
    has_redis: bool = True
    """Whether there is a Redis at all."""
    workers: tuple[Callable[[Visitor], Worker], ...] = ()
    """What is at work besides those of every scenario."""

    def format_command(self, seconds: float, seed: int) -> str:
        """Return what plays this scenario once more."""
        options = f"--scenario '{self.name}' --seconds {seconds:g} --seed {seed}"
        return f"python -m tests.play {options}"


def _often(fault: Callable[[RunState[Any]], None]) -> tuple[Step, ...]:
    # From a fifth of the time to four fifths, so that somebody is always about to fill.
    return tuple(Step(permille / 1000, fault) for permille in range(200, 800, OFTEN_PERMILLE))


SCENARIOS = (
    Scenario("calm"),
    Scenario(
        "Redis killed and restarted",
        (Step(0.2, faults.kill_redis), Step(0.5, faults.start_redis)),
        RELAY_TELLS_OTHERS,
    ),
    Scenario(
        "Redis hung and resumed",
        (Step(0.2, faults.hang_redis), Step(0.5, faults.resume_redis)),
        RELAY_TELLS_OTHERS,
    ),
    Scenario(
        "Redis hung, no relay",
        (
            Step(0.1, faults.stop_relay),
            Step(0.2, faults.hang_redis),
            Step(0.5, faults.resume_redis),
        ),
        PROCESSES_TELL_EACH_OTHER,
    ),
    Scenario("Redis flushed", _often(faults.flush_redis)),
    Scenario(
        "one server cut off",
        (Step(0.2, faults.cut_one_off), Step(0.5, faults.restore_connections)),
        RELAY_TELLS_OTHERS,
    ),
    Scenario(
        "memory full",
        (
            Step(0.1, faults.limit_memory),
            *_often(faults.fill_memory),
            Step(0.9, faults.unlimit_memory),
        ),
    ),
    Scenario(
        "slow network",
        (Step(0.2, faults.slow_network), Step(0.8, faults.restore_connections)),
        CONNECTIONS_LAG,
    ),
    Scenario(
        "web process killed",
        (Step(0.2, faults.kill_web_process), Step(0.5, faults.kill_web_process)),
    ),
    Scenario(
        "client tracking refused",
        (Step(0.1, faults.refuse_tracking), Step(0.5, faults.kill_web_process)),
    ),
    Scenario(
        "PostgreSQL restarted",
        (Step(0.2, faults.stop_postgresql), Step(0.4, faults.start_postgresql)),
        RELAY_RECONNECTS,
    ),
    Scenario(
        "PostgreSQL hung",
        (Step(0.2, faults.hang_postgresql), Step(0.6, faults.resume_postgresql)),
        RELAY_RECONNECTS,
    ),
    Scenario(
        "PostgreSQL read-only",
        (Step(0.2, faults.forbid_writes), Step(0.5, faults.allow_writes)),
        RELAY_RECONNECTS,
    ),
    Scenario("rolling restart", (Step(0.2, faults.restart_web_servers),)),
    Scenario(
        "rolling key rotation",
        (
            Step(0.1, rotation.announce_new_keys),
            Step(0.4, rotation.sign_with_new_keys),
            Step(0.7, rotation.drop_old_keys),
            Step(0.9, rotation.see_no_forgery),
        ),
        workers=(Renewer,),
    ),
    Scenario("no Redis at all", promise=POSTGRESQL_TELLS_OTHERS, has_redis=False),
)
