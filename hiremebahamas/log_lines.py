"""The lines of the log: with the time at their beginning, or as JSON."""

import datetime
import json
import logging
import re
import traceback
from typing import Any, Final

from hiremebahamas.request_ids import get_request_id

try:
    from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
except ImportError:  # no requirement
    HAS_SPANS = False
else:
    HAS_SPANS = True

MASK: Final = "…@"
_ADDRESS: Final = re.compile(r"[^\s@\"'<>(]+@")


class Formatter(logging.Formatter):
    """Format times as ISO 8601 with the offset from UTC: `2026-11-26T20:15:00.123-05:00`."""

    def formatTime(  # noqa: N802  # the name is logging's
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """Return the time of the record."""
        made_at = datetime.datetime.fromtimestamp(record.created, tz=datetime.UTC).astimezone()
        return made_at.isoformat(timespec="milliseconds")


class JSONFormatter(Formatter):
    """Format lines as JSON, for machines: with the request's name, and without personal data.

    Within a span of OpenTelemetry also with its name and that of its trace.

    Of an error only its type and where it was raised: its text may hold what a user sent. What
    looks like an email address, or the login in a URL, is masked.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _ADDRESS.sub(MASK, record.getMessage()),
        }
        if request_id := get_request_id():
            line["request_id"] = request_id
        if HAS_SPANS:
            line |= _name_span()
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line)


def _name_span() -> dict[str, str]:
    span = get_current_span().get_span_context()
    if not span.is_valid:  # there is none
        return {}
    return {"trace_id": format_trace_id(span.trace_id), "span_id": format_span_id(span.span_id)}
