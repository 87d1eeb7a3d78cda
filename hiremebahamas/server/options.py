"""Where is served, by how many processes and threads: from the environment, else the machine."""

import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.server.address import Address, parse_address
from hiremebahamas.variables import read_int, read_switch

BIND_DEFAULT: Final = "127.0.0.1:8000"
# A request under way may wait 15 s for the database (environment.py), and then for its answer's
# reader.
STOP_SECONDS_DEFAULT: Final = 25
# Where a machine has more processors, somebody should choose how many of them we take.
WORKERS_DEFAULT_MAX: Final = 16
WORKERS_MAX: Final = 256
THREADS_DEFAULT: Final = 4
THREADS_MAX: Final = 256

CPU_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""A container's own limit: microseconds of processor time, in how many. Source: cgroup v2."""


class ServerOptions(NamedTuple):
    """What may differ between machines."""

    address: Address
    workers: int
    threads: int
    """Of each worker; each serves one request at a time."""
    stop_seconds: int
    """How long requests under way may go on after SIGTERM."""
    collects_static: bool
    """Whether the static files are put in place at each start."""


def read_options() -> ServerOptions:
    """Return what the variables called WEB_... say.

    Raises: ImproperlyConfigured, with what to do.
    """
    return ServerOptions(
        address=_read_address("WEB_BIND"),
        workers=read_int("WEB_WORKERS", _default_workers(), low=1, high=WORKERS_MAX),
        threads=read_int("WEB_THREADS", THREADS_DEFAULT, low=1, high=THREADS_MAX),
        stop_seconds=read_int("WEB_STOP_SECONDS", STOP_SECONDS_DEFAULT, low=1, high=600),
        collects_static=read_switch("WEB_COLLECT_STATIC", default=True),
    )


def count_processors(quota_file: Path = CPU_QUOTA) -> int:
    """Return how many processors this process may use, its container's quota regarded."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = quota_file.read_text().split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # no such file here, or "max 100000"
        return allowed


def _default_workers() -> int:
    return min(count_processors(), WORKERS_DEFAULT_MAX)


def _read_address(name: str) -> Address:
    text = os.environ.get(name) or BIND_DEFAULT
    try:
        return parse_address(text)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is {text!r}. Set it to an IP address and a port, as in {BIND_DEFAULT}, or "
            "to a socket file, as in unix:/run/hiremebahamas/web.sock."
        ) from error
