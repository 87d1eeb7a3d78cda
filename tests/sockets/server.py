"""The documentation's WebSockets, under granian."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.web_server import L1_VARIABLES, WebServer
from tests.processes import environment
from tests.servers.server import HOST
from tests.servers.stack import PROJECT


class SocketServer(WebServer):
    """`docs/open_sockets.py` in several processes."""

    def _environment(self) -> Mapping[str, str]:
        paths = {"PYTHONPATH": f"{PROJECT}:{PROJECT / 'docs'}"}
        return environment(**(L1_VARIABLES | paths | self.variables))

    def _command(self) -> Sequence[str | Path]:
        command = (sys.executable, "-m", "granian", "open_sockets:application")
        interface = ("--interface", "asginl", "--workers", str(self.processes))
        return (*command, *interface, "--host", HOST, "--port", str(self.port))

    def _is_ready(self) -> bool:
        return self.read_log().count("Started worker") == self.processes
