"""What a process says of itself."""

import pytest

from usercache.figures.processes import ProcessState, decode, encode, kind_of


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
    """Another version's spelling, or garbage, hides nobody else."""
    state = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")
    told = [(b"{}", 100.0), (b"\xff", 100.0), (encode(state), 90.0)]
    assert decode(told, 100.0) == [(state, 10.0)]
