"""What each process says of itself to the others."""

import os
import socket
import sys
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

REPORT_SECONDS: Final = 5.0
"""Between two reports of a process in which nothing has changed."""
FORGOTTEN_AFTER_SECONDS: Final = 60.0
"""A process not heard of for so long has died, or can't reach Redis."""
PROCESSES_KEPT: Final = 1000


class ProcessState(NamedTuple):
    """One process, as it described itself."""

    token: str
    """Random, so that no other process has it, whatever its id."""
    host: str
    pid: int
    kind: str
    """What it runs: gunicorn, cache_relay, runserver."""
    started: float
    """Seconds since 1970."""
    breaker: str
    """What it thinks of Redis: closed (in use), open, probing; none where there is no Redis."""
    near: str
    """The state of its near tier; empty where it has none."""


class SeenProcess(NamedTuple):
    """A process and how long ago it was heard of."""

    state: ProcessState
    seen_seconds: float


def describe_process(token: str, started: float, breaker: str, near: str) -> ProcessState:
    """Return the state of this process."""
    return ProcessState(
        token, socket.gethostname(), os.getpid(), kind_of(sys.argv), started, breaker, near
    )


def encode(state: ProcessState) -> bytes:
    """Return the state as Redis keeps it."""
    return msgspec.json.encode(state)


def decode(states: list[tuple[bytes, float]], now: float) -> list[SeenProcess]:
    """Return who was heard of lately, in the order of hosts and process ids.

    Of a process that changed, the newer state; what isn't spelled as ours is left out, as during
    a deployment of another version.
    """
    newest: dict[str, SeenProcess] = {}
    for encoded, seen_at in sorted(states, key=lambda item: item[1]):
        try:
            state = msgspec.json.decode(encoded, type=ProcessState)
        except msgspec.MsgspecError:
            continue
        age_seconds = max(0.0, now - seen_at)
        if age_seconds <= FORGOTTEN_AFTER_SECONDS:
            newest[state.token] = SeenProcess(state, age_seconds)
    return sorted(newest.values(), key=lambda seen: (seen.state.host, seen.state.pid))


def kind_of(arguments: list[str]) -> str:
    """Return what a process of this command line runs: gunicorn, cache_relay, runserver."""
    # Never more of the command line than this: an option may be a secret.
    path = Path(arguments[0] if arguments else "")
    program = path.parent.name if path.name == "__main__.py" else path.name
    is_management = program in ("manage.py", "django-admin")
    return arguments[1] if is_management and len(arguments) > 1 else program or "python"
