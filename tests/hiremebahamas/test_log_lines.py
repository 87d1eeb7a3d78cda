"""Lines of the log say when, with the offset from UTC."""

import io
import json
import logging
import logging.config
import re
from pathlib import Path

import pytest
from django.conf import settings

SERVER = Path("hiremebahamas/server/logging.json")
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


@pytest.mark.parametrize(
    ("formatters", "name", "line"),
    [
        (settings.LOGGING["formatters"], "line", "WARNING usercache: said"),
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
