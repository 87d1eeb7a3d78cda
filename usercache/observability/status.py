"""When the cache is healthy, degraded or down, and the words for it."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final

from redis.exceptions import NoPermissionError

from usercache import events
from usercache.management.redis_doctor import EVICTS_MARKERS, GOOD_POLICY, evicts_markers
from usercache.observability import metrics
from usercache.observability.metrics.state import ProcessState, RedisState

if TYPE_CHECKING:
    from usercache.observability.snapshot import OutboxState, Snapshot

OUTBOX_LATE_SECONDS: Final = 10.0  # the relay and the writers themselves need two
PROCESS_LATE_SECONDS: Final = 20.0  # since the last report of a process, which makes one every five
MEMORY_FULL: Final = 0.9  # the part of Redis' memory from which on an operator should know
SLOW_MS: Final = 10.0  # for one GET: about what the database itself would take
NO_REDIS: Final = "none"  # the state of the breaker where no Redis is configured
NO_PERMISSION: Final = events.ERRORS_PREFIX + NoPermissionError.__name__
WELL: Final = ("closed", "probing", "")  # states of a breaker that are no reason to worry
NO_EVICTION: Final = "noeviction"


AWAY: Final = "Redis can't be used: users come from process memory and the database."
REFUSED: Final = (
    "Redis refuses the metrics, not the look-ups: give its ACL user the commands that "
    "docs/redis.md lists."
)
FULL: Final = (
    "Redis' memory is {:.0%} full, and its policy is noeviction: soon it refuses to cache users. "
    f"Raise maxmemory, or set maxmemory-policy to {GOOD_POLICY}."
)
UNSAFE: Final = (
    f"Redis {EVICTS_MARKERS}: set maxmemory-policy to {GOOD_POLICY}. See docs/caveats.md."
)
MISMATCHED: Final = (
    "Hits that were not what the database had: {:,}. The log names them, docs/caveats.md the known "
    "ways."
)
FORGED: Final = (
    "Records that were not signed with our key: {:,}. Another client writes to this Redis, or "
    "processes have different USERCACHE_SIGNING_KEYs."
)
FOREIGN: Final = (
    "Metrics in Redis that aren't ours and are left out: {:,}. Another client writes to "
    "usercache:{{metrics}}:*, or a process of another version runs."
)
SWITCHED_OFF: Final = (
    "The cache is switched off, and each look-up is a query: manage.py usercache on."
)
UNEXPECTED: Final = "Unexpected errors of background threads: {:,}. The log has them."
UNTIMED: Final = "Look-ups that came too fast to note their latency and user: {:,}."


class Status(Enum):
    """How the cache is; users are served in any case, as long as the database answers."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"  # in use, but an operator should look at something
    DOWN = "down"  # Redis can't be used: users come from process memory and the database

    @property
    def exit_code(self) -> int:
        """Return what a command exits with: 0, 1 or 2."""
        return list(Status).index(self)


def judge(snapshot: "Snapshot") -> tuple[Status, tuple[str, ...]]:
    """Return the status and its reasons, worst first."""
    redis, counts, foreign = snapshot.redis, snapshot.counts, snapshot.foreign_metrics
    reasons = (
        *_check_counts(counts, {metrics.AUDIT_MISMATCHED: MISMATCHED}),
        *check_outbox(snapshot.outbox),
        *([] if snapshot.served_percent or snapshot.audit.shadow_share else [SWITCHED_OFF]),
        *_check_processes(snapshot.processes),
        *_check_counts(counts, {events.UNREADABLE_PREFIX + "signature": FORGED}),
        *([FOREIGN.format(foreign)] if foreign else ()),
        *(_check_redis(redis) if redis is not None else ()),
        *_check_counts(counts, {events.UNEXPECTED_PREFIX: UNEXPECTED, metrics.UNTIMED: UNTIMED}),
    )
    if redis is not None or snapshot.breaker.state == NO_REDIS:
        return (Status.DEGRADED if reasons else Status.HEALTHY), reasons
    if snapshot.breaker.state == "closed" and NO_PERMISSION in counts:
        return Status.DEGRADED, (REFUSED, *reasons)
    return Status.DOWN, (AWAY, *reasons)


def check_outbox(outbox: "OutboxState") -> Iterator[str]:
    """Yield what is wrong with the outbox."""
    if outbox.waiting is None:
        yield "The database can't be asked, so only cached users are served."
    elif outbox.waiting and outbox.oldest_seconds > OUTBOX_LATE_SECONDS:
        yield (
            f"Invalidations that wait in the outbox: {outbox.waiting:,}, the oldest for "
            f"{outbox.oldest_seconds:.0f} s. See that manage.py cache_relay runs."
        )


def _check_counts(counts: Mapping[str, int], reasons: Mapping[str, str]) -> Iterator[str]:
    for prefix, reason in reasons.items():
        if found := sum(count for name, count in counts.items() if name.startswith(prefix)):
            yield reason.format(found)


def _check_processes(processes: Iterable[ProcessState]) -> Iterator[str]:
    for state in processes:
        name, seen = f"{state.name} on {state.host}", state.seen_seconds
        if state.breaker not in WELL:
            yield f"{name} does without Redis (its breaker is {state.breaker})."
        elif seen > PROCESS_LATE_SECONDS:
            yield f"{name} was last heard of {seen:.0f} s ago: dead, or cut off from Redis."


def _check_redis(redis: RedisState) -> Iterator[str]:
    limit, policy = redis.memory_limit, redis.policy
    if redis.latency_ms > SLOW_MS:
        yield f"Redis took {redis.latency_ms:.0f} ms for one GET."
    if limit and redis.memory_used > MEMORY_FULL * limit and policy == NO_EVICTION:
        yield FULL.format(redis.memory_used / limit)
    if evicts_markers(policy, limit):
        yield UNSAFE.format(policy)
