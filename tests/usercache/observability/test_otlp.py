"""The metrics by OTLP: what a collector gets is what Prometheus scrapes."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric
from prometheus_client import Metric as Family
from pytest_django import Settings

from tests.steering import keep_redis_away
from tests.users import User
from usercache.observability.management.commands import cache_otlp
from usercache.observability.otlp import Exporter
from usercache.observability.prometheus import SnapshotCollector
from usercache.observability.snapshot import take_snapshot
from usercache.runtime import RUNTIME
from usercache.users import get_user_by_id

COMMAND: Final = "cache_otlp"
OUTBOX: Final = "usercache_outbox_waiting"
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Collector(ThreadingHTTPServer):
    """A receiver of OTLP over HTTP, on loopback."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiver)
        self.status = 200
        self.has_two = threading.Event()
        self.received: list[ExportMetricsServiceRequest] = []

    def metrics(self) -> dict[str, Metric]:
        """Return those of the one request."""
        [request] = self.received
        [resource] = request.resource_metrics
        [scope] = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}


class Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/metrics"
        self.server.received.append(ExportMetricsServiceRequest.FromString(body))
        if len(self.server.received) > 1:
            self.server.has_two.set()
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run one, to which the standard's variable leads."""
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "jobs")
        yield server
        server.shutdown()


def labels_of(point: Any) -> tuple[tuple[str, str], ...]:
    return tuple((it.key, it.value.string_value) for it in point.attributes)


def scraped(family: Family) -> dict[tuple[tuple[str, str], ...], float]:
    return {tuple(sample.labels.items()): sample.value for sample in family.samples}


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_collector_gets_what_prometheus_scrapes(alice: User, collector: Collector) -> None:
    """Each counter, gauge and histogram, with its labels; the service has its name."""
    for _ in range(3):
        get_user_by_id(alice.pk)
    RUNTIME.stop()  # which flushes
    call_command(COMMAND, "--once")
    metrics = collector.metrics()
    families = list(SnapshotCollector(take_snapshot(60, top=0)).collect())
    assert {family.name for family in families if family.samples} == metrics.keys()
    assert sum(scraped(next(it for it in families if it.name == "usercache_lookups")).values()) == 3
    for family in families:
        metric = metrics.get(family.name)
        if metric is None or family.type == "histogram":
            continue
        kind = metric.sum if family.type == "counter" else metric.gauge
        points = {labels_of(point): point.as_double for point in kind.data_points}
        if family.type == "counter":
            assert metric.sum.is_monotonic
            assert points == scraped(family)
        else:
            assert points.keys() == scraped(family).keys()
    [resource] = collector.received[0].resource_metrics
    names = {it.key: it.value.string_value for it in resource.resource.attributes}
    assert names["service.name"] == "jobs"


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_histogram_has_the_same_buckets(alice: User, collector: Collector) -> None:
    """OpenTelemetry counts what is between two bounds, Prometheus what is below one."""
    for _ in range(3):
        get_user_by_id(alice.pk)
    RUNTIME.stop()
    call_command(COMMAND, "--once")
    histogram = collector.metrics()["usercache_lookup_duration_seconds"].histogram
    assert histogram.aggregation_temporality == AggregationTemporality.Value(
        "AGGREGATION_TEMPORALITY_CUMULATIVE"
    )
    points = {dict(labels_of(point))["result"]: point for point in histogram.data_points}
    assert sum(point.count for point in points.values()) == 3
    for point in points.values():
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert sum(point.bucket_counts) == point.count
        assert list(point.explicit_bounds) == sorted(point.explicit_bounds)
        assert not point.HasField("min")
        assert point.start_time_unix_nano <= point.time_unix_nano
    assert 0 < points["miss"].sum < 60


@pytest.mark.redis
@pytest.mark.django_db
def test_no_counters_while_redis_is_away(collector: Collector) -> None:
    """They would be this process's alone; the status says why."""
    keep_redis_away()
    call_command(COMMAND, "--once")
    metrics = collector.metrics()
    assert "usercache_lookups" not in metrics
    status = {labels_of(it): it.as_double for it in metrics["usercache_status"].gauge.data_points}
    assert status[(("status", "down"),)] == 1


@pytest.mark.redis
@pytest.mark.django_db
def test_collector_that_refuses(collector: Collector) -> None:
    """Is an error of the command."""
    collector.status = 400
    with pytest.raises(CommandError, match="weren't accepted"):
        call_command(COMMAND, "--once")


@pytest.mark.redis
@pytest.mark.django_db
@pytest.mark.parametrize(("status", "failures"), [(200, 0), (400, 2)])
def test_sends_again_and_again(collector: Collector, status: int, failures: int) -> None:
    """Until it is told to end; failures are counted."""
    collector.status = status
    assert cache_otlp._send_until(collector.has_two, Exporter(), 0.01) == failures
    assert len(collector.received) == 2


@pytest.mark.redis
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_database_that_was_restarted(collector: Collector) -> None:
    """Is connected to again: the process lives for long, and no request replaces its connection."""
    connection.ensure_connection()
    connection.connection.close()
    cache_otlp._send_until(collector.has_two, Exporter(), 0.01)
    del collector.received[0]  # perhaps what noticed it
    assert OUTBOX in collector.metrics()


@pytest.mark.django_db
def test_what_is_missing_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis, or the extra."""
    settings.USERCACHE_REDIS_ALIAS = ""
    with pytest.raises(CommandError, match="Without Redis"):
        call_command(COMMAND, "--once")
    monkeypatch.setattr(cache_otlp, "otlp", None)
    with pytest.raises(CommandError, match="django-usercache\\[otlp\\]"):
        call_command(COMMAND, "--once")
