"""A process is ended only if it is the very one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standing.processes import MARK, find, stop, sweep

SLEEP = "import signal; print('ready', flush=True); signal.pause()"


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that waits; the parameters are its mark and its folder."""
    mark, folder = getattr(request, "param", ("", "."))
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEP],
        env=os.environ | {MARK: mark.format(tmp_path)},
        cwd=folder.format(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_process_is_stopped(started: subprocess.Popen[str]) -> None:
    """By SIGTERM; a second time there is nothing to do."""
    known = find(started.pid)
    assert known
    assert stop(known)
    assert started.wait() < 0
    assert not stop(known)


def test_later_process_with_the_same_id_is_left_alone(started: subprocess.Popen[str]) -> None:
    """It was started at another time."""
    known = find(started.pid)
    assert known
    assert not stop(known._replace(started=known.started - 1))
    assert started.poll() is None


@pytest.mark.parametrize(
    "started", [("{}", "/"), ("", "{}")], ids=["by mark", "by folder"], indirect=True
)
def test_what_belongs_to_a_folder_is_swept(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """By the mark in its environment, or by where it works."""
    assert sweep(tmp_path) == 1
    assert started.wait() < 0


@pytest.mark.parametrize(
    "started", [("{}-other", "/"), ("", "/")], ids=["another's", "nobody's"], indirect=True
)
def test_what_belongs_elsewhere_is_not(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """Also if the other folder's name only begins like this one's."""
    assert sweep(tmp_path) == 0
    assert started.poll() is None


def test_own_process_is_never_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it works there."""
    monkeypatch.chdir(tmp_path)
    assert sweep(tmp_path) == 0
