"""A run of the tests ends, also where one of them hangs for good, or kills its process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bounded_run import TIMED_OUT
from tests.servers.stack import PROJECT
from tests.waiting import WAIT_SECONDS

PLAIN = ("-p", "no:django", "-p", "no:cacheprovider", "--noconftest", "--quiet")
XDIST = ("--numprocesses", "2", "--dist", "worksteal", "--max-worker-restart", "0")
FAILED = 1
HANG_SECONDS = 30
"""In which a machine, however busy, begins the test that hangs."""

PASSES = "def test_passes(): pass"
# Not to be interrupted: the end of the block waits for the thread, which waits for ever.
HANGS = """
import threading
from concurrent.futures import ThreadPoolExecutor
def test_hangs():
    with ThreadPoolExecutor() as pool:
        pool.submit(threading.Event().wait)
"""
DIES = """
import os, signal
def test_dies():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(
    folder: Path, seconds: float, *tests: str, xdist: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run these tests, each in a file of its own, in a run that may take so long."""
    (folder / "pytest.ini").write_text("[pytest]")
    for number, test in enumerate(tests):
        (folder / f"test_{number}.py").write_text(test)
    return bounded(
        seconds, sys.executable, "-m", "pytest", *PLAIN, *(XDIST if xdist else ()), folder
    )


def bounded(seconds: float, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may take so long."""
    return subprocess.run(
        [sys.executable, "-m", "tests.bounded_run", str(seconds), *command],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )


@pytest.mark.parametrize(("test", "code"), [(PASSES, 0), ("def test(): assert False", FAILED)])
def test_a_run_that_ends_in_time_has_its_own_exit_code(
    tmp_path: Path, test: str, code: int
) -> None:
    """As without a bound."""
    answer = run(tmp_path, WAIT_SECONDS, test)
    assert answer.returncode == code, answer.stdout + answer.stderr


def test_a_command_that_hangs_is_ended() -> None:
    """Its exit code says so."""
    hangs = "import threading; threading.Event().wait()"
    answer = bounded(0.1, sys.executable, "-c", hangs)
    assert answer.returncode == TIMED_OUT, answer.stdout + answer.stderr
    assert "Not over in 0.1 s" in answer.stderr


@pytest.mark.long
def test_a_run_that_hangs_is_ended_and_shows_where(tmp_path: Path) -> None:
    """Though its own time-outs can't end it."""
    answer = run(tmp_path, HANG_SECONDS, HANGS)
    assert answer.returncode == TIMED_OUT, answer.stdout + answer.stderr
    assert f"Not over in {HANG_SECONDS} s" in answer.stderr
    assert "in wait" in answer.stderr


def test_a_worker_that_dies_fails_the_run(tmp_path: Path) -> None:
    """It names the test; nobody waits for the worker, or for what it would have run."""
    answer = run(tmp_path, WAIT_SECONDS, DIES, PASSES, PASSES, xdist=True)
    assert answer.returncode == FAILED, answer.stdout + answer.stderr
    assert "crashed while running" in answer.stdout
    assert "test_dies" in answer.stdout


def test_interrupts_reach_what_was_begun_in_the_background() -> None:
    """A shell leaves SIGINT ignored there, and all that tests start would inherit it."""
    heard = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    command = (sys.executable, "-m", "tests.bounded_run", "60", sys.executable, "-c", heard)
    ignored = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    )
    assert ignored.stdout == "True\n", ignored.stderr
