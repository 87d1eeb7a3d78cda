"""What a process says of itself."""

from dataclasses import replace

import pytest
from msgspec.json import encode

from usercache.observability.metrics.state import ProcessState, decode_processes, kind_of

STATE = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["/venv/bin/gunicorn", "hiremebahamas.wsgi", "--workers", "4"], "gunicorn"),
        (["/venv/lib/python3.11/site-packages/gunicorn/__main__.py", "x"], "gunicorn"),
        (["manage.py", "cache_relay", "--poll", "1"], "cache_relay"),
        (["/srv/manage.py"], "manage.py"),
        (["-c", "secret"], "-c"),
        ([""], "python"),
        ([], "python"),
    ],
)
def test_kind(arguments: list[str], kind: str) -> None:
    """What runs is told by a word, and nothing more of the command line."""
    assert kind_of(arguments) == kind


def test_what_is_spelled_otherwise_is_left_out() -> None:
    """Another version's spelling, or garbage, hides no other process, and is counted."""
    state = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")
    told = [(b"{}", 100.0), (b"\xff", 100.0), (encode(state), 90.0)]
    assert decode_processes(told, 100.0) == ([replace(state, seen_seconds=10.0)], 2)


@pytest.mark.parametrize(
    "encoded",
    [
        b"[" * 900,
        encode(replace(STATE, host="x" * 1000)),
        encode(replace(STATE, kind="")),
        encode(replace(STATE, kind="\x1b[2J")),
        encode(replace(STATE, l1="\n")),
        encode(STATE).replace(b"web1", b"\xff\xfe"),
        encode(STATE).replace(b"web1", b"\\ud800"),
        encode(STATE)[:-1] + b',"x":"' + b"x" * 1000 + b'"}',
        encode(STATE)[:-1] + b',"x":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_hostile_state(encoded: bytes) -> None:
    """What would fill a page, steer a terminal, or can't be parsed is left out."""
    assert decode_processes([(encoded, 100.0)], 100.0) == ([], 1)


@pytest.mark.parametrize(("seen_at", "foreign"), [(float("inf"), 1), (1e300, 1), (-1e300, 0)])
def test_process_out_of_time(seen_at: float, foreign: int) -> None:
    """A state from the future would stay for ever; one from long ago is forgotten as any is."""
    assert decode_processes([(encode(STATE), seen_at)], 100.0) == ([], foreign)


def test_process_whose_clock_is_ahead() -> None:
    """By seconds, as clocks differ, it is as if heard of now."""
    assert decode_processes([(encode(STATE), 130.0)], 100.0) == ([STATE], 0)
