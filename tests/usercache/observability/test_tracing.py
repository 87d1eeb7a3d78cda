"""Look-ups as OpenTelemetry spans, and none where they are not asked for."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_django import Settings

from tests.counting import counts
from tests.users import User
from usercache.observability import observers
from usercache.observability.checks import check_tracing
from usercache.runtime import get_store
from usercache.users import get_user_by_id


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


@pytest.mark.django_db(transaction=True)
def test_a_span_for_each_look_up(
    settings: Settings, exporter: InMemorySpanExporter, alice: User
) -> None:
    """It lasts as long as the look-up, has its result and its parent, and names no user."""
    settings.USERCACHE_TRACING = True
    with trace.get_tracer("view").start_as_current_span("GET /auth/verify"):
        for _ in range(2):
            get_user_by_id(alice.pk)
    miss, hit, request = exporter.get_finished_spans()
    assert (miss.name, miss.attributes) == ("usercache.look_up", {"usercache.result": "miss"})
    assert str((hit.attributes or {})["usercache.result"]) in ("l1", "redis", "memory")
    for span in (miss, hit):
        assert span.parent == request.context
        times = [request.start_time, span.start_time, span.end_time, request.end_time]
        assert times == sorted(times, key=lambda ns: ns or 0)
    assert counts()["misses"] == 1


@pytest.mark.django_db
def test_no_span_by_default(exporter: InMemorySpanExporter, alice: User) -> None:
    """Whether OpenTelemetry is installed or not."""
    get_user_by_id(alice.pk)
    assert exporter.get_finished_spans() == ()


def test_tracing_without_opentelemetry(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install, and look-ups go on without spans."""
    settings.USERCACHE_TRACING = True
    assert list(check_tracing()) == []
    monkeypatch.setattr(observers, "trace", None)
    [message] = check_tracing()
    assert message.id == "usercache.W025"
    assert "opentelemetry-api" in str(message.hint)
    assert not any(isinstance(seen, observers.Tracer) for seen in get_store().events.observers)
