"""Ask Redis, the outbox and this process for what a snapshot tells."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from django.db import Error as AnyDatabaseError

from usercache.figures.histogram import Histogram
from usercache.figures.slices import (
    HOUR_SECONDS,
    HOURS_KEPT_SECONDS,
    MINUTE_SECONDS,
    MINUTES_KEPT_SECONDS,
    Slice,
    add_up,
    start_of,
)
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
    Point,
    Snapshot,
    TopUser,
)
from usercache.report.status import Signs, judge
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
)
from usercache.store import Store
from usercache.totals import Reading, Totals

SHORTEST_WINDOW_SECONDS: Final = MINUTE_SECONDS
LONGEST_WINDOW_SECONDS: Final = HOURS_KEPT_SECONDS
DEFAULT_WINDOW_SECONDS: Final = HOUR_SECONDS
TOP_USERS: Final = 10


class Window(NamedTuple):
    """A span of time up to now, cut into minutes or, where those aren't kept, hours."""

    starts: Sequence[int]
    span_seconds: int

    @classmethod
    def of(cls, seconds: float, now: float) -> "Window":
        """Cover so many seconds at least."""
        span = MINUTE_SECONDS if seconds <= MINUTES_KEPT_SECONDS else HOUR_SECONDS
        return cls(range(start_of(now - seconds, span), int(now) + 1, span), span)


def take_snapshot(
    window_seconds: float = DEFAULT_WINDOW_SECONDS,
    top: int = TOP_USERS,
    clock: Callable[[], float] = time.time,
) -> Snapshot:
    """Return the figures of a window, a minute to two days, and the state of this moment.

    One query, and four round trips to Redis and one more for each half hour of minutes (or 30
    hours) that was not read in the last minute: seven for the last hour, then five. A Redis or a
    database that hangs costs its timeout once.

    Raises:
        ValueError: the window is shorter or longer than what is kept.
    """
    if not SHORTEST_WINDOW_SECONDS <= window_seconds <= LONGEST_WINDOW_SECONDS:
        raise ValueError(
            f"The window must be {SHORTEST_WINDOW_SECONDS} to {LONGEST_WINDOW_SECONDS} seconds."
        )
    store, now = get_store(), clock()
    window = Window.of(window_seconds, now)
    reading = _read(store, window)
    slices, totals = _add_own(store, window, reading)
    whole = add_up(slices.values())
    backlog = _get_backlog(store)
    breaker = store.shared.breaker if store.shared is not None else None
    outbox = OutboxState(
        waiting=backlog.waiting if backlog else None,
        oldest_seconds=backlog.oldest_seconds if backlog else 0.0,
    )
    processes = tuple(reading.processes) if reading else ()
    status, reasons = judge(
        Signs(
            has_shared_tier=store.shared is not None,
            redis=reading.redis if reading else None,
            breaker=breaker.state if breaker else "",
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
        since=float(window.starts[0]),
        counts=dict(whole.counts),
        hits_by_tier={r: whole.counts[name] for r, name in COUNTERS.items() if r != MISS},
        misses=whole.counts[MISSES],
        latencies=_describe_latencies(whole),
        top_users=_find_top(whole, top),
        redis=reading.redis if reading else None,
        breaker=BreakerState(
            state=breaker.state if breaker else "none",
            seconds_to_probe=breaker.seconds_to_probe if breaker else 0.0,
        ),
        outbox=outbox,
        audit=_describe_audit(store, whole, totals),
        processes=processes,
        series=tuple(_describe_series(window, slices, now)),
        totals=totals,
    )


def _read(store: Store, window: Window) -> Reading | None:
    if store.shared is None:
        return None
    by_minutes = window.span_seconds == MINUTE_SECONDS
    return Totals(store.shared).read(
        minutes=window.starts if by_minutes else (),
        hours=() if by_minutes else window.starts,
    )


def _add_own(
    store: Store, window: Window, reading: Reading | None
) -> tuple[dict[int, Slice], Slice]:
    # What this process has not delivered yet; all there is, where nobody takes it.
    slices, totals = dict[int, Slice](), Slice()
    if reading is not None:
        by_minutes = window.span_seconds == MINUTE_SECONDS
        slices, totals = (reading.minutes if by_minutes else reading.hours), reading.totals
    for start, part in store.stats.read().items():
        totals.add(part)
        in_window = start_of(start, window.span_seconds)
        if in_window in window.starts:
            slices[in_window] = add_up([slices.get(in_window, Slice()), part])
    return slices, totals


def _describe_latencies(whole: Slice) -> dict[str, Latency]:
    by_result = dict(whole.latencies)
    hits = [histogram for result, histogram in by_result.items() if result != MISS]
    named = {result: by_result.get(result, Histogram()) for result in COUNTERS}
    named |= {"hit": _sum(hits), "overall": _sum(by_result.values())}
    return {name: Latency.of(histogram) for name, histogram in named.items()}


def _describe_series(window: Window, slices: Mapping[int, Slice], now: float) -> Iterable[Point]:
    for start in window.starts:
        part = slices.get(start, Slice())
        by_result = {result: part.counts[name] for result, name in COUNTERS.items()}
        yield Point(
            start=start,
            seconds=max(1.0, min(float(window.span_seconds), now - start)),
            lookups=sum(by_result.values()),
            hits=sum(by_result.values()) - by_result[MISS],
            latency=Latency.of(_sum(part.latencies.values())),
        )


def _describe_audit(store: Store, whole: Slice, totals: Slice) -> AuditState:
    checked, mismatched = totals.counts[AUDIT_CHECKED], totals.counts[AUDIT_MISMATCHED]
    return AuditState(
        share=store.audit.share if store.audit else 0.0,
        checked=whole.counts[AUDIT_CHECKED],
        mismatched=whole.counts[AUDIT_MISMATCHED],
        explained=whole.counts[AUDIT_EXPLAINED],
        undecided=whole.counts[AUDIT_UNDECIDED],
        worst_age_seconds=whole.maxima.get(AUDIT_WORST_MS, 0) / MILLISECONDS,
        checked_ever=checked,
        mismatched_ever=mismatched,
        consistency=bound_consistency(checked, mismatched),
    )


def _find_top(whole: Slice, limit: int) -> tuple[TopUser, ...]:
    hits = Counter(whole.ranking.at_least())
    return tuple(TopUser(record_key(pk), count) for pk, count in hits.most_common(limit))


def _sum(histograms: Iterable[Histogram]) -> Histogram:
    total = Histogram()
    for histogram in histograms:
        total.add(histogram)
    return total


def _get_backlog(store: Store) -> Backlog | None:
    try:
        return get_backlog()
    except AnyDatabaseError as error:
        store.stats.count(ERRORS_PREFIX + type(error).__name__)
        return None
