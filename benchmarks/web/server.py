"""A web server of one contender's."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.e2e.web_server import WebServer
from tests.servers.server import HOST
from tests.servers.stack import PROJECT

KEEP_ALIVE_MILLISECONDS: Final = "60000"


PRODUCT: Final = ("hiremebahamas.server.worker:application", "--interface", "rsgi")
STATELESS_ON_LOOP: Final = ("benchmarks.web.worker:application", "--interface", "rsgi")
ON_THREADS: Final = ("hiremebahamas.wsgi:application", "--interface", "wsgi", "--blocking-threads")
"""And how many."""


class BenchmarkServer(WebServer):
    """granian as in production, but without a log of its answers."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        *,
        processes: int,
        served: Sequence[str] = PRODUCT,
        checkout: Path = PROJECT,
    ) -> None:
        """Take its whole environment, what it serves and how, and where its code is."""
        super().__init__(directory, processes=processes)
        self._served = served
        self._variables = environment
        self._checkout = checkout

    def cpu_seconds(self) -> float:
        """Return the processor time that it and its workers have used."""
        workers = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(map(_cpu_seconds, [str(self.pid), *workers]))

    def _environment(self) -> Mapping[str, str]:
        return self._variables

    def _command(self) -> Sequence[str | Path]:
        address = ("--host", HOST, "--port", str(self.port), "--http", "1", "--no-ws")
        workers = ("--workers", str(self.processes))
        keeping = ("--http1-header-read-timeout", KEEP_ALIVE_MILLISECONDS)
        place = ("--working-dir", self._checkout)
        granian = (sys.executable, "-m", "granian")
        return (*granian, *self._served, *address, *workers, *keeping, *place)


def tree_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children, those that ended included."""
    # After the name, in parentheses: user and system time, and of the children waited for.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(map(_cpu_seconds, children))


def _cpu_seconds(pid: str) -> float:
    # After the name, in parentheses: user and system time. Source: proc(5), /proc/pid/stat.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
