"""A snapshot as titled rows of text: the same in a terminal, in a pipe and on a page."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

from usercache import events
from usercache.management.units import (
    NOTHING,
    format_bytes,
    format_ms,
    format_part,
    format_rate,
    format_span,
)
from usercache.observability.metrics.table import COUNTERS, OF_REDIS
from usercache.observability.metrics.time_buckets import Latency
from usercache.observability.snapshot import AuditState, Snapshot
from usercache.observability.status import NO_REDIS, Status

BREAKERS: Final = {
    "closed": "in use",
    "open": "given up for now",
    "probing": "being tried again",
    "": "none",
}
FEWEST_COMPARISONS: Final = 300  # before which not even 99 % can be promised
QUANTILES: Final = ("p50", "p95", "p99")
_COLUMN: Final = 9


class Tone(Enum):
    """How much a row wants to be looked at."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"

    def when(self, condition: object) -> "Tone":
        """Return this tone where the condition holds, and else the plain one."""
        return self if condition else Tone.PLAIN


STATUS_TONES: Final = {
    Status.HEALTHY: Tone.GOOD,
    Status.DEGRADED: Tone.WARNING,
    Status.DOWN: Tone.BAD,
}


class Row(NamedTuple):
    """One line: what, how much, and how much of all (0 to 1) where a bar can show it."""

    label: str
    value: str  # of a count the number alone, so that `0` can be folded
    part: float | None = None
    tone: Tone = Tone.PLAIN
    note: str = ""
    cells: Sequence[str] = ()  # the value in columns, where a page has a table

    @property
    def text(self) -> str:
        """Return `3 (75.0%)`: the value and its note."""
        return f"{self.value} ({self.note})" if self.note else self.value

    @property
    def width(self) -> str:
        """Return the part as SVG takes it: `85.5%`, with a point in every language."""
        return "" if self.part is None else f"{min(1.0, max(0.0, self.part)) * 100:.1f}%"


class Section(NamedTuple):
    """Rows that belong together."""

    title: str
    rows: Sequence[Row]


def describe(snapshot: Snapshot) -> list[Section]:
    """Return all there is to show, what matters most first; empty sections are left out."""
    status = Row("Status", snapshot.status.value, tone=STATUS_TONES[snapshot.status])
    backend = Row("Backend", snapshot.backend)
    latencies = list(describe_latencies(snapshot))
    if latencies:
        latencies.insert(0, Row("", _align(["mean", *QUANTILES])))
    counted, zeros = describe_counted(snapshot)
    sections = [
        Section("User cache", [status, *describe_tiles(snapshot), backend, *_notes(snapshot)]),
        Section("Response time", latencies),
        *counted,
        Section("Users with the most hits", list(describe_top(snapshot))),
        Section("Processes", list(describe_processes(snapshot))),
        Section("Zero", [Row("Metrics", ", ".join(zeros))] if zeros else []),
    ]
    return [section for section in sections if section.rows]


def describe_counted(snapshot: Snapshot) -> tuple[list[Section], list[str]]:
    """Return the sections of metrics without what is zero, and the names of that."""
    span = format_span(snapshot.window_seconds)
    hits, misses, total = snapshot.hits, snapshot.misses, snapshot.lookups
    load = [_share("Saved", hits, total), _share("Asked", misses, total)]
    sections = [
        Section(f"Last {'hour' if span == '1 h' else span}", list(_lookups(snapshot))),
        Section("Database load", load),
        Section("Consistency", list(_consistency(snapshot))),
        Section("Redis", list(_redis(snapshot))),
    ]
    zeros = [row.label for section in sections for row in section.rows if row.value == "0"]
    shown = (Section(title, [row for row in rows if row.value != "0"]) for title, rows in sections)
    return [section for section in shown if section.rows], zeros


def describe_tiles(snapshot: Snapshot) -> Iterator[Row]:
    """Yield what matters most: hits, speed, consistency, and how Redis is."""
    total, overall, redis = snapshot.lookups, snapshot.latency_ms["overall"], snapshot.redis
    seconds = max(1.0, snapshot.taken_at - snapshot.since)
    if total:
        asked = f"{total:,} look-ups, {format_rate(total / seconds)}"
        yield Row("Hit rate", format_part(snapshot.hit_rate), snapshot.hit_rate, note=asked)
    else:
        yield Row("Hit rate", NOTHING, note="no look-ups")
    p50 = "" if overall["p50"] is None else f"p50 {format_ms(overall['p50'])}"
    yield Row("p99", format_ms(overall["p99"]), note=p50)
    yield _describe_consistency(snapshot.audit)
    if redis is not None:
        limit = redis.memory_limit
        yield Row("Redis latency", format_ms(redis.latency_ms))
        yield Row(
            "Redis memory",
            format_bytes(redis.memory_used),
            redis.memory_used / limit if limit else None,
            note="no limit" if limit is None else f"of {format_bytes(limit)}",
        )


def describe_latencies(snapshot: Snapshot) -> Iterator[Row]:
    """Yield how long look-ups took; nothing of kinds that there were none of."""
    named = {name: snapshot.latency_ms[name.lower()] for name in ("Hit", "Miss", "Overall")}
    means = {name: mean for name, latency in named.items() if (mean := latency["mean"]) is not None}
    slowest = max(means.values(), default=0.0)
    for name, mean in means.items():
        cells = [format_ms(mean), *format_quantiles(named[name])]
        # A terminal has no room for a bar beside the columns.
        yield Row(name, _align(cells), mean / slowest if slowest else None, cells=cells)


def format_quantiles(latency: Latency) -> list[str]:
    """Return p50, p95 and p99."""
    return [format_ms(latency[name]) for name in QUANTILES]


def describe_top(snapshot: Snapshot) -> Iterator[Row]:
    """Yield the users with the most hits, by their keys."""
    most = max((user.hits for user in snapshot.top_users), default=0)
    for user in snapshot.top_users:
        yield Row(user.key, f"{user.hits:,}", user.hits / most)


def describe_processes(snapshot: Snapshot) -> Iterator[Row]:
    """Yield the processes that were heard of lately."""
    for state in snapshot.processes:
        redis, up = BREAKERS.get(state.breaker, state.breaker), snapshot.taken_at - state.started
        spans = [format_span(max(0.0, seconds)) for seconds in (up, state.seen_seconds)]
        cells = [redis, state.l1 or NOTHING, *spans, state.host]
        tone = Tone.WARNING.when(state.breaker not in ("closed", ""))
        text = "Redis {}, client-side cache {}, up {}, heard of {} ago, {}".format(*cells)
        yield Row(state.name, text, tone=tone, cells=cells)


def _notes(snapshot: Snapshot) -> Iterator[Row]:
    if snapshot.is_partial:
        why = (
            "Redis keeps those of all"
            if snapshot.breaker.state != NO_REDIS
            else "without Redis nothing adds them up. Each web process shows its own on the admin "
            "site's dashboard; set REDIS_URL to see all of them"
        )
        yield Row("Metrics", f"of this process alone; {why}", tone=Tone.WARNING)
    for reason in snapshot.reasons:
        yield Row("Note", reason, tone=STATUS_TONES[snapshot.status])


def _describe_consistency(audit: AuditState) -> Row:
    part, tone = audit.consistency, Tone.BAD.when(audit.mismatched)
    if not (audit.share or audit.shadow_share):
        return Row("Consistency", NOTHING, note="the audit is off")
    if part is None or audit.checked_ever < FEWEST_COMPARISONS:
        few = f"{audit.checked_ever:,} of {FEWEST_COMPARISONS} comparisons"
        return Row("Consistency", NOTHING, tone=tone, note=few)
    # As many digits as there are nines, and one more: 99.97 %, 99.9991 %.
    digits = 1
    while digits < 6 and 1 - part < 10.0 ** -(digits + 2):  # noqa: PLR2004  # a millionth is enough
        digits += 1
    factor = 10 ** (digits + 2)
    nines = f"{int(part * factor) / factor * 100:.{digits}f}%"
    note = f"at least, after {audit.checked_ever:,} comparisons"
    return Row("Consistency", nines, tone=tone, note=note)


def _lookups(snapshot: Snapshot) -> Iterator[Row]:
    total, counts = snapshot.lookups, snapshot.counts
    yield Row("Look-ups", f"{total:,}")
    yield _share("Hits", snapshot.hits, total)
    for backend, hits in snapshot.hits_by_backend.items():
        if hits:
            yield _share(f"  {backend}", hits, total)
    yield _share("Misses", snapshot.misses, total)
    for name, metric in COUNTERS.items():
        if metric.label:
            count = counts.get(name, 0)
            tone = Tone.WARNING.when(count and metric.is_warning)
            yield Row(metric.label, f"{count:,}", tone=tone, note=metric.note)
    forged = counts.get(events.UNREADABLE_PREFIX + "signature", 0)
    yield Row("Bad signatures", f"{forged:,}", tone=Tone.BAD.when(forged))
    errors = snapshot.counts_of(events.ERRORS_PREFIX)
    listed = ", ".join(f"{count:,} {name}" for name, count in errors.items())
    yield Row("Errors", listed or "0", tone=Tone.WARNING.when(errors))


def _consistency(snapshot: Snapshot) -> Iterator[Row]:
    audit, outbox = snapshot.audit, snapshot.outbox
    if audit.shadow_share:
        repeated = audit.shadow_hits + audit.shadow_misses
        note = f"{audit.shadow_share * 100:g}% of the database's look-ups"
        yield Row("In shadow", f"{repeated:,}", note=note)
        yield _share("  would be hits", audit.shadow_hits, repeated)
    if audit.share or audit.shadow_share:
        yield Row("Compared", f"{audit.checked:,}", note=f"{audit.share * 100:g}% of all hits")
        yield Row("Mismatched", f"{audit.mismatched:,}", tone=Tone.BAD.when(audit.mismatched))
        if audit.mismatched:
            yield Row("Oldest of them", format_span(audit.worst_age_seconds), tone=Tone.BAD)
    else:
        yield Row("Compared", "nothing: USERCACHE_AUDIT_SHARE is 0")
    if outbox.waiting is None:
        yield Row("Outbox", "unknown; the database can't be asked", tone=Tone.WARNING)
    else:
        age = f"the oldest for {format_span(outbox.oldest_seconds)}" if outbox.waiting else ""
        yield Row("Outbox", f"{outbox.waiting:,}", tone=Tone.WARNING.when(age), note=age)


def _redis(snapshot: Snapshot) -> Iterator[Row]:
    redis, breaker = snapshot.redis, snapshot.breaker
    if breaker.state != NO_REDIS:
        wait = f", next try in {breaker.seconds_to_probe:.0f} s" if breaker.state == "open" else ""
        tone = Tone.BAD.when(breaker.state != "closed")
        yield Row("From here", f"{BREAKERS[breaker.state]}{wait}", tone=tone)
    if redis is not None:
        servers = f" of {redis.primaries} primaries" if redis.topology == "cluster" else ""
        yield Row("Version", f"{redis.version}, {redis.topology}{servers}")
        for name, metric in OF_REDIS.items():
            if metric.label:
                yield Row(metric.label, f"{vars(redis)[name]:,}")
        yield Row("Eviction policy", redis.policy or NOTHING)
        yield Row("Evicted", f"{redis.evictions:,}")


def _align(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{_COLUMN}}" for cell in cells)


def _share(label: str, count: int, total: int) -> Row:
    part = count / total if total else None
    return Row(label, f"{count:,}", part, note=format_part(part) if total else "")
