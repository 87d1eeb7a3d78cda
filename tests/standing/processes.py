"""Processes that outlive the command that started them, and what is left of them.

A process's id is used again once it has ended. So a process is known by its id and the time it was
started at, and signalled through a descriptor that can only mean that one.
"""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

MARK: Final = "HIREMEBAHAMAS_FLEET"
"""The variable that each process of a fleet inherits: the fleet's folder."""
STOP_SECONDS: Final = 120
KILL_SECONDS: Final = 30
MILLISECONDS: Final = 1000
_PROC: Final = Path("/proc")
_FIELDS_BEFORE_START: Final = 19
"""After the name, in parentheses, which may hold anything. Source: proc(5), /proc/pid/stat."""


class Known(NamedTuple):
    """One process, and no later one with its id."""

    pid: int
    started: int
    """In clock ticks after boot."""


def find(pid: int) -> Known | None:
    """Return the process with this id, None if there is none, or it only waits for its parent."""
    try:
        status = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = status.rpartition(")")[2].split()
    return None if state == "Z" else Known(pid, int(fields[_FIELDS_BEFORE_START - 1]))


def stop(known: Known) -> bool:
    """End this process, by SIGKILL after two minutes; return whether it was running."""
    with _descriptor(known) as descriptor:
        if descriptor is None:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not _has_ended(descriptor, STOP_SECONDS):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            _has_ended(descriptor, KILL_SECONDS)
        return True


def sweep(directory: Path) -> int:
    """Kill each process that carries the folder's mark or works in it; return how many."""
    found = [known for known in _find_all() if _belongs(known.pid, directory)]
    return sum(map(_kill, found))


def _find_all() -> Iterator[Known]:
    for path in _PROC.iterdir():
        if path.name.isdecimal() and (known := find(int(path.name))) and known.pid != os.getpid():
            yield known


def _belongs(pid: int, directory: Path) -> bool:
    try:
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
        if f"{MARK}={directory}".encode() in variables:
            return True
        # Servers that show what they do have written over their environment.
        return (_PROC / str(pid) / "cwd").readlink().is_relative_to(directory)
    except (FileNotFoundError, ProcessLookupError, PermissionError):  # ended, or another user's
        return False


def _kill(known: Known) -> bool:
    with _descriptor(known) as descriptor:
        if descriptor is None:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        return _has_ended(descriptor, KILL_SECONDS)


@contextmanager
def _descriptor(known: Known) -> Iterator[int | None]:
    descriptor = None
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(known.pid)
    try:
        # Opened first: from now on its id can't come to mean another.
        yield descriptor if find(known.pid) == known else None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _has_ended(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * MILLISECONDS))
