"""Plays one scenario on the fleet: the load, the faults, the recovery."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from random import Random

from tests.fleet.closer import Closer, KeyRevoker, SessionEnder
from tests.fleet.fleet import Fleet
from tests.fleet.granter import BackgroundGranter, OutsideGranter, PermissionReader
from tests.fleet.metrics import HitRate
from tests.fleet.openings import Openings
from tests.fleet.outsider import Outsider
from tests.fleet.reader import Reader
from tests.fleet.recovery import wait_until_recovered
from tests.fleet.result import Result
from tests.fleet.run_state import RunState
from tests.fleet.scenarios import Scenario
from tests.fleet.tally import Tally
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker
from tests.fleet.writer import BackgroundWriter, Owner

READERS = 3
PERMISSION_READERS = 2
WRITERS = 3
AFTER_SHARE = 0.3
"""How much of its time a scenario goes on after the recovery, at least."""
POLL_SECONDS = 0.01


def play(fleet: Fleet, scenario: Scenario, *, seconds: float, seed: int, reads: int = 0) -> Result:
    """Play a scenario in about so many seconds, longer until there were that many reads.

    The same seed makes every visitor choose the same users and servers, in the same order; whose
    turn it is remains the machine's choice.
    Raises: AssertionError where a server did not recover in time.
    """
    state = RunState(fleet, Random(seed))
    for instance in fleet.instances:
        instance.is_cut_off = False
    fleet.flush()
    own, openings = Visitor(state, state.random), Openings(state)
    # What a process writes before it uses Redis, others hear of from the relay.
    wait_until_recovered(own)
    workers = _hire(state, scenario)
    began = time.monotonic()
    recovery_seconds: float | None = None
    with ThreadPoolExecutor(len(workers)) as pool, closing(own):
        work = [pool.submit(worker.run) for worker in workers]
        try:
            wait_until_recovered(own)
            began, state.is_warm = time.monotonic(), True
            for step in scenario.steps:
                _wait(work, partial(_is_past, began + step.at * seconds))
                openings.look()
                state.is_disturbed = True
                step.do(state)
            if scenario.steps:
                last_step_at = time.monotonic()
                wait_until_recovered(own)
                recovery_seconds = time.monotonic() - last_step_at
                openings.look()
                state.is_disturbed = state.is_redis_away = state.is_database_away = False
            end = max(began + seconds, time.monotonic() + AFTER_SHARE * seconds)
            _wait(work, lambda: _is_past(end) and _count_reads(workers) >= reads)
        finally:
            state.ended.set()
            openings.look()
            fleet.heal()
        for future in work:
            future.result()
    tally = Tally.total([own.tally, *(worker.tally for worker in workers)])
    return Result(
        scenario.name,
        tally,
        seconds=time.monotonic() - began,
        recovery_seconds=recovery_seconds,
        unexplained_openings=openings.unexplained,
    )


def _hire(state: RunState[Fleet], scenario: Scenario) -> list[Worker]:
    def visitor() -> Visitor:
        return Visitor(state, Random(state.random.getrandbits(64)))

    busy = state.fleet.busy
    return [
        *(Reader(visitor()) for _ in range(READERS)),
        *(Owner(visitor(), busy[n::WRITERS]) for n in range(1, WRITERS)),
        BackgroundWriter(visitor(), busy[::WRITERS]),
        *(PermissionReader(visitor()) for _ in range(PERMISSION_READERS)),
        BackgroundGranter(visitor(), state.fleet.members),
        OutsideGranter(visitor(), state.fleet.raw_members),
        *(ender(visitor()) for ender in (Closer, SessionEnder, KeyRevoker)),
        Outsider(visitor()),
        HitRate(visitor()),
        *(hire(visitor()) for hire in scenario.workers),
    ]


def _is_past(seconds: float) -> bool:
    return time.monotonic() >= seconds


def _count_reads(workers: Sequence[Worker]) -> int:
    tally = Tally.total(worker.tally for worker in workers)
    return min(tally.reads, tally.permission_reads)


def _wait(work: Sequence["Future[None]"], is_over: Callable[[], bool]) -> None:
    # Until the scenario's next step; at once if a worker has failed.
    while not is_over() and not any(future.done() for future in work):
        time.sleep(POLL_SECONDS)
