"""The product's processes in the fleet: web servers of one worker each, and the relay."""

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from hiremebahamas.server.address import Address
from hiremebahamas.server.command_line import format_command
from hiremebahamas.server.options import ServerOptions
from hiremebahamas.server.overload import read_queue_max
from tests.e2e.web_server import L1_VARIABLES, WebServer
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.server import HOST, Server
from tests.servers.stack import PROJECT

THREADS = 4
GRACE_SECONDS = 1
"""Between SIGTERM and the end; it is only asked to stop when it has no request to answer."""


class Reconfigurable(Server):
    """A server with an environment of its own, which may change."""

    _variables: Mapping[str, str]

    def restart(self, variables: Mapping[str, str]) -> None:
        """Stop it, and start it with these in its environment from now on."""
        self.stop()
        self._variables = {**self._variables, **variables}
        self.start()

    def read_log(self) -> str:
        """Return what it has logged since it was started."""
        return self._log.read_text(errors="replace")

    def count_openings(self) -> int:
        """Count how often it stopped using Redis since it was started."""
        return self.read_log().count("usercache.backends.resilient: Redis failed")


class FleetWebServer(Reconfigurable, WebServer):
    """The production server with one worker, which can be told to die after its next commit."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Take the worker's whole environment."""
        super().__init__(directory, processes=1)
        self.order_to_die = directory / "die"
        self._variables = environment

    def count_workers(self) -> int:
        """Count the workers that were started so far, after deaths too."""
        return self.read_log().count("Started worker-")

    def is_answering(self) -> bool:
        """Say whether it answers a new connection."""
        return self._is_ready()

    def _environment(self) -> Mapping[str, str]:
        own = L1_VARIABLES | {
            "FLEET_MORTAL": str(self.order_to_die),
            "DATABASE_POOL_MAX_CONNECTIONS": str(THREADS),
            "PYTHONPATH": str(PROJECT),
        }
        return {**self._variables, **own}

    def _command(self) -> Sequence[str | Path]:
        options = ServerOptions(
            Address(HOST, self.port),
            workers=1,
            threads=THREADS,
            queue_max=read_queue_max(THREADS),
            stop_seconds=GRACE_SECONDS,
            collects_static=False,
            log_format="text",
        )
        mortal = {"hiremebahamas.server.worker:application": "tests.fleet.mortal_wsgi:application"}
        return (sys.executable, *(mortal.get(word, word) for word in format_command(options)))


class Relay(Reconfigurable):
    """`manage.py cache_relay`."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Take its whole environment."""
        super().__init__(directory)
        self._variables = environment

    @property
    def url(self) -> str:
        """Nobody asks it anything."""
        return ""

    def _environment(self) -> Mapping[str, str]:
        return self._variables

    def _command(self) -> Sequence[str | Path]:
        return (sys.executable, PROJECT / "manage.py", "cache_relay")

    def _is_ready(self) -> bool:
        return "Relaying" in self.read_log()


class RestartablePostgreSQL(PostgreSQLServer):
    """A PostgreSQL that is stopped as for maintenance: transactions are ended, data are kept."""

    stop_signal = signal.SIGINT

    def set_read_only(self, *, is_on: bool) -> None:
        """Let every transaction that begins from now on take no writes, or take them again."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            if is_on:
                connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            else:
                connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")
