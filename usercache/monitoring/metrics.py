"""A snapshot in Prometheus' terms: counters of all processes, and the state of this moment.

Whichever process is scraped, its counters are those of all, as Redis has them. What the process
has yet to deliver is left out: the next scrape may come to another, and a counter that went down
would be taken for a restart. While Redis can't be asked there are no counters, for the same reason.
"""

import os
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from usercache.figures.histogram import BOUNDS, Histogram
from usercache.figures.slices import Slice
from usercache.monitoring.gauges import collect_gauges
from usercache.report import Snapshot
from usercache.stats import (
    AUDIT_CHECKED,
    AUDIT_EXPLAINED,
    AUDIT_MISMATCHED,
    AUDIT_UNDECIDED,
    BREAKER_OPENINGS,
    COUNTERS,
    ERRORS_PREFIX,
    FILLS,
    FILLS_REFUSED,
    INVALIDATIONS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
    UNTIMED,
)

PLAIN: Final = {
    NEGATIVE_HITS: ("usercache_negative_hits", "Hits that said: no such user."),
    FILLS: ("usercache_fills", "Records put into the cache after a miss."),
    FILLS_REFUSED: ("usercache_fills_refused", "Records not put there: a write came in between."),
    INVALIDATIONS: ("usercache_invalidations", "Records dropped for a write."),
    UNTIMED: ("usercache_lookups_untimed", "Look-ups counted without their duration."),
    BREAKER_OPENINGS: ("usercache_breaker_openings", "Times a process gave Redis up."),
    AUDIT_CHECKED: ("usercache_audit_checked", "Hits compared with the database."),
    AUDIT_MISMATCHED: ("usercache_audit_mismatched", "Compared hits that were stale."),
    AUDIT_EXPLAINED: ("usercache_audit_explained", "Compared hits that a write explains."),
    AUDIT_UNDECIDED: ("usercache_audit_undecided", "Hits that could not be compared."),
}
"""By the figure's name in `usercache.stats`, that of its counter, and its help."""
BY_KIND: Final = {
    ERRORS_PREFIX: ("usercache_errors", "Failures of Redis or the database.", "error"),
    UNREADABLE_PREFIX: ("usercache_unreadable_records", "Records not believed.", "reason"),
}
"""By a prefix of the figures' names, that of their counter, its help, and the label of the rest."""
REASONS: Final = frozenset(
    UNREADABLE_PREFIX + reason for reason in ("shape", "signature", "content", "age")
)
"""There from the start: no rate can be told of a counter that begins with its first event."""
EVERY: Final = 4
"""So many of our buckets are one of Prometheus', whose bounds then go up by a factor of two."""
LAST: Final = len(BOUNDS) - 1
"""The bucket that has what takes longer, too: Prometheus' +Inf."""


class SnapshotCollector(Collector):
    """Yield what Prometheus scrapes."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Take the snapshot that is shown."""
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield gauges and, where they can be told for all processes, counters."""
        snapshot = self._snapshot
        yield from collect_gauges(snapshot)
        if snapshot.delivered is not None:
            yield from _collect_counters(snapshot.delivered, {})
        elif snapshot.breaker.state == "none":
            # Nobody adds processes up. Each tells its own, under its own name.
            yield from _collect_counters(snapshot.totals, {"process": str(os.getpid())})


def _collect_counters(totals: Slice, labels: Mapping[str, str]) -> Iterator[Metric]:
    lookups = CounterMetricFamily(
        "usercache_lookups", "Look-ups by who answered.", labels=[*labels, "result"]
    )
    for result, name in COUNTERS.items():
        lookups.add_metric([*labels.values(), result], totals.counts[name])
    yield lookups
    yield _collect_durations(totals, labels)
    for name, (metric, text) in PLAIN.items():
        counter = CounterMetricFamily(metric, text, labels=list(labels))
        counter.add_metric(list(labels.values()), totals.counts[name])
        yield counter
    for prefix, (metric, text, label) in BY_KIND.items():
        counter = CounterMetricFamily(metric, text, labels=[*labels, label])
        names = REASONS | totals.counts.keys()
        for name in sorted(name for name in names if name.startswith(prefix)):
            kind = name.removeprefix(prefix)
            counter.add_metric([*labels.values(), kind], totals.counts[name])
        yield counter


def _collect_durations(totals: Slice, labels: Mapping[str, str]) -> Metric:
    durations = HistogramMetricFamily(
        "usercache_lookup_duration_seconds",
        "How long look-ups took as their callers saw it, by who answered.",
        labels=[*labels, "result"],
    )
    for result in COUNTERS:
        histogram = totals.latencies.get(result, Histogram())
        durations.add_metric(
            [*labels.values(), result], _spell_buckets(histogram), histogram.total_seconds
        )
    return durations


def _spell_buckets(histogram: Histogram) -> list[tuple[str, float]]:
    within = list(accumulate(histogram.counts[bucket] for bucket in range(len(BOUNDS))))
    spelled = [(f"{BOUNDS[bucket]:.6g}", float(within[bucket])) for bucket in range(0, LAST, EVERY)]
    return [*spelled, ("+Inf", float(within[LAST]))]
