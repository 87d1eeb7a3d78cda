"""A PostgreSQL of our own that trades durability for speed."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

try:
    import psycopg
except ImportError:  # `make drivers`, without psycopg 3
    import psycopg2 as psycopg  # type: ignore[no-redef, import-not-found, import-untyped, unused-ignore]

from tests.servers.binaries import find_postgresql
from tests.servers.errors import ServerUnavailableError
from tests.servers.server import HOST, Server
from tests.servers.unprivileged import unprivileged_prefix

SUPERUSER = "postgres"
MAX_CONNECTIONS = 300
INITDB_SECONDS = 180
CONNECT_SECONDS = 10
MILLISECONDS = 1000
UNSAFE_AND_FAST = ("fsync=off", "full_page_writes=off")


class PostgreSQLServer(Server):
    """A fresh cluster with a superuser whose password nobody else knows."""

    # Immediate shutdown: no checkpoint of data that are about to be deleted.
    stop_signal = signal.SIGQUIT

    def __init__(self, directory: Path) -> None:
        """Choose the password; the cluster is made at the first start."""
        super().__init__(directory)
        self._data = directory / "data"
        self._password = secrets.token_urlsafe()

    @property
    def url(self) -> str:
        """The superuser's URL, as in `postgres://postgres:secret@127.0.0.1:5432/postgres`."""
        return f"postgres://{SUPERUSER}:{self._password}@{HOST}:{self.port}/postgres"

    def pause(self) -> None:
        """Stop all of its processes: a connection's own would answer without the first one."""
        super().pause()  # it makes no more of them
        _signal_all(_find_children(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Let all of them go on."""
        _signal_all(_find_children(self.pid), signal.SIGCONT)
        super().resume()

    def stop(self) -> None:
        """End it, paused or not: what is stopped can't be told to end."""
        if self.is_running:
            self.resume()
        super().stop()

    def _command(self) -> Sequence[str | Path]:
        binaries = find_postgresql()
        if not self._data.exists():
            self._make_cluster(binaries)
        # No socket file: its path may be too long, and a second way in.
        address = (f"listen_addresses={HOST}", f"port={self.port}", "unix_socket_directories=")
        settings = (*address, *UNSAFE_AND_FAST, f"max_connections={MAX_CONNECTIONS}")
        options = [word for setting in settings for word in ("-c", setting)]
        return (binaries / "postgres", "-D", self._data, *options, *self._options())

    def _options(self) -> Sequence[str]:
        return ()

    def _prefix(self) -> Sequence[str]:
        return unprivileged_prefix(self.directory)

    def _make_cluster(self, binaries: Path) -> None:
        prefix = self._prefix()
        password_file = self.directory / "password"
        password_file.write_text(self._password)
        if prefix:
            password_file.chmod(0o644)  # the directory above is closed to everybody else
        access = (f"--username={SUPERUSER}", f"--pwfile={password_file}", "--auth=scram-sha-256")
        text = ("--encoding=UTF8", f"--locale={_locale()}")
        self._run(binaries / "initdb", "-D", self._data, *access, *text, "--no-sync")

    def _run(self, *command: str | Path) -> None:
        answer = subprocess.run(
            [*self._prefix(), *command],
            cwd=self.directory,
            check=False,
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
        )
        if answer.returncode:
            raise ServerUnavailableError(f"No PostgreSQL cluster was made:\n{answer.stderr}")

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True


class PostgreSQLReplica(PostgreSQLServer):
    """A standby that streams from a primary, and applies each commit when it is so old."""

    def __init__(
        self, directory: Path, primary: PostgreSQLServer, *, delay_seconds: float = 0
    ) -> None:
        """Follow this running server; its superuser and password are the replica's, too."""
        super().__init__(directory)
        self._primary = primary
        self._delay_seconds = delay_seconds

    @property
    def url(self) -> str:
        """The primary's URL but for the port."""
        return self._primary.url.replace(f":{self._primary.port}/", f":{self.port}/")

    def _options(self) -> Sequence[str]:
        return ("-c", f"recovery_min_apply_delay={int(self._delay_seconds * MILLISECONDS)}ms")

    def _make_cluster(self, binaries: Path) -> None:
        copy = ("--pgdata", self._data, "--write-recovery-conf", "--wal-method=stream")
        quick = ("--checkpoint=fast", "--no-sync")
        self._run(binaries / "pg_basebackup", "--dbname", self._primary.url, *copy, *quick)


def _find_children(parent: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if _find_parent(pid) == parent]


def _find_parent(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # it has ended
        return None
    # After the name, in parentheses, which may hold anything: the state, and the parent.
    return int(status.rpartition(")")[2].split()[1])


def _signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _locale() -> str:
    # lower() must know letters beyond ASCII; macOS has no C.UTF-8.
    return "C.UTF-8" if sys.platform == "linux" else "C"
