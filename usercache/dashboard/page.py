"""What the dashboard's template shows of a snapshot: figures already in words, parts in percent."""

import datetime
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from usercache.dashboard.charts import Chart, draw_charts
from usercache.dashboard.moments import label_points, to_moment
from usercache.keys import pk_of
from usercache.report import Snapshot, Status
from usercache.report.sections import (
    BREAKERS,
    STATUS_TONES,
    Row,
    Section,
    Tone,
    describe_consistency,
    describe_load,
    describe_lookups,
    describe_redis,
    describe_state,
    title_window,
)
from usercache.report.units import NOTHING, spell_ms, spell_part, spell_rate, spell_span

SYMBOLS: Final = {Status.HEALTHY: "✓", Status.DEGRADED: "!", Status.DOWN: "✕"}
"""Beside the status, for those who don't see its colour."""
PROCESSES_SHOWN: Final = 50


class Answer(NamedTuple):
    """How long one kind of look-up took."""

    label: str
    mean: str
    part: float | None
    """The mean by the largest of them, 0 to 1."""
    quantiles: Sequence[str]
    """p50, p95, p99."""


class TopRow(NamedTuple):
    """A user with many hits."""

    pk: str
    key: str
    hits: str
    part: float
    """By the first one's hits, 0 to 1."""


class ProcessRow(NamedTuple):
    """One process of those that were heard of lately."""

    name: str
    host: str
    redis: str
    near: str
    up: str
    seen: str
    tone: Tone


class Minute(NamedTuple):
    """One row of the table that says what the charts draw; an hour, where they reach back days."""

    label: str
    lookups: str
    rate: str
    hit_rate: str
    quantiles: Sequence[str]


class Page(NamedTuple):
    """Everything on the page that changes."""

    taken_at: datetime.datetime
    status: str
    symbol: str
    tone: Tone
    state: Sequence[Row]
    notes: Sequence[str]
    """What an operator should look at, worst first."""
    is_partial: bool
    has_shared_tier: bool
    is_empty: bool
    """Whether nobody was looked up in the window."""
    lookups: Section
    load: Section
    consistency: Section
    redis: Section
    answers: Sequence[Answer]
    top_users: Sequence[TopRow]
    charts: Sequence[Chart]
    minutes: Sequence[Minute]
    processes: Sequence[ProcessRow]
    hidden_processes: int
    """How many more there are."""


def describe_page(snapshot: Snapshot) -> Page:
    """Put a snapshot into the page's words."""
    return Page(
        taken_at=to_moment(snapshot.taken_at),
        status=snapshot.status.value,
        symbol=SYMBOLS[snapshot.status],
        tone=STATUS_TONES[snapshot.status],
        state=list(describe_state(snapshot)),
        notes=snapshot.reasons,
        is_partial=snapshot.is_partial,
        has_shared_tier=snapshot.breaker.state != "none",
        is_empty=not snapshot.lookups,
        lookups=Section(title_window(snapshot), list(describe_lookups(snapshot))),
        load=Section("Database load", list(describe_load(snapshot))),
        consistency=Section("Consistency", list(describe_consistency(snapshot))),
        redis=Section("Redis", list(describe_redis(snapshot))),
        answers=list(_describe_answers(snapshot)),
        top_users=list(_describe_top(snapshot)),
        charts=draw_charts(snapshot.series),
        minutes=list(_describe_minutes(snapshot)),
        processes=list(islice(_describe_processes(snapshot), PROCESSES_SHOWN)),
        hidden_processes=max(0, len(snapshot.processes) - PROCESSES_SHOWN),
    )


def _describe_answers(snapshot: Snapshot) -> Iterator[Answer]:
    named = [(label, snapshot.latencies[label.lower()]) for label in ("Hit", "Miss", "Overall")]
    slowest = max((latency.mean_ms or 0.0 for _, latency in named), default=0.0)
    for label, latency in named:
        yield Answer(
            label,
            spell_ms(latency.mean_ms),
            latency.mean_ms / slowest if latency.mean_ms else None,
            [spell_ms(ms) for ms in (latency.p50_ms, latency.p95_ms, latency.p99_ms)],
        )


def _describe_top(snapshot: Snapshot) -> Iterator[TopRow]:
    most = max((user.hits for user in snapshot.top_users), default=0)
    for user in snapshot.top_users:
        yield TopRow(pk_of(user.key), user.key, f"{user.hits:,}", user.hits / most)


def _describe_minutes(snapshot: Snapshot) -> Iterator[Minute]:
    for label, point in zip(label_points(snapshot.series), snapshot.series, strict=True):
        latency = point.latency
        yield Minute(
            label,
            f"{point.lookups:,}",
            spell_rate(point.lookups_per_second),
            spell_part(point.hit_rate),
            [spell_ms(ms) for ms in (latency.p50_ms, latency.p95_ms, latency.p99_ms)],
        )


def _describe_processes(snapshot: Snapshot) -> Iterator[ProcessRow]:
    for state, seen_seconds in snapshot.processes:
        yield ProcessRow(
            name=f"{state.kind} {state.pid}",
            host=state.host,
            redis=BREAKERS.get(state.breaker, state.breaker),
            near=state.near or NOTHING,
            up=spell_span(max(0.0, snapshot.taken_at - state.started)),
            seen=f"{seen_seconds:.0f} s ago",
            tone=Tone.WARNING.when(state.breaker not in ("closed", "")),
        )
