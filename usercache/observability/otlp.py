"""The metrics as OpenTelemetry has them, made of those that Prometheus scrapes.

Nothing is counted a second time: each family of `prometheus.py` becomes one metric of OTLP, with
the name under which Prometheus would store it again. The counters are those of all processes, so
one process sends them: `manage.py cache_otlp`.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

import usercache
from usercache.observability.prometheus import SnapshotCollector
from usercache.observability.snapshot import Snapshot

CUMULATIVE: Final = export.AggregationTemporality.CUMULATIVE
BOUND_LABEL: Final = "le"
COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"
UNKNOWN: Final[Any] = None
"""A field that isn't sent, though its type has no word for that."""

Labels = tuple[tuple[str, str], ...]


class Exporter:
    """Send snapshots to where `OTEL_EXPORTER_OTLP_ENDPOINT` leads."""

    def __init__(self) -> None:
        """Read the OTEL_… variables, which OpenTelemetry defines; nothing is sent yet."""
        self._exporter = OTLPMetricExporter()
        self._resource = Resource.create()
        self._began_ns = time.time_ns()

    def send(self, snapshot: Snapshot) -> bool:
        """Send one, and return whether it was accepted; the reason why not is logged."""
        metrics = list(convert(SnapshotCollector(snapshot).collect(), self._began_ns))
        scope = InstrumentationScope("usercache", usercache.__version__)
        data = export.MetricsData(
            [
                export.ResourceMetrics(
                    self._resource, [export.ScopeMetrics(scope, metrics, "")], schema_url=""
                )
            ]
        )
        return self._exporter.export(data) is export.MetricExportResult.SUCCESS

    def end(self) -> None:
        """Close the connection."""
        self._exporter.shutdown()


def convert(families: Iterable[Family], began_ns: int) -> Iterator[export.Metric]:
    """Yield a metric for each family that has samples; `began_ns` is when its first was sent."""
    now_ns = time.time_ns()
    for family in families:
        if not family.samples:
            continue
        data: Any
        if family.type == HISTOGRAM:
            data = export.Histogram(_histograms(family, began_ns, now_ns), CUMULATIVE)
        elif family.type == COUNTER:
            data = export.Sum(
                _numbers(family.samples, began_ns, now_ns), CUMULATIVE, is_monotonic=True
            )
        else:
            data = export.Gauge(_numbers(family.samples, 0, now_ns))
        yield export.Metric(family.name, family.documentation, "", data)


def _numbers(samples: Iterable[Sample], began_ns: int, now_ns: int) -> list[export.NumberDataPoint]:
    return [
        export.NumberDataPoint(dict(sample.labels), began_ns, now_ns, float(sample.value))
        for sample in samples
    ]


def _histograms(family: Family, began_ns: int, now_ns: int) -> list[export.HistogramDataPoint]:
    within = defaultdict[Labels, dict[float, float]](dict)
    sums: dict[Labels, float] = {}
    for sample in family.samples:
        labels = tuple(item for item in sample.labels.items() if item[0] != BOUND_LABEL)
        if sample.name == f"{family.name}_bucket":
            within[labels][float(sample.labels[BOUND_LABEL])] = sample.value
        elif sample.name == f"{family.name}_sum":
            sums[labels] = sample.value
    return [
        export.HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=began_ns,
            time_unix_nano=now_ns,
            count=int(max(counts.values())),
            sum=sums[labels],
            # Prometheus' count what is within a bound, OpenTelemetry's what is between two.
            bucket_counts=[int(b - a) for a, b in pairwise([0, *counts.values()])],
            explicit_bounds=[*counts][:-1],
            min=UNKNOWN,
            max=UNKNOWN,
        )
        for labels, counts in within.items()
    ]
