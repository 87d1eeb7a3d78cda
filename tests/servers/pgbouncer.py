"""A PgBouncer of our own in front of a PostgreSQL: one session for many clients, by transaction."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg

from tests.servers.errors import ServerUnavailableError
from tests.servers.server import HOST, Server
from tests.servers.unprivileged import unprivileged_prefix

CONNECT_SECONDS: Final = 10
SESSIONS: Final = 5
"""Of PostgreSQL, for each database: few, so that clients share them."""
CONFIGURATION: Final = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {address}
listen_port = {own_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
ignore_startup_parameters = {ignored}
"""
STRICT: Final = "extra_float_digits"
"""As good as none: only JDBC sends it."""


class PgBouncer(Server):
    """In transaction mode, and strict: it refuses startup parameters."""

    def __init__(self, directory: Path, postgresql_url: str, *, ignored: str = STRICT) -> None:
        """Stand in front of this server; its user and password are the clients', too.

        `ignored` names parameters that a client may connect with, and that have no effect.
        """
        super().__init__(directory)
        self._ignored = ignored
        self._behind = urlsplit(postgresql_url)

    @property
    def url(self) -> str:
        """The same URL but for the port."""
        address = f"{self._behind.username}:{self._behind.password}@{HOST}:{self.port}"
        return self._behind._replace(netloc=address).geturl()

    def _command(self) -> Sequence[str | Path]:
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            raise ServerUnavailableError("No PgBouncer to test with: apt-get install pgbouncer.")
        users, configuration = self.directory / "users.txt", self.directory / "pgbouncer.ini"
        users.write_text(f'"{self._behind.username}" "{self._behind.password}"\n')
        configuration.write_text(
            CONFIGURATION.format(
                host=self._behind.hostname,
                port=self._behind.port,
                address=HOST,
                own_port=self.port,
                users=users,
                sessions=SESSIONS,
                ignored=self._ignored,
            )
        )
        for file in (users, configuration):
            file.chmod(0o644)  # it may run as another user; the folder above is closed
        return (program, configuration)

    def _prefix(self) -> Sequence[str]:
        return unprivileged_prefix(self.directory)

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=CONNECT_SECONDS).close()
        except psycopg.OperationalError:
            return False
        return True
