"""A snapshot as titled rows of text: the same in a terminal, in a pipe and on a page."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

from usercache.report.snapshot import AuditState, Latency, Snapshot
from usercache.report.status import Status
from usercache.report.units import (
    NOTHING,
    spell_bytes,
    spell_ms,
    spell_part,
    spell_span,
)
from usercache.stats import (
    BREAKER_OPENINGS,
    ERRORS_PREFIX,
    FILLS_REFUSED,
    INVALIDATIONS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
)

BREAKERS: Final = {
    "closed": "in use",
    "open": "given up for now",
    "probing": "being tried again",
    "none": "none",
    "": "none",
}

FEWEST_COMPARISONS: Final = 300
"""Before which not even 99 % can be promised."""
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
    value: str
    part: float | None = None
    tone: Tone = Tone.PLAIN


class Section(NamedTuple):
    """Rows that belong together."""

    title: str
    rows: Sequence[Row]


def describe(snapshot: Snapshot) -> list[Section]:
    """Return all there is to show, what matters most first; empty sections are left out."""
    sections = [
        Section("User cache", [*describe_state(snapshot), *_notes(snapshot)]),
        Section(title_window(snapshot), list(describe_lookups(snapshot))),
        Section("Response time", list(_latencies(snapshot))),
        Section("Database load", list(describe_load(snapshot))),
        Section("Consistency", list(describe_consistency(snapshot))),
        Section("Users with the most hits", list(_top(snapshot))),
        Section("Redis", list(describe_redis(snapshot))),
        Section("Processes", list(_processes(snapshot))),
    ]
    return [section for section in sections if section.rows]


def title_window(snapshot: Snapshot) -> str:
    """Name the window: `Last hour`, `Last 15 min`."""
    span = spell_span(snapshot.window_seconds)
    return f"Last {'hour' if span == '1 h' else span}"


def describe_state(snapshot: Snapshot) -> Iterator[Row]:
    """Say how the cache is in a few words."""
    yield Row("Status", snapshot.status.value, tone=STATUS_TONES[snapshot.status])
    yield Row("Backend", snapshot.backend)
    redis = snapshot.redis
    if redis is not None:
        limit = redis.memory_limit
        of_limit = "no limit" if limit is None else spell_bytes(limit)
        yield Row("Latency", spell_ms(redis.latency_ms))
        yield Row(
            "Memory",
            f"{spell_bytes(redis.memory_used)} / {of_limit}",
            redis.memory_used / limit if limit else None,
        )


def _notes(snapshot: Snapshot) -> Iterator[Row]:
    if snapshot.is_partial:
        why = (
            "Redis keeps those of all" if snapshot.breaker.state != "none" else "there is no Redis"
        )
        yield Row("Figures", f"of this process alone; {why}", tone=Tone.WARNING)
    for reason in snapshot.reasons:
        yield Row("Note", reason, tone=STATUS_TONES[snapshot.status])


def describe_lookups(snapshot: Snapshot) -> Iterator[Row]:
    """Say how look-ups were answered, and what went wrong."""
    total, counts = snapshot.lookups, snapshot.counts
    seconds = max(1.0, snapshot.taken_at - snapshot.since)
    yield Row("Look-ups", f"{total:,} ({total / seconds:,.1f}/s)")
    yield _share("Hits", snapshot.hits, total)
    for tier, hits in snapshot.hits_by_tier.items():
        if hits:
            yield _share(f"  {tier}", hits, total)
    yield _share("Misses", snapshot.misses, total)
    yield Row("No such user", f"{counts.get(NEGATIVE_HITS, 0):,} of the hits")
    yield Row("Invalidations", f"{counts.get(INVALIDATIONS, 0):,}")
    yield Row("Fills refused", f"{counts.get(FILLS_REFUSED, 0):,}")
    forged = counts.get(UNREADABLE_PREFIX + "signature", 0)
    yield Row("Bad signatures", f"{forged:,}", tone=Tone.BAD.when(forged))
    errors = {
        name.removeprefix(ERRORS_PREFIX): count
        for name, count in sorted(counts.items())
        if name.startswith(ERRORS_PREFIX)
    }
    spelled = ", ".join(f"{count:,} {name}" for name, count in errors.items())
    openings = counts.get(BREAKER_OPENINGS, 0)
    yield Row("Errors", spelled or "none", tone=Tone.WARNING.when(errors))
    yield Row("Breaker opened", f"{openings:,} times", tone=Tone.WARNING.when(openings))


def _latencies(snapshot: Snapshot) -> Iterator[Row]:
    yield Row("", "".join(f"{title:>{_COLUMN}}" for title in ("mean", "p50", "p95", "p99")))
    for label, name in (("Hit", "hit"), ("Miss", "miss"), ("Overall", "overall")):
        yield Row(label, _spell_latency(snapshot.latencies[name]))


def _spell_latency(latency: Latency) -> str:
    figures = (latency.mean_ms, latency.p50_ms, latency.p95_ms, latency.p99_ms)
    return "".join(f"{spell_ms(ms):>{_COLUMN}}" for ms in figures)


def describe_load(snapshot: Snapshot) -> Iterator[Row]:
    """Say how much the database was spared."""
    yield _share("Saved", snapshot.hits, snapshot.lookups)
    yield _share("Asked", snapshot.misses, snapshot.lookups)


def describe_consistency(snapshot: Snapshot) -> Iterator[Row]:
    """Say what the audit found, and what waits in the outbox."""
    audit, outbox = snapshot.audit, snapshot.outbox
    if audit.share:
        yield Row(
            "Compared", f"{audit.checked:,} hits with the database ({audit.share * 100:g}% of all)"
        )
        yield Row("Mismatched", f"{audit.mismatched:,}", tone=Tone.BAD.when(audit.mismatched))
        if audit.mismatched:
            yield Row("Oldest of them", spell_span(audit.worst_age_seconds), tone=Tone.BAD)
        yield Row("Consistent", _spell_consistency(audit))
    else:
        yield Row("Compared", "nothing: USERCACHE_AUDIT_SHARE is 0")
    if outbox.waiting is None:
        yield Row("Outbox", "unknown; the database can't be asked", tone=Tone.WARNING)
    elif not outbox.waiting:
        yield Row("Outbox", "empty")
    else:
        age = spell_span(outbox.oldest_seconds)
        yield Row("Outbox", f"{outbox.waiting:,} waiting, the oldest for {age}", tone=Tone.WARNING)


def _spell_consistency(audit: AuditState) -> str:
    if audit.consistency is None or audit.checked_ever < FEWEST_COMPARISONS:
        return f"not enough comparisons to say, {audit.checked_ever:,} ever"
    part = _spell_nines(audit.consistency)
    return f"at least {part} of all hits, after {audit.checked_ever:,} comparisons"


def _spell_nines(part: float) -> str:
    # As many digits as there are nines, and one more: 99.97 %, 99.9991 %.
    digits = 1
    while digits < 6 and 1 - part < 10.0 ** -(digits + 2):  # noqa: PLR2004  # a millionth is enough
        digits += 1
    factor = 10 ** (digits + 2)
    return f"{int(part * factor) / factor * 100:.{digits}f}%"


def _top(snapshot: Snapshot) -> Iterator[Row]:
    most = max((user.hits for user in snapshot.top_users), default=0)
    for user in snapshot.top_users:
        yield Row(user.key, f"{user.hits:,}", user.hits / most)


def describe_redis(snapshot: Snapshot) -> Iterator[Row]:
    """Say how Redis is, seen from here and by itself."""
    redis, breaker = snapshot.redis, snapshot.breaker
    if breaker.state != "none":
        wait = f", next try in {breaker.seconds_to_probe:.0f} s" if breaker.state == "open" else ""
        tone = Tone.BAD.when(breaker.state != "closed")
        yield Row("From here", f"{BREAKERS[breaker.state]}{wait}", tone=tone)
    if redis is not None:
        servers = f" of {redis.primaries} primaries" if redis.topology == "cluster" else ""
        yield Row("Version", f"{redis.version}, {redis.topology}{servers}")
        yield Row("Replicas", f"{redis.replicas:,}")
        yield Row("Clients", f"{redis.clients:,}")
        yield Row("Keys", f"{redis.keys:,}")
        yield Row("Commands", f"{redis.commands_per_second:,}/s")
        yield Row("Eviction", f"{redis.policy or NOTHING}; {redis.evictions:,} evicted")


def _processes(snapshot: Snapshot) -> Iterator[Row]:
    for state, seen_seconds in snapshot.processes:
        up = spell_span(max(0.0, snapshot.taken_at - state.started))
        near = f", near tier {state.near}" if state.near else ""
        yield Row(
            f"{state.kind} {state.pid}",
            f"Redis {BREAKERS.get(state.breaker, state.breaker)}{near}, up {up}, "
            f"seen {seen_seconds:.0f} s ago, {state.host}",
            tone=Tone.WARNING.when(state.breaker not in ("closed", "")),
        )


def _share(label: str, count: int, total: int) -> Row:
    part = count / total if total else None
    return Row(label, f"{count:,} ({spell_part(part)})" if total else f"{count:,}", part)
