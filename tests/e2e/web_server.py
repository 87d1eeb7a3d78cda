"""The product under gunicorn, in several processes, as in production."""

import http.client
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.processes import environment
from tests.servers.server import HOST, Server
from tests.servers.stack import PROJECT

THREADS = 4
READY_SECONDS = 5


class WebServer(Server):
    """gunicorn on the databases of this test run: `with WebServer(tmp_path) as server: …`.

    Every answer is a line in its log: which process gave it, and to which user agent.
    """

    def __init__(
        self, directory: Path, *arguments: str, processes: int = 3, **variables: str
    ) -> None:
        """Take further command-line arguments, and variables for its environment."""
        super().__init__(directory)
        self.processes = processes
        self.arguments = arguments
        self.variables = variables

    @property
    def url(self) -> str:
        """The URL of its root, as in `http://127.0.0.1:8000`."""
        return f"http://{HOST}:{self.port}"

    def read_log(self) -> str:
        """Return what all of its processes have logged so far."""
        return self._log.read_text(errors="replace")

    def who_answered(self, agent: str) -> set[str]:
        """Return the ids of the processes that are known to have answered this user agent."""
        return set(
            re.findall(rf"^answered by (\S+) to {re.escape(agent)}$", self.read_log(), re.MULTILINE)
        )

    def _environment(self) -> Mapping[str, str]:
        pool = {"DATABASE_POOL_MAX_CONNECTIONS": str(THREADS)}
        return environment(**(pool | self.variables))

    def _command(self) -> Sequence[str | Path]:
        address = ("--bind", f"{HOST}:{self.port}", "--no-control-socket")
        workers = ("--workers", str(self.processes), "--threads", str(THREADS))
        log = ("--access-logfile", "-", "--access-logformat", "answered by %(p)s to %(a)s")
        command = (sys.executable, "-m", "gunicorn", "hiremebahamas.wsgi", "--chdir", PROJECT)
        return (*command, *address, *workers, *log, "--graceful-timeout", "2", *self.arguments)

    def _is_ready(self) -> bool:
        # It listens before anybody accepts; and before it listens, a stranger may.
        if "Listening at" not in self.read_log():
            return False
        connection = http.client.HTTPConnection(HOST, self.port, timeout=READY_SECONDS)
        try:
            connection.request("GET", "/auth/verify")
            return connection.getresponse().status == http.HTTPStatus.UNAUTHORIZED
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
