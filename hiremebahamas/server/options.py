"""Server options read from the environment, with defaults from the machine."""

import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.environment import read_log_format, read_threads
from hiremebahamas.server.address import Address, parse_address
from hiremebahamas.server.overload import read_queue_max
from hiremebahamas.variables import read_int, read_switch

BIND_DEFAULT: Final = "127.0.0.1:8000"
# An open request may wait for the database (DATABASE_TIMEOUT_SECONDS), and then for its client.
STOP_SECONDS_DEFAULT: Final = 25
# On a machine with more processors, the operator should choose how many to use.
WORKERS_DEFAULT_MAX: Final = 16
WORKERS_MAX: Final = 256

CPU_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")
"""A container's own limit: microseconds of processor time, in how many. Source: cgroup v2."""


class ServerOptions(NamedTuple):
    """The options that may differ between machines."""

    address: Address
    workers: int
    threads: int
    """Of each worker; each serves one request at a time."""
    queue_max: int
    """How many requests of each worker may wait for a thread; Note [Overload]."""
    stop_seconds: int
    """How long open requests may continue after SIGTERM."""
    collects_static: bool
    """Whether the static files are collected at each start."""
    log_format: str
    """`text` or `json`."""


def read_options() -> ServerOptions:
    """Read the WEB_… variables.

    Raises: ImproperlyConfigured, with what to do.
    """
    threads = read_threads()
    return ServerOptions(
        address=_read_address("WEB_BIND"),
        workers=read_int("WEB_WORKERS", _default_workers(), low=1, high=WORKERS_MAX),
        threads=threads,
        queue_max=read_queue_max(threads),
        stop_seconds=read_int("WEB_STOP_SECONDS", STOP_SECONDS_DEFAULT, low=1, high=600),
        collects_static=read_switch("WEB_COLLECT_STATIC", default=True),
        log_format=read_log_format(),
    )


def count_processors(quota_file: Path = CPU_QUOTA) -> int:
    """Return how many processors this process may use, within its container's quota."""
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
