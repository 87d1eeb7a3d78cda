"""A psycopg connection with bounded waits."""

import select
import time
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import _WaitTimeout

from hiremebahamas.postgresql.gate import DatabaseHangsError, Gate

T = TypeVar("T")

INTERRUPT_SECONDS: Final = 0.1
"""How often a wait checks for Ctrl-C; psycopg's own default."""
REFUSED_BY_POOLER: Final = "unsupported startup parameter"
HINT: Final = " DATABASE_URL leads to a connection pooler: set DATABASE_IS_POOLED=True."
TRUSTED_SECONDS: Final = 30.0
"""How long an idle connection is taken for living without asking the server.

A server that ends says so; a machine that lost its power, or a firewall that dropped an idle
connection, doesn't. Firewalls do so after minutes.
"""


class BoundedConnection(psycopg.Connection[Any]):
    """Wait for the server as long as the gate allows, then close.

    See Note [A PostgreSQL that hangs] in `hiremebahamas/postgresql/gate.py`.
    """

    gate: Gate | None = None
    """None while connecting, which has a bound of its own: connect_timeout."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what psycopg does, once it is connected."""
        super().__init__(*args, **kwargs)
        self._heard_at = time.monotonic()

    @classmethod
    def connect(cls, conninfo: str = "", **parameters: Any) -> Self:
        """Connect as psycopg does; the error says what a connection pooler needs."""
        try:
            return super().connect(conninfo, **parameters)
        except psycopg.OperationalError as error:
            if REFUSED_BY_POOLER not in str(error):
                raise
            raise psycopg.OperationalError(f"{error}{HINT}") from error

    def is_known_to_live(self) -> bool:
        """Return whether the server answered lately and has said nothing since; no round trip.

        What an idle server says is good-bye, which shows on the socket, or nothing of interest.

        Raises: psycopg.OperationalError if the connection is closed on our side.
        """
        if time.monotonic() - self._heard_at > TRUSTED_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return not poll.poll(0)

    def wait(
        self, gen: PQGen[T], interval: float = INTERRUPT_SECONDS, timeout: float | None = None
    ) -> T:
        """Return the server's answer.

        Raises: DatabaseHangsError if there is none in time. A timeout of the caller's own is used
        as it is and doesn't shut the gate: waiting for a notification may well end without one.
        """
        if self.gate is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        with self.gate.waiting() as seconds:
            try:
                answer = super().wait(gen, interval, seconds)
            except _WaitTimeout:
                # A late answer would pass for the answer to another statement.
                self.pgconn.finish()
                self.gate.shut()
                raise DatabaseHangsError(f"PostgreSQL has not answered in {seconds:g} s.") from None
        self._heard_at = time.monotonic()
        return answer
