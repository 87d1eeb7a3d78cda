"""A snapshot in Prometheus' terms: counters of all processes, and the state of this moment.

Whichever process is scraped, its counters are those of all, as Redis has them. What the process
has yet to flush is left out: the next scrape may come to another, and a counter that went down
would be taken for a restart. While Redis can't be asked there are no counters, for the same reason.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from usercache import events
from usercache.clocks import MILLISECONDS
from usercache.observability import metrics
from usercache.observability.metrics.state import RedisState
from usercache.observability.metrics.table import AUDITED, COUNTERS, OF_REDIS
from usercache.observability.metrics.time_buckets import BOUNDS, Histogram, TimeBucket
from usercache.observability.snapshot import Snapshot
from usercache.observability.status import NO_REDIS, Status

BY_KIND: Final = {
    events.ERRORS_PREFIX: ("errors", "Failures of Redis or the database.", "error"),
    events.UNREADABLE_PREFIX: ("unreadable_records", "Records not believed.", "reason"),
}
"""By a prefix of names, that of their counter, its help, and the label of the rest."""
REASONS: Final = {
    events.UNREADABLE_PREFIX + each for each in ("shape", "signature", "content", "age")
}
"""There from the start: no rate can be told of a counter that begins with its first event."""
EVERY: Final = 4
"""So many of our bounds are one of Prometheus', which then go up by a factor of two."""


class SnapshotCollector(Collector):
    """Yield what Prometheus scrapes."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield gauges and, where they can be told for all processes, counters."""
        snapshot = self._snapshot
        yield from _collect_state(snapshot)
        if snapshot.redis is not None:
            yield from _collect_redis(snapshot.redis)
        if snapshot.delivered is not None:
            yield from _collect_counters(snapshot.delivered, {})
        elif snapshot.breaker.state == NO_REDIS:
            # Nothing adds processes up. Each tells its own, under its own name.
            yield from _collect_counters(snapshot.totals, {"process": str(os.getpid())})


def _collect_state(snapshot: Snapshot) -> Iterator[Metric]:
    statuses = {(each.value,): each is snapshot.status for each in Status}
    said = "1 for the status that the cache has, else 0."
    yield _family(GaugeMetricFamily, "status", said, statuses, ["status"])
    kinds = Counter((state.kind, state.breaker, state.l1) for state in snapshot.processes)
    said = "Processes heard of in the last minute, by what they are and whether they use Redis."
    yield _family(
        GaugeMetricFamily, "processes", said, dict(sorted(kinds.items())), ["kind", "breaker", "l1"]
    )
    outbox, audit = snapshot.outbox, snapshot.audit
    oldest_seconds = None if outbox.waiting is None else outbox.oldest_seconds
    worst_seconds = snapshot.totals[metrics.AUDIT_WORST_MS] / MILLISECONDS
    is_up = None if snapshot.breaker.state == NO_REDIS else snapshot.redis is not None
    yield from _gauges(
        partial=("1 while Redis, which has the metrics of all, can't tell.", snapshot.is_partial),
        foreign_metrics=("Metrics in Redis that aren't ours, left out.", snapshot.foreign_metrics),
        outbox_waiting=("Invalidations that Redis hasn't heard of.", outbox.waiting),
        outbox_oldest_seconds=("How long the oldest waits.", oldest_seconds),
        audit_share=("The part of hits that is compared with the database.", audit.share),
        shadow_share=(
            "The part of the database's look-ups that the cache repeats.",
            audit.shadow_share,
        ),
        audit_consistency_ratio=(
            "The part of all hits ever that is true at least, with 95 % confidence.",
            audit.consistency,
        ),
        audit_worst_age_seconds=("The largest age of a hit that was stale, ever.", worst_seconds),
        redis_up=("Whether the process that was scraped could ask Redis.", is_up),
    )


def _collect_redis(redis: RedisState) -> Iterator[Metric]:
    labels = {"version": redis.version, "topology": redis.topology, "policy": redis.policy}
    yield InfoMetricFamily("usercache_redis", "What answers.", labels)
    yield from _gauges(
        redis_latency_seconds=("One GET there and back.", redis.latency_ms / MILLISECONDS),
        redis_memory_used_bytes=("Memory in use.", redis.memory_used),
        redis_memory_limit_bytes=("Memory that it may use.", redis.memory_limit),
        **{f"redis_{name}": (metric.help, vars(redis)[name]) for name, metric in OF_REDIS.items()},
    )
    said = "Keys evicted since the servers started."
    yield _family(CounterMetricFamily, "redis_evictions", said, {(): redis.evictions})


def _collect_counters(totals: TimeBucket, own: Mapping[str, str]) -> Iterator[Metric]:
    labels, values = list(own), tuple(own.values())

    def family(name: str, said: str, counted: Mapping[str, float], label: str) -> Metric:
        samples = {(*values, each): count for each, count in counted.items()}
        return _family(CounterMetricFamily, name, said, samples, [*labels, label])

    said = "Look-ups by result: the backend that answered, or miss."
    lookups = {result: totals[name] for result, name in metrics.LOOKUPS.items()}
    yield family("lookups", said, lookups, "result")
    said = "How long look-ups took as their callers saw it, by result."
    durations = HistogramMetricFamily(
        "usercache_lookup_duration_seconds", said, labels=[*labels, "result"]
    )
    for result in metrics.LOOKUPS:
        histogram = totals.histogram([result])
        durations.add_metric([*values, result], _format_bounds(histogram), histogram.total_seconds)
    yield durations
    for name, metric in (COUNTERS | AUDITED).items():
        yield _family(CounterMetricFamily, name, metric.help, {values: totals[name]}, labels)
    for prefix, (name, said, label) in BY_KIND.items():
        found = (each for each in sorted(REASONS | totals.keys()) if each.startswith(prefix))
        kinds = {each.removeprefix(prefix): totals[each] for each in found}
        yield family(name, said, kinds, label)


def _gauges(**gauges: tuple[str, float | None]) -> Iterator[Metric]:
    for name, (said, value) in gauges.items():
        if value is not None:
            yield _family(GaugeMetricFamily, name, said, {(): float(value)})


def _family(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    said: str,
    values: Mapping[Any, float],
    labels: Sequence[str] = (),
) -> Metric:
    # Its values by those of its labels.
    family = kind(f"usercache_{name}", said, labels=labels)
    for labelled, value in values.items():
        family.add_metric(labelled, value)
    return family


def _format_bounds(histogram: Histogram) -> list[tuple[str, float]]:
    # The last bound counts what takes longer, too: Prometheus' +Inf.
    within = list(accumulate(histogram.counts))
    bounds = list(zip(BOUNDS, within, strict=True))[:-1:EVERY]
    return [*((f"{bound:.6g}", float(count)) for bound, count in bounds), ("+Inf", within[-1])]
