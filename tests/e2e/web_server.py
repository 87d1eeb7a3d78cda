"""The product in several processes, under gunicorn, which tells which of them answered."""

import http.client
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.processes import environment
from tests.servers.server import HOST, Server
from tests.servers.stack import PROJECT

THREADS = 4
READY_SECONDS = 30
ANSWER_FORMAT = "answered %(s)s by %(p)s to %(a)s"
# As it is by default in production, and not in the tests' own process.
L1_VARIABLES = {"USERCACHE_L1_MAX_ENTRIES": "10000"}
# For tests of something else: a machine that is slow for a moment is no server that hangs.
WAIT_VARIABLES = {"USERCACHE_REDIS_TIMEOUT_SECONDS": "10", "DATABASE_TIMEOUT_SECONDS": "30"}


class WebServer(Server):
    """gunicorn on the databases of this test run: `with WebServer(tmp_path) as server: …`.

    Every answer is a line in its log: its status, which process gave it, to which user agent.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        processes: int = 2,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Take further command-line arguments, and variables for its environment."""
        super().__init__(directory)
        self.processes = processes
        self.arguments = arguments
        self.variables = dict(variables or {})

    @property
    def url(self) -> str:
        """The URL of its root, as in `http://127.0.0.1:8000`."""
        return f"http://{HOST}:{self.port}"

    def read_log(self) -> str:
        """Return what all of its processes have logged so far."""
        return self._log.read_text(errors="replace")

    def who_answered(self, agent: str, status: int | None = None) -> set[str]:
        """Return the ids of the processes that are known to have answered this user agent."""
        statuses = r"\d+" if status is None else status
        line = re.compile(rf"^answered {statuses} by (\S+) to {re.escape(agent)}$", re.MULTILINE)
        return set(line.findall(self.read_log()))

    def _environment(self) -> Mapping[str, str]:
        pool = {"DATABASE_POOL_MAX_CONNECTIONS": str(THREADS)}
        return environment(**(pool | L1_VARIABLES | self.variables))

    def _command(self) -> Sequence[str | Path]:
        address = ("--bind", f"{HOST}:{self.port}", "--no-control-socket")
        workers = ("--workers", str(self.processes), "--threads", str(THREADS))
        log = ("--access-logfile", "-", "--access-logformat", ANSWER_FORMAT)
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
