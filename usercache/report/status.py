"""When the cache is healthy, degraded or down, and the words for it."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from redis.exceptions import NoPermissionError

from usercache.figures.processes import SeenProcess
from usercache.figures.redis_state import RedisState
from usercache.stats import ERRORS_PREFIX, UNREADABLE_PREFIX, UNTIMED

OUTBOX_LATE_SECONDS: Final = 10.0
"""The relay and the writers themselves need two."""
PROCESS_LATE_SECONDS: Final = 20.0
"""Since the last report of a process, which makes one every five."""
MEMORY_FULL: Final = 0.9
"""The part of Redis' memory from which on an operator should know."""
SLOW_MS: Final = 10.0
"""For one GET: about what the database itself would take."""
NO_PERMISSION: Final = ERRORS_PREFIX + NoPermissionError.__name__
WELL: Final = ("closed", "none", "")
"""States of a breaker that are no reason to worry."""
NO_EVICTION: Final = "noeviction"


class Status(Enum):
    """How the cache is; users are served in any case, as long as the database answers."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """In use, but an operator should look at something."""
    DOWN = "down"
    """Redis can't be used: users come from process memory and the database."""

    @property
    def exit_code(self) -> int:
        """Return what a command exits with: 0, 1 or 2."""
        return list(Status).index(self)


class Signs(NamedTuple):
    """What the status is told from."""

    has_shared_tier: bool
    redis: RedisState | None
    breaker: str
    outbox_waiting: int | None
    outbox_oldest_seconds: float
    mismatched: int
    processes: Sequence[SeenProcess]
    counts: Mapping[str, int]


def judge(signs: Signs) -> tuple[Status, tuple[str, ...]]:
    """Return the status and its reasons, worst first."""
    complaints = tuple(_find_complaints(signs))
    if signs.has_shared_tier and signs.redis is None:
        return _describe_absence(signs, complaints)
    return (Status.DEGRADED if complaints else Status.HEALTHY), complaints


def _describe_absence(signs: Signs, complaints: Sequence[str]) -> tuple[Status, tuple[str, ...]]:
    if signs.breaker == "closed" and NO_PERMISSION in signs.counts:
        refusal = (
            "Redis refuses the figures, not the look-ups: give its ACL user the commands that the "
            "README lists."
        )
        return Status.DEGRADED, (refusal, *complaints)
    absence = "Redis can't be used: users come from process memory and the database."
    return Status.DOWN, (absence, *complaints)


def _find_complaints(signs: Signs) -> Iterator[str]:
    if signs.mismatched:
        yield (
            f"Hits that were not what the database had: {signs.mismatched:,}. The log names them, "
            "CAVEATS.md the known ways."
        )
    yield from _check_outbox(signs)
    yield from _check_processes(signs.processes)
    if forged := signs.counts.get(UNREADABLE_PREFIX + "signature", 0):
        yield (
            f"Records that were not signed with our key: {forged:,}. Somebody else writes to this "
            "Redis, or processes have different USERCACHE_SIGNING_KEYs."
        )
    if signs.redis is not None:
        yield from _check_redis(signs.redis)
    if untimed := signs.counts.get(UNTIMED, 0):
        yield f"Look-ups that came too fast to note their latency and user: {untimed:,}."


def _check_outbox(signs: Signs) -> Iterator[str]:
    if signs.outbox_waiting is None:
        yield "The database can't be asked, so only cached users are served."
    elif signs.outbox_waiting and signs.outbox_oldest_seconds > OUTBOX_LATE_SECONDS:
        yield (
            f"Invalidations that wait in the outbox: {signs.outbox_waiting:,}, the oldest for "
            f"{signs.outbox_oldest_seconds:.0f} s. See that manage.py cache_relay runs."
        )


def _check_processes(processes: Sequence[SeenProcess]) -> Iterator[str]:
    for state, seen_seconds in processes:
        name = f"{state.kind} {state.pid} on {state.host}"
        if state.breaker not in WELL:
            yield f"{name} does without Redis (its breaker is {state.breaker})."
        elif seen_seconds > PROCESS_LATE_SECONDS:
            yield f"{name} was last heard of {seen_seconds:.0f} s ago: dead, or cut off from Redis."


def _check_redis(redis: RedisState) -> Iterator[str]:
    if redis.latency_ms > SLOW_MS:
        yield f"Redis took {redis.latency_ms:.0f} ms for one GET."
    limit = redis.memory_limit
    if limit and redis.memory_used > MEMORY_FULL * limit and redis.policy == NO_EVICTION:
        yield (
            f"Redis' memory is {redis.memory_used / limit:.0%} full, and its policy is noeviction: "
            "soon it refuses to cache anybody. Raise maxmemory, or set maxmemory-policy to "
            "volatile-ttl."
        )
