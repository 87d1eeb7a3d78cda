"""Connections whose time-out bounds a whole answer, not each of its pieces.

A socket's time-out starts anew with every byte, so that a Redis whose answers come in drips would
hold a request up for as long as it likes, without ever failing. Use it in CACHES as

    "OPTIONS": {"CONNECTION_POOL_CLASS": "usercache.deadlines.DeadlinePool"}
"""

import socket
import time
from typing import Any, Final

from redis import ConnectionPool
from redis.connection import AbstractConnection, Connection


class DeadlineSocket:
    """A socket that reads until so long after the last write, however the bytes come."""

    def __init__(self, sock: socket.socket, timeout_seconds: float) -> None:
        """Take over a connected socket."""
        self._sock = sock
        self._timeout_seconds = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds
        self._is_waiting = True
        self._has_received = self._is_shortened = False

    def __getattr__(self, name: str) -> Any:
        """Be the socket in everything else."""
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        """Send, and expect the whole answer within the time-out from now."""
        if self._is_shortened:
            self.settimeout(self._timeout_seconds)
        self._deadline = time.monotonic() + self._timeout_seconds
        self._has_received = False
        self._sock.sendall(data)

    def recv(self, size: int) -> bytes:
        """Return what has come.

        Raises:
            TimeoutError: no more has by the deadline.
        """
        self._shorten()
        return self._sock.recv(size)

    def recv_into(self, *args: Any) -> int:
        """Do as `recv()` does, for parsers that have a buffer of their own."""
        self._shorten()
        return self._sock.recv_into(*args)

    def settimeout(self, seconds: float | None) -> None:
        """Set the time-out; under another than the usual one, reads don't wait for an answer."""
        self._is_waiting = seconds == self._timeout_seconds
        self._is_shortened = False
        self._sock.settimeout(seconds)

    def _shorten(self) -> None:
        # Only from the second piece on: nearly all answers come in one, for which the socket's own
        # time-out is right, and setting it is a system call.
        if not self._is_waiting:
            return
        if self._has_received:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("The answer was not complete in time.")
            self._sock.settimeout(left)
            self._is_shortened = True
        self._has_received = True


class DeadlineMixin(AbstractConnection):
    """Put before a connection class of redis-py, bounds its answers by its `socket_timeout`."""

    def _connect(self) -> Any:
        sock = super()._connect()  # type: ignore[safe-super, no-untyped-call]  # redis-py's
        if self.socket_timeout is None:
            return sock
        return DeadlineSocket(sock, self.socket_timeout)


class DeadlinePool(ConnectionPool):
    """A pool whose connections, of whatever class, have deadlines."""

    def __init__(
        self, connection_class: type[AbstractConnection] = Connection, **kwargs: Any
    ) -> None:
        """Take what `ConnectionPool` does."""
        super().__init__(connection_class=with_deadlines(connection_class), **kwargs)


def with_deadlines(connection_class: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return the class with deadlines; one that has them already, as it is."""
    if issubclass(connection_class, DeadlineMixin):
        return connection_class
    if connection_class not in _CLASSES:
        name = f"Deadline{connection_class.__name__}"
        _CLASSES[connection_class] = type(name, (DeadlineMixin, connection_class), {})
    return _CLASSES[connection_class]


_CLASSES: Final[dict[type[AbstractConnection], type[AbstractConnection]]] = {}
