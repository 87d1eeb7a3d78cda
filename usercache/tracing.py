"""Look-ups as OpenTelemetry spans, where USERCACHE_TRACING asks for them."""

import time
from typing import Any, Final

from usercache.stats import Stats

try:
    from opentelemetry import trace
except ImportError:  # an extra: without it, and without the setting, nothing here is used
    trace = None  # type: ignore[assignment]

SPAN: Final = "usercache.look_up"
RESULT: Final = "usercache.result"
_NANOSECONDS: Final = 1_000_000_000


def is_installed() -> bool:
    """Say whether there is an OpenTelemetry API to give spans to."""
    return trace is not None


class TracedStats(Stats):
    """Stats that make a span of each look-up they note, as part of whatever span its caller is in.

    It is made once the look-up is over, so that the path of a look-up is the same with and without;
    what happened within, as a query, stands beside it.
    """

    def __init__(self) -> None:
        """Take the tracer of whichever provider is set, now or later."""
        super().__init__()
        self._tracer = trace.get_tracer("usercache")

    def note_lookup(self, result: str, began: float, pk: Any) -> None:
        """Note it, and tell the tracer; who was looked up stays untold."""
        super().note_lookup(result, began, pk)
        ended_ns = time.time_ns()
        began_ns = ended_ns - int((time.perf_counter() - began) * _NANOSECONDS)
        span = self._tracer.start_span(SPAN, start_time=began_ns, attributes={RESULT: result})
        span.end(ended_ns)
