"""The backend: Django's own, over connections with bounded waits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg_pool import ConnectionPool, PoolTimeout

from hiremebahamas.postgresql.connection import BoundedConnection
from hiremebahamas.postgresql.gate import RUNTIME, Bounds, DatabaseHangsError, Gate

REQUESTS: Final = "request_bounds"
COMMANDS: Final = "command_bounds"
"""In OPTIONS: the `Bounds` of processes that serve requests, and of all others."""
IS_POOLED: Final = "is_pooled"
"""In OPTIONS: whether a pooler gives each transaction another session."""
TIMEOUTS: Final = "timeouts"
"""In OPTIONS: further timeouts of the server's, in milliseconds by their names."""
SERVER_SHARE: Final = 0.75
"""The share of a wait's bound after which the server itself cancels a statement."""
MILLISECONDS: Final = 1000
PROBE_SECONDS: Final = 2
"""The bound of a probe; psycopg allows no shorter one for a connection."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Bound every wait for the server; see Note [A PostgreSQL that hangs] in `gate.py`."""

    @contextmanager
    def unbounded(self) -> Iterator[None]:
        """Remove the bounds inside the block, the server's too.

        For one thread's work in a process of its own. Don't enter it in a transaction: the
        connection is replaced at both ends of the block.
        """
        bounds, self.gate.bounds = self.gate.bounds, Bounds(None)
        self._disconnect()
        try:
            yield
        finally:
            self.gate.bounds = bounds
            self._disconnect()

    @property
    def gate(self) -> Gate:
        """The gate of this alias, shared by all threads of the process."""
        return RUNTIME.get_gate(self.alias, lambda: Gate(self._bounds, self._is_alive))

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters; the server's own bound is a little below ours."""
        parameters: dict[str, Any] = super().get_connection_params()
        for name in (REQUESTS, COMMANDS, IS_POOLED, TIMEOUTS):
            parameters.pop(name, None)
        if not self.is_pooled:
            timeouts = " ".join(f"-c {name}={value}" for name, value in self.timeouts.items())
            parameters["options"] = f"{parameters.get('options', '')} {timeouts}".strip()
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection of the pool, or a new one if there is no pool."""
        pool: ConnectionPool[Any] | None = self.pool
        if pool is None:
            return super().get_new_connection(conn_params)
        with self.gate.waiting() as seconds:
            pool.open()
            connection = self._take_living(
                pool, pool.timeout if seconds is None else min(pool.timeout, seconds)
            )
        isolation_level = self.settings_dict["OPTIONS"].get("isolation_level")
        self.isolation_level = IsolationLevel(isolation_level or IsolationLevel.READ_COMMITTED)
        if isolation_level:
            connection.isolation_level = self.isolation_level
        return connection

    def _set_autocommit(self, autocommit: bool) -> None:
        super()._set_autocommit(autocommit)  # type: ignore[misc]  # missing in django-stubs
        if self.is_pooled and not autocommit:
            self._set_timeouts()

    def _set_timeouts(self) -> None:
        # For this transaction: the session's would be another client's afterwards. In one message
        # with psycopg's BEGIN, which is sent before the next statement in any case.
        names = self.timeouts
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in names.items())
        with self.wrap_database_errors, self.connection.pipeline():
            self.connection.execute(f"SELECT {calls}")

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler gives each transaction another session."""
        return bool(self.settings_dict["OPTIONS"].get(IS_POOLED))

    @property
    def timeouts(self) -> dict[str, int]:
        """The server's own, in milliseconds by their names; 0 for none."""
        seconds = self.gate.bounds.seconds
        others: dict[str, int] = self.settings_dict["OPTIONS"].get(TIMEOUTS, {})
        if seconds is None:
            return {"statement_timeout": 0, **dict.fromkeys(others, 0)}
        return {"statement_timeout": int(seconds * SERVER_SHARE * MILLISECONDS), **others}

    @property
    def _bounds(self) -> Bounds:
        options = self.settings_dict["OPTIONS"]
        bounds: Bounds = options.get(
            REQUESTS if RUNTIME.serves_requests else COMMANDS, Bounds(None)
        )
        return bounds

    def _disconnect(self) -> None:
        self.close()
        self.close_pool()

    def _take_living(self, pool: "ConnectionPool[Any]", seconds: float) -> Any:
        # The pool's own check pauses longer after each dead connection that it finds; after a
        # restart of the server all idle ones are dead, and a request would time out.
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection = pool.getconn(max(0.0, deadline - time.monotonic()))
            except PoolTimeout:
                self.gate.shut()
                raise
            try:
                if not connection.is_known_to_live():
                    pool.check_connection(connection)
            except DatabaseHangsError:
                pool.putconn(connection)
                raise
            except psycopg.OperationalError:
                pool.putconn(connection)  # which discards it
            else:
                return connection

    def _configure_connection(self, connection: Any) -> bool:
        if isinstance(connection, BoundedConnection):
            connection.gate = self.gate
        # Missing in django-stubs.
        return bool(super()._configure_connection(connection))  # type: ignore[misc]

    def _is_alive(self) -> bool:
        # A new connection needs an answer from a new process of the server.
        parameters = self.get_connection_params() | {"connect_timeout": PROBE_SECONDS}
        try:
            psycopg.connect(**parameters).close()
        except (psycopg.Error, OSError):  # OSError: this process has no free descriptor
            return False
        return True
