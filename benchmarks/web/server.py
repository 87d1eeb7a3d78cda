"""A web server of one contender's."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.e2e.web_server import WebServer
from tests.servers.server import HOST
from tests.servers.stack import PROJECT

KEEP_ALIVE_SECONDS: Final = 75


class BenchmarkServer(WebServer):
    """gunicorn with threads, without a log of its answers."""

    def __init__(
        self, directory: Path, environment: Mapping[str, str], *, processes: int, threads: int
    ) -> None:
        """Take its whole environment."""
        super().__init__(directory, processes=processes)
        self._threads = threads
        self._variables = environment

    def _environment(self) -> Mapping[str, str]:
        return self._variables

    def _command(self) -> Sequence[str | Path]:
        address = ("--bind", f"{HOST}:{self.port}", "--no-control-socket")
        workers = ("--workers", str(self.processes), "--threads", str(self._threads))
        times = ("--keep-alive", str(KEEP_ALIVE_SECONDS), "--graceful-timeout", "1")
        command = (sys.executable, "-m", "gunicorn", "hiremebahamas.wsgi", "--chdir", PROJECT)
        return (*command, *address, *workers, *times)
