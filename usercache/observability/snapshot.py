"""One snapshot of the cache, for every page, command and endpoint that shows it.

Moments are seconds since 1970; durations say their unit. Pages compute nothing themselves.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Final

import msgspec
from django.db import Error as AnyDatabaseError

from usercache import events
from usercache.backends.base import UnavailableError
from usercache.clocks import MILLISECONDS
from usercache.keys import PROBE, record_key
from usercache.lookup import Store
from usercache.management.relay import Backlog, get_backlog
from usercache.management.units import parse_span
from usercache.observability import metrics
from usercache.observability.metrics.state import ProcessState, RedisState
from usercache.observability.metrics.store import UNREAD, MetricsStore, Reading
from usercache.observability.metrics.table import AUDITED, COUNTERS
from usercache.observability.metrics.time_buckets import Latency, TimeBucket, add_up, start_of
from usercache.observability.observers import observers_of
from usercache.observability.status import NO_REDIS, Status, check_outbox, judge
from usercache.runtime import get_store

SCHEMA_VERSION: Final = 1  # goes up when a field of the JSON goes away or changes its meaning
SHORTEST_WINDOW_SECONDS: Final = metrics.MINUTE_SECONDS
LONGEST_WINDOW_SECONDS: Final = metrics.HOURS_KEPT_SECONDS
TOP_USERS: Final = 10
SECOND_LOOK_SECONDS: Final = 0.5
"""How long a snapshot waits for the probe that follows a failure; it takes a timeout at most."""
ONE_SIDED_95: Final = 1.6449  # the 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Point:
    """One minute of the window; an hour, where it is longer than two."""

    start: int
    seconds: float  # how long it has lasted: 60, or less in the minute that is not over
    lookups: int
    hits: int
    latency: Latency  # of all look-ups

    @property
    def hit_rate(self) -> float | None:
        """Return hits by look-ups, 0 to 1; None without look-ups."""
        return self.hits / self.lookups if self.lookups else None


@dataclass(frozen=True)
class TopUser:
    """A user with many hits."""

    key: str  # as in `user:id:42`
    hits: int  # at least so many


@dataclass(frozen=True)
class BreakerState:
    """Whether this process uses Redis."""

    state: str  # closed (in use), open, probing; none where there is no Redis
    seconds_to_probe: float


NO_BREAKER: Final = BreakerState(NO_REDIS, 0.0)


@dataclass(frozen=True)
class OutboxState:
    """Invalidations that Redis has not heard of yet."""

    waiting: int | None  # None while the database can't be asked
    oldest_seconds: float


@dataclass(frozen=True)
class AuditState:
    """Hits that were compared with the database a moment later. See Note [The audit]."""

    share: float  # the part of all hits that is compared
    checked: int
    mismatched: int
    explained: int  # of those checked: a write came in between
    undecided: int  # not among those checked: Redis or the database could not be asked
    worst_age_seconds: float  # the largest age of a mismatch, which can't have been stale longer
    checked_ever: int
    mismatched_ever: int
    shadow_share: float  # of the look-ups of users kept out of the cache; see Note [Shadow mode]
    shadow_hits: int  # of these: the cache would have answered
    shadow_misses: int
    consistency: float | None
    """The part of all hits ever that is true, with 95 % confidence at least; None before the first.

    0.9997 after 10,000 checks without a mismatch: so many can't promise more.
    """


@dataclass
class Snapshot:
    """What the cache did in the window, and how it is now; most fields are those of its JSON."""

    taken_at: float
    status: Status = field(init=False)
    reasons: tuple[str, ...] = field(init=False)  # what is wrong, worst first
    lookups: int = field(init=False)  # all that were answered
    hits: int = field(init=False)  # those that needed no query
    backend: str  # redis, or memory where there is no Redis
    is_partial: bool  # whether the metrics are this process's alone, without those in Redis
    window_seconds: float
    since: float  # when the window's first minute or hour began; it covers the window at least
    hits_by_backend: Mapping[str, int]  # l1, redis, memory
    misses: int
    latency_ms: Mapping[str, Latency]  # by result: l1, redis, memory, miss; also hit and overall
    top_users: tuple[TopUser, ...]  # most hits first
    redis: RedisState | None  # None where there is none, or it can't be asked
    breaker: BreakerState
    outbox: OutboxState
    audit: AuditState
    processes: tuple[ProcessState, ...]  # those that reported in the last minute
    foreign_metrics: int  # what was found in Redis and left out, since the cache never writes such
    served_percent: int  # of the users, by this process; see `manage.py usercache`

    # Not in the JSON as they are.
    counts: Mapping[str, int]
    """Every counter of the window by name, as in `usercache.events` and `metrics.recorder`."""
    series: tuple[Point, ...]  # the window by minutes, or by hours, oldest first, without gaps
    totals: TimeBucket  # what was ever counted, since Redis was last emptied
    delivered: TimeBucket | None
    """The totals without what this process has yet to flush: they only go up, whichever process
    is asked. None where Redis can't be asked."""

    def __post_init__(self) -> None:
        self.status, self.reasons = judge(self)
        self.hits = sum(self.hits_by_backend.values())
        self.lookups = self.hits + self.misses

    @property
    def hit_rate(self) -> float:
        """Return hits by look-ups, 0 to 1; 0 before the first."""
        return self.hits / self.lookups if self.lookups else 0.0

    def counts_of(self, prefix: str) -> dict[str, int]:
        """Return the counters that begin so, by the rest of their names."""
        counts = sorted(self.counts.items())
        return {name.removeprefix(prefix): n for name, n in counts if name.startswith(prefix)}


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as plain values; null is what could not be told."""
    left_out = ("series", "totals", "delivered")
    names = [field.name for field in fields(snapshot) if field.name not in left_out]
    plain = msgspec.to_builtins({name: getattr(snapshot, name) for name in names})
    for process in plain["processes"]:
        del process["token"]
    unreadable = snapshot.counts_of(events.UNREADABLE_PREFIX)
    return {
        "schema_version": SCHEMA_VERSION,
        **plain,
        "hit_rate": round(snapshot.hit_rate, 6),
        "database_load_saved": round(snapshot.hit_rate, 6),
        **{name: snapshot.counts.get(name, 0) for name in COUNTERS},
        "signature_failures": unreadable.get("signature", 0),
        "unreadable": unreadable,
        "errors": snapshot.counts_of(events.ERRORS_PREFIX),
    }


def parse_window(text: str) -> float:
    """Return the seconds of a window that is kept: `90s`, `15m`, `1h`, `2d`.

    Raises:
        ValueError: it is none, or shorter or longer than what is kept.
    """
    return parse_span(text, SHORTEST_WINDOW_SECONDS, LONGEST_WINDOW_SECONDS)


def take_snapshot(
    window_seconds: float = metrics.HOUR_SECONDS,
    top: int = TOP_USERS,
    clock: Callable[[], float] = time.time,
    get_backlog: Callable[[], Backlog] = get_backlog,
) -> Snapshot:
    """Return the metrics of a window, a minute to two days, and the state of this moment.

    One query, seven round trips to Redis, and one more for each half hour of minutes (or 30 hours)
    that was not read in the last minute. After a failure of Redis, waits up to 0.5 s for the probe
    and looks again. `get_backlog` asks about the outbox.

    Raises:
        ValueError: the window is shorter or longer than what is kept.
    """
    if not SHORTEST_WINDOW_SECONDS <= window_seconds <= LONGEST_WINDOW_SECONDS:
        raise ValueError(
            f"The window must be {SHORTEST_WINDOW_SECONDS} to {LONGEST_WINDOW_SECONDS} seconds."
        )
    store, now = get_store(), clock()
    is_short = window_seconds <= metrics.MINUTES_KEPT_SECONDS
    span = metrics.MINUTE_SECONDS if is_short else metrics.HOUR_SECONDS
    starts = range(start_of(now - window_seconds, span), int(now) + 1, span)
    observers = observers_of(store)
    reading = _read(store, observers.metrics_store, starts, span)
    buckets, totals = dict(reading.buckets), add_up([reading.totals])
    # What this process has not flushed yet; all there is, without Redis.
    for minute, own in observers.recorder.read().items():
        totals.add(own)
        if (start := start_of(minute, span)) in starts:
            buckets[start] = add_up([buckets.get(start, TimeBucket()), own])
    whole = add_up(buckets.values())
    hits = {r: whole[name] for r, name in metrics.LOOKUPS.items() if r != events.MISS}
    by_result = {result: (result,) for result in metrics.LOOKUPS}
    results = by_result | {"hit": tuple(hits), "overall": tuple(metrics.LOOKUPS)}
    most_hits = Counter(whole.ranking.at_least()).most_common(top)
    breaker = None if store.redis is None else store.redis.breaker
    return Snapshot(
        taken_at=round(now, 3),
        backend="memory" if store.redis is None else store.redis.name,
        is_partial=reading is UNREAD,
        window_seconds=window_seconds,
        since=float(starts[0]),
        hits_by_backend=hits,
        misses=whole[metrics.MISSES],
        latency_ms={name: whole.histogram(some).describe() for name, some in results.items()},
        top_users=tuple(TopUser(record_key(pk), times) for pk, times in most_hits),
        redis=reading.redis,
        breaker=BreakerState(breaker.state, breaker.seconds_to_probe) if breaker else NO_BREAKER,
        outbox=_ask_outbox(get_backlog, store),
        audit=AuditState(
            share=observers.audit.share,
            **{name.removeprefix("audit_"): whole[name] for name in AUDITED},
            worst_age_seconds=whole[metrics.AUDIT_WORST_MS] / MILLISECONDS,
            checked_ever=totals[metrics.AUDIT_CHECKED],
            mismatched_ever=totals[metrics.AUDIT_MISMATCHED],
            shadow_share=observers.shadow.share,
            consistency=bound_consistency(
                totals[metrics.AUDIT_CHECKED], totals[metrics.AUDIT_MISMATCHED]
            ),
        ),
        processes=tuple(reading.processes),
        foreign_metrics=reading.foreign,
        served_percent=store.served_percent,
        counts=whole.counts,
        series=tuple(_describe_point(start, span, now, buckets.get(start)) for start in starts),
        totals=totals,
        delivered=None if reading is UNREAD else reading.totals,
    )


def look_at_once(get_backlog: Callable[[], Backlog] = get_backlog) -> Status:
    """Return how the cache is for this process: whether Redis is away, and the outbox.

    One query and one GET; reads no metrics. For load balancers: what other clients write into the
    metrics, or how other processes reach Redis, is no reason to send requests elsewhere.
    """
    store = get_store()
    is_late = any(check_outbox(_ask_outbox(get_backlog, store)))
    if store.redis is not None:
        # Away after a failure and the probe right after it: one answer may be slow for a moment.
        if store.redis.is_available():
            with suppress(UnavailableError):  # counted by the breaker
                store.redis.ask(lambda backend: backend.get(PROBE))
        if store.redis.breaker.is_away:
            return Status.DOWN
    return Status.DEGRADED if is_late else Status.HEALTHY


def bound_consistency(checked: int, mismatched: int) -> float | None:
    """Return the part of hits that is true at least, with 95 % confidence; None without checks.

    Without a mismatch that is one less 3 / checked. Source: the Wilson-Hilferty approximation of
    the Poisson distribution's upper bound.
    """
    if not checked:
        return None
    events = mismatched + 1
    root = 1 - 1 / (9 * events) + ONE_SIDED_95 / (3 * math.sqrt(events))
    return max(0.0, 1 - events * root**3 / checked)


def _read(
    store: Store, metrics_store: MetricsStore | None, starts: range, span_seconds: int
) -> Reading:
    if metrics_store is None or store.redis is None:
        return UNREAD
    reading = metrics_store.read(starts, span_seconds)
    if reading is None and not store.redis.breaker.is_away:
        # One slow answer, or one connection that broke, is no outage; the probe tells soon.
        store.redis.breaker.verdict.wait(SECOND_LOOK_SECONDS)
        reading = metrics_store.read(starts, span_seconds)
    return reading or UNREAD


def _describe_point(start: int, span: int, now: float, bucket: TimeBucket | None) -> Point:
    found = bucket or TimeBucket()
    lookups = sum(found[name] for name in metrics.LOOKUPS.values())
    return Point(
        start=start,
        seconds=max(1.0, min(float(span), now - start)),
        lookups=lookups,
        hits=lookups - found[metrics.MISSES],
        latency=found.histogram().describe(),
    )


def _ask_outbox(get_backlog: Callable[[], Backlog], store: Store) -> OutboxState:
    try:
        return OutboxState(*get_backlog())
    except AnyDatabaseError as error:
        store.events.note_error(error)
        return OutboxState(None, 0.0)
