"""A MariaDB of our own that trades durability for speed."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.errors import ServerUnavailableError
from tests.servers.server import HOST, Server
from tests.servers.unprivileged import unprivileged_prefix

SUPERUSER = "root"
PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")
SBIN = "/usr/sbin"
"""Where Debian has the server, and only root's PATH."""
INSTALL_SECONDS = 180
CONNECT_SECONDS = 10
TEXT = ("--character-set-server=utf8mb4", "--collation-server=utf8mb4_unicode_ci")
"""As in Debian's own configuration; MariaDB's default was latin1 before 11.6."""
UNSAFE_AND_FAST = ("--innodb-flush-log-at-trx-commit=0", "--skip-log-bin")


class MariaDBServer(Server):
    """A fresh server with a superuser whose password nobody else knows."""

    # A shutdown by SIGTERM would write out what is about to be deleted.
    stop_signal = signal.SIGKILL

    def __init__(self, directory: Path) -> None:
        """Choose the password; the tables are made at the first start."""
        super().__init__(directory)
        self._data = directory / "data"
        self._password = secrets.token_hex()

    @property
    def url(self) -> str:
        """The superuser's URL, as in `mysql://root:secret@127.0.0.1:3306/mysql`."""
        return f"mysql://{SUPERUSER}:{self._password}@{HOST}:{self.port}/mysql"

    def _command(self) -> Sequence[str | Path]:
        server, install, _ = _find_programs()
        prefix = self._prefix()
        accounts = self.directory / "accounts.sql"
        if not self._data.exists():
            options = ("--no-defaults", f"--datadir={self._data}", "--skip-test-db")
            _run([*prefix, install, *options, "--auth-root-authentication-method=normal"])
            accounts.write_text(
                f"ALTER USER root@localhost IDENTIFIED BY '{self._password}';\n"
                f"CREATE OR REPLACE USER '{SUPERUSER}'@'{HOST}' "
                f"IDENTIFIED BY '{self._password}';\n"
                f"GRANT ALL ON *.* TO '{SUPERUSER}'@'{HOST}' WITH GRANT OPTION;\n"
            )
            accounts.chmod(0o644)  # the directory above is closed to everybody else
        address = (f"--bind-address={HOST}", f"--port={self.port}", "--skip-name-resolve")
        # Below the data, since a longer path might be too long.
        files = (f"--datadir={self._data}", "--socket=socket", f"--init-file={accounts}")
        return (server, "--no-defaults", *address, *files, *TEXT, *UNSAFE_AND_FAST)

    def _prefix(self) -> Sequence[str]:
        return unprivileged_prefix(self.directory)

    def _is_ready(self) -> bool:
        *_, client = _find_programs()
        address = (f"--host={HOST}", f"--port={self.port}", f"--user={SUPERUSER}")
        answer = subprocess.run(
            [client, "--no-defaults", *address, "--execute=SELECT 1"],
            env=os.environ | {"MYSQL_PWD": self._password},
            check=False,
            capture_output=True,
            timeout=CONNECT_SECONDS,
        )
        return answer.returncode == 0


def _find_programs() -> list[str]:
    path = os.pathsep.join([os.environ.get("PATH", ""), SBIN])
    found = [shutil.which(program, path=path) for program in PROGRAMS]
    if not all(found):
        raise ServerUnavailableError(
            "No MariaDB to test against. Install it (apt-get install mariadb-server)."
        )
    return [program for program in found if program]


def _run(command: Sequence[str | Path]) -> None:
    answer = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    if answer.returncode:
        raise ServerUnavailableError(f"No MariaDB was made:\n{answer.stderr}{answer.stdout}")
