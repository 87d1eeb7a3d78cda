"""manage.py cache_stats: for eyes, for pipes and for programs."""

import io
import json
import re
import signal
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from rich.console import Console

from tests.processes import environment
from tests.steering import keep_redis_away
from tests.users import User
from usercache.management.canvas import Canvas
from usercache.observability.management.commands.cache_stats import draw
from usercache.observability.snapshot import take_snapshot
from usercache.runtime import RUNTIME
from usercache.users import get_user_by_id

COMMAND = [sys.executable, "manage.py", "cache_stats"]


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("cache_stats", *arguments, stdout=out, **options)
    return out.getvalue()


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_another_process_shows_the_metrics_of_all(alice: User) -> None:
    """One JSON object a line while watching, until Ctrl-C ends it without a word."""
    for _ in range(4):
        get_user_by_id(alice.pk)
    RUNTIME.stop()
    command = [*COMMAND, "--json", "--watch", "0.5"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")
    assert [(s["status"], s["hits"], s["misses"]) for s in shown] == [("healthy", 3, 1)] * 2


@pytest.mark.django_db(transaction=True)
def test_plain_lines_where_there_is_no_terminal(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A label and a value to a line, without colour, in ASCII where the locale says so."""
    monkeypatch.setenv("LC_ALL", "C")
    for _ in range(4):
        get_user_by_id(alice.pk)
    printed = run("--window", "60s")
    assert printed.isascii()
    assert "\x1b" not in printed
    lines = dict(
        re.split(r"  +", line.strip(), maxsplit=1) for line in printed.splitlines() if "  " in line
    )
    assert lines["Status"] == "healthy"
    assert lines["Hits"] == "3 (75.0%)"
    assert lines["Misses"] == "1 (25.0%)"
    assert lines["Hit rate"].startswith("75.0% (4 look-ups, ")
    assert lines["Metrics"].startswith("No such user, ")
    assert lines[f"user:id:{alice.pk}"] == "3"


@pytest.mark.django_db
def test_without_redis_it_says_where_metrics_are(settings: Settings) -> None:
    """A command counts nothing itself, and can't know what a web process counted."""
    settings.USERCACHE_REDIS_ALIAS = ""
    printed = run()
    assert "of this process alone" in printed
    assert "Each web process shows its own on the admin site's dashboard" in printed
    assert "set REDIS_URL" in printed


@pytest.mark.redis
@pytest.mark.django_db
def test_redis_that_is_away_is_an_exit_code() -> None:
    """It still prints, says that the metrics are partial, and exits with 2."""
    keep_redis_away()
    out = io.StringIO()
    with pytest.raises(SystemExit) as exit_info:
        call_command("cache_stats", stdout=out)
    assert exit_info.value.code == 2
    assert "of this process alone" in out.getvalue()
    assert "Redis can't be used" in out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_dashboard_fits(width: int, locale: str) -> None:
    """It is as wide as the terminal, and of ASCII where it must be."""
    out = io.StringIO()
    canvas = Canvas(out, {"LANG": locale})
    canvas.console = Console(file=out, width=width, height=50)
    canvas.console.print(draw(take_snapshot(), canvas))
    lines = out.getvalue().splitlines()
    assert {len(line) for line in lines} == {width}
    assert out.getvalue().isascii() == (locale == "C")
    assert any("Look-ups" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--window", "10s"), "60 s to 2 d"),
        (("--window", "3d"), "60 s to 2 d"),
        (("--window", "soon"), "write it like 90s"),
        (("--watch", "0.1"), "0.5 s to 1 h"),
        (("--top", "101"), "from 0 to 100"),
    ],
)
def test_bad_arguments(arguments: tuple[str, ...], said: str) -> None:
    """Each says what would be right."""
    with pytest.raises(CommandError, match=said):
        run(*arguments)
