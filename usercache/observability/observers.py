"""What observes the store of this process: the recorder, the audit, the shadow, and tracing."""

import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from usercache.conf import conf
from usercache.events import Observer
from usercache.lookup import Store
from usercache.observability.audit import Audit
from usercache.observability.metrics.flusher import Flusher
from usercache.observability.metrics.recorder import Recorder
from usercache.observability.metrics.state import ProcessState, kind_of
from usercache.observability.metrics.store import MetricsStore
from usercache.observability.shadow import Shadow
from usercache.runtime import Service, get_store

try:
    from opentelemetry import trace
except ImportError:  # an extra: without it, and without the setting, nothing here is used
    trace = None  # type: ignore[assignment]

_NANOSECONDS: Final = 1_000_000_000


def can_trace() -> bool:
    """Return whether there is an OpenTelemetry API to give spans to."""
    return trace is not None


class Tracer(Observer):
    """Make an OpenTelemetry span of each look-up, as part of the span its caller is in.

    It is made once the look-up is over, so that a look-up runs the same with and without; what
    happened within, as a query, stands beside it.
    """

    def __init__(self) -> None:
        self._tracer = trace.get_tracer("usercache")

    def note_lookup(self, result: str, began: float, pk: str) -> None:
        """Make the span; it doesn't say which user was looked up."""
        ended_ns = time.time_ns()
        began_ns = ended_ns - int((time.perf_counter() - began) * _NANOSECONDS)
        attributes = {"usercache.result": result}
        span = self._tracer.start_span(
            "usercache.look_up", start_time=began_ns, attributes=attributes
        )
        span.end(ended_ns)


@dataclass(frozen=True, eq=False)
class Observers(Observer):
    """The observers of one store, found by `observers_of()`."""

    recorder: Recorder
    audit: Audit
    shadow: Shadow
    metrics_store: MetricsStore | None  # None without Redis: the metrics are this process's alone


def observe(store: Store) -> Iterable[Service]:
    """Observe a store; see `usercache.runtime.Extension`."""
    recorder, events = Recorder(), store.events
    audit = Audit(conf.USERCACHE_AUDIT_SHARE, recorder, store, random.random)
    # Without Redis there is no switch that keeps users out.
    shadow_share = 0.0 if store.redis is None else conf.USERCACHE_SHADOW_SHARE
    shadow = Shadow(shadow_share, recorder, audit, store, random.random)
    metrics_store = None if store.redis is None else MetricsStore(store.redis)
    events.subscribe(recorder)
    if audit.share:
        events.subscribe(audit)
    if shadow.share:
        events.subscribe(shadow)
        yield shadow
    if audit.share or shadow.share:
        yield audit
    if conf.USERCACHE_TRACING and can_trace():
        events.subscribe(Tracer())
    events.subscribe(Observers(recorder, audit, shadow, metrics_store))
    describe, every_seconds = (
        _describer(store, recorder.token),
        conf.USERCACHE_METRICS_FLUSH_SECONDS,
    )
    yield Flusher(recorder, metrics_store, describe, every_seconds, events.note_unexpected)


def observers_of(store: Store | None = None) -> Observers:
    """Return the observers of a store, of this process's by default."""
    events = (store or get_store()).events
    return next(found for found in events.observers if isinstance(found, Observers))


def _describer(store: Store, token: str) -> Callable[[], ProcessState]:
    host, pid, kind, started = socket.gethostname(), os.getpid(), kind_of(sys.argv), time.time()

    def describe() -> ProcessState:
        breaker = "" if store.redis is None else store.redis.breaker.state
        present = store.present_l1 or store.l1
        l1 = "" if present is None else present.state
        return ProcessState(token, host, pid, kind, started, breaker, l1)

    return describe
