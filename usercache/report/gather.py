"""Ask Redis, the outbox and this process for what a snapshot tells."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from django.db import Error as AnyDatabaseError

from usercache.breaker import Breaker
from usercache.figures.slices import HOUR_SECONDS, Slice
from usercache.keys import record_key
from usercache.outbox import Backlog, get_backlog
from usercache.process import get_store
from usercache.report.confidence import bound_consistency
from usercache.report.snapshot import (
    MILLISECONDS,
    AuditState,
    BreakerState,
    Latency,
    OutboxState,
    Snapshot,
    TopUser,
)
from usercache.report.status import Signs, judge
from usercache.report.window import Counted, count, describe_series
from usercache.stats import (
    AUDIT_CHECKED,
    AUDIT_EXPLAINED,
    AUDIT_MISMATCHED,
    AUDIT_UNDECIDED,
    AUDIT_WORST_MS,
    COUNTERS,
    ERRORS_PREFIX,
    MISS,
    MISSES,
    Stats,
)

DEFAULT_WINDOW_SECONDS: Final = HOUR_SECONDS
TOP_USERS: Final = 10


def take_snapshot(
    window_seconds: float = DEFAULT_WINDOW_SECONDS,
    top: int = TOP_USERS,
    clock: Callable[[], float] = time.time,
    get_backlog: Callable[[], Backlog] = get_backlog,
) -> Snapshot:
    """Return the figures of a window, a minute to two days, and the state of this moment.

    One query, and four round trips to Redis and one more for each half hour of minutes (or 30
    hours) that was not read in the last minute: seven for the last hour, then five. A Redis or a
    database that hangs costs its timeout once. `get_backlog` asks about the outbox.

    Raises:
        ValueError: the window is shorter or longer than what is kept.
    """
    store, now = get_store(), clock()
    counted = count(store, window_seconds, now)
    whole, reading = counted.whole, counted.reading
    breaker = _describe_breaker(None if store.shared is None else store.shared.breaker)
    outbox = _describe_outbox(get_backlog, store.stats)
    redis = None if reading is None else reading.redis
    processes = () if reading is None else tuple(reading.processes)
    status, reasons = judge(
        Signs(
            has_shared_tier=store.shared is not None,
            redis=redis,
            breaker=breaker.state,
            outbox_waiting=outbox.waiting,
            outbox_oldest_seconds=outbox.oldest_seconds,
            mismatched=whole.counts[AUDIT_MISMATCHED],
            processes=processes,
            counts=whole.counts,
        )
    )
    return Snapshot(
        taken_at=now,
        status=status,
        reasons=reasons,
        backend="local" if store.shared is None else store.shared.name,
        is_partial=reading is None,
        window_seconds=window_seconds,
        since=float(counted.window.starts[0]),
        counts=dict(whole.counts),
        hits_by_tier={r: whole.counts[name] for r, name in COUNTERS.items() if r != MISS},
        misses=whole.counts[MISSES],
        latencies=_describe_latencies(whole),
        top_users=_find_top(whole, top),
        redis=redis,
        breaker=breaker,
        outbox=outbox,
        audit=_describe_audit(store.audit.share if store.audit else 0.0, counted),
        processes=processes,
        series=tuple(describe_series(counted, now)),
        totals=counted.totals,
        delivered=counted.delivered,
    )


def _describe_latencies(whole: Slice) -> dict[str, Latency]:
    by_result = dict(whole.latencies)
    hits = [histogram for result, histogram in by_result.items() if result != MISS]
    named = {name: [by_result[name]] if name in by_result else [] for name in COUNTERS}
    named |= {"hit": hits, "overall": list(by_result.values())}
    return {name: Latency.of_all(histograms) for name, histograms in named.items()}


def _describe_audit(share: float, counted: Counted) -> AuditState:
    counts, ever = counted.whole.counts, counted.totals.counts
    return AuditState(
        share=share,
        checked=counts[AUDIT_CHECKED],
        mismatched=counts[AUDIT_MISMATCHED],
        explained=counts[AUDIT_EXPLAINED],
        undecided=counts[AUDIT_UNDECIDED],
        worst_age_seconds=counted.whole.maxima.get(AUDIT_WORST_MS, 0) / MILLISECONDS,
        checked_ever=ever[AUDIT_CHECKED],
        mismatched_ever=ever[AUDIT_MISMATCHED],
        consistency=bound_consistency(ever[AUDIT_CHECKED], ever[AUDIT_MISMATCHED]),
    )


def _find_top(whole: Slice, limit: int) -> tuple[TopUser, ...]:
    hits = Counter(whole.ranking.at_least())
    return tuple(TopUser(record_key(pk), times) for pk, times in hits.most_common(limit))


def _describe_breaker(breaker: Breaker | None) -> BreakerState:
    if breaker is None:
        return BreakerState("none", 0.0)
    return BreakerState(breaker.state, breaker.seconds_to_probe)


def _describe_outbox(get_backlog: Callable[[], Backlog], stats: Stats) -> OutboxState:
    try:
        return OutboxState(*get_backlog())
    except AnyDatabaseError as error:
        stats.count(ERRORS_PREFIX + type(error).__name__)
        return OutboxState(None, 0.0)
