"""Lines of the log: when, with the offset from UTC; as JSON, of which request, and no more."""

import io
import json
import logging
import logging.config
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from hiremebahamas.environment import read_log_format
from hiremebahamas.log_lines import JSONFormatter
from hiremebahamas.request_ids import HEADER, VARIABLE, NamedRequests
from hiremebahamas.server import access_log

SERVER = Path("hiremebahamas/server/logging.json")
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


@pytest.mark.parametrize(
    ("formatters", "name", "line"),
    [
        (settings.LOGGING["formatters"], "text", "WARNING usercache: said"),
        (json.loads(SERVER.read_text())["formatters"], "generic", "WARNING granian: said"),
    ],
    ids=["ours", "the server's"],
)
def test_line_begins_with_a_moment_in_iso_8601(
    formatters: dict[str, dict[str, str]], name: str, line: str
) -> None:
    """The logs of several machines together show what came first."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.config.DictConfigurator({}).configure_formatter(formatters[name]))
    handler.handle(logging.LogRecord("usercache", logging.WARNING, "", 0, "said", None, None))
    assert re.fullmatch(f"{MOMENT} {re.escape(line)}\n", out.getvalue())


def format_as_json(message: str, values: Any = None, *, exc_info: Any = None) -> dict[str, Any]:
    record = logging.LogRecord("usercache", logging.ERROR, "", 0, message, values, exc_info)
    found: dict[str, Any] = json.loads(JSONFormatter().format(record))
    return found


def test_json_line_says_when_what_and_who() -> None:
    """One object, with the message as it was put together."""
    line = format_as_json("Redis failed %d times.", (3,))
    assert re.fullmatch(MOMENT, line.pop("time"))
    assert line == {"level": "ERROR", "logger": "usercache", "message": "Redis failed 3 times."}


def test_json_line_names_its_span() -> None:
    """Of OpenTelemetry, and its trace, so that a line leads to what else the request did."""
    with TracerProvider(shutdown_on_exit=False).get_tracer("view").start_as_current_span("GET /"):
        context = trace.get_current_span().get_span_context()
        line = format_as_json("said")
    assert line["trace_id"] == f"{context.trace_id:032x}"
    assert line["span_id"] == f"{context.span_id:016x}"
    assert "trace_id" not in format_as_json("said")


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("7f3a-Request_1", True),
        ("", False),
        ('forged", "level": "DEBUG', False),
        ("x" * 65, False),
        ("two\nlines", False),
    ],
)
def test_json_line_has_the_id_of_its_request(given: str, is_kept: bool) -> None:
    """As the answer has it: the proxy's, or a new one if that isn't plain; none outside of one."""
    lines = list[dict[str, Any]]()
    headers = list[tuple[str, str]]()

    def answer(_environ: Any, start_response: Any) -> list[bytes]:
        lines.append(format_as_json("said"))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"answered"]

    def start_response(_status: str, found: list[tuple[str, str]]) -> Any:
        headers.extend(found)

    application: Any = NamedRequests(answer)
    assert application({VARIABLE: given}, start_response) == [b"answered"]
    request_id = dict(headers)[HEADER]
    assert lines[0]["request_id"] == request_id
    assert (request_id == given) == is_kept
    assert re.fullmatch("[A-Za-z0-9_-]{1,64}", request_id)
    assert "request_id" not in format_as_json("said")


def test_json_line_has_no_personal_data() -> None:
    """Neither the text of an error, nor an email address, nor the login in a URL."""
    try:
        raise ValueError("Key (email)=(alice@example.com) already exists.")
    except ValueError:
        line = format_as_json("It failed for <alice@example.com>.", exc_info=sys.exc_info())
    assert line["error"] == "ValueError"
    assert line["trace"][0].endswith(" test_json_line_has_no_personal_data")
    url = format_as_json("No server at %s.", ("redis://hmb:secret@redis:6379/0",))
    for text in (str(line), str(url)):
        assert not re.search("alice|secret", text)


def test_json_access_line_has_no_address() -> None:
    """It says what was answered, and how long that took."""
    told = {
        "addr": "203.0.113.7",
        "time": "[…]",
        "method": "GET",
        "path": '/users/7\n{"forged": 1}',
        "query_string": "search=rolle",
        "status": 200,
        "dt_ms": 1.5,
    }
    record = logging.LogRecord("granian.access", logging.INFO, "", 0, "%(path)s", (told,), None)
    text = access_log.JSONFormatter().format(record)
    line = json.loads(text)
    assert "\n" not in text
    assert (line["method"], line["status"], line["dt_ms"]) == ("GET", 200, 1.5)
    assert not re.search("203|rolle", text)


def test_format_that_there_is_none_of_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """With those that there are."""
    monkeypatch.setenv("LOG_FORMAT", "xml")
    with pytest.raises(ImproperlyConfigured, match="Set it to text or json"):
        read_log_format()
