"""The product as `make serve` starts it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.web_server import L1_VARIABLES, WAIT_VARIABLES, WebServer
from tests.processes import environment
from tests.servers.server import HOST
from tests.servers.stack import PROJECT
from tests.waiting import WAIT_SECONDS


class ProductionServer(WebServer):
    """The production command, with one worker unless told else, and static files of its own."""

    def wait(self) -> int:
        """Wait for its end, and return how it ended."""
        return self._running().wait(WAIT_SECONDS)

    def _environment(self) -> Mapping[str, str]:
        own = {
            "ENV_FILE": "",
            "PYTHONPATH": str(PROJECT),
            "STATIC_ROOT": str(self.directory / "static"),
            "WEB_BIND": f"{HOST}:{self.port}",
            "WEB_WORKERS": "1",
        }
        return environment(**(L1_VARIABLES | WAIT_VARIABLES | own | self.variables))

    def _command(self) -> Sequence[str | Path]:
        return (sys.executable, "-m", "hiremebahamas.server")
