"""Connections whose time-out bounds a whole answer, not each of its pieces.

A socket's time-out starts anew with every byte, so that a Redis whose answers come in drips would
hold a request up for as long as it likes, without ever failing. Use it in CACHES as

    "OPTIONS": {"CONNECTION_POOL_CLASS": "usercache.deadlines.DeadlinePool"}
"""

import errno
import math
import os
import socket
import ssl
import struct
import time
from typing import Any, Final

from redis import ConnectionPool
from redis.connection import AbstractConnection, Connection

from usercache import readiness

MICROSECONDS: Final = 1_000_000


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

    def recv_into(self, buffer: bytearray) -> int:
        """Do as `recv()` does, for parsers that have a buffer of their own."""
        self._shorten()
        return self._sock.recv_into(buffer)

    def settimeout(self, seconds: float | None) -> None:
        """Set the time-out; under another than the usual one, reads don't wait for an answer."""
        self._is_waiting = seconds == self._timeout_seconds
        self._is_shortened = False
        self._set_timeout(seconds)

    def _set_timeout(self, seconds: float | None) -> None:
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
            self._set_timeout(left)
            self._is_shortened = True
        self._has_received = True


class BlockingDeadlineSocket(DeadlineSocket):
    """The same on a socket that blocks, with time-outs kept by the kernel.

    Python keeps its own by one more system call before each read and write, and needs three to
    see that there is nothing to read. At each of them other threads get the interpreter.
    """

    def __init__(self, sock: socket.socket, timeout_seconds: float) -> None:
        """Take over a connected socket without a time-out of Python's."""
        super().__init__(sock, timeout_seconds)
        self._can_read = readiness.watch(sock.fileno())
        self._is_looking = False
        self._kept_seconds: float | None = None
        self._set_timeout(timeout_seconds)
        self._keep_time(socket.SO_SNDTIMEO, timeout_seconds)

    def sendall(self, data: bytes) -> None:
        """See `DeadlineSocket.sendall`."""
        try:
            super().sendall(data)
        except BlockingIOError:
            raise TimeoutError("Not all could be sent in time.") from None

    def recv(self, size: int) -> bytes:
        """See `DeadlineSocket.recv`; raises BlockingIOError under a time-out of 0."""
        if self._is_looking:
            self._look()
            return self._sock.recv(size, socket.MSG_DONTWAIT)
        try:
            return super().recv(size)
        except BlockingIOError:
            raise TimeoutError("Nothing came in time.") from None

    def recv_into(self, buffer: bytearray) -> int:
        """See `DeadlineSocket.recv_into`; raises BlockingIOError under a time-out of 0."""
        if self._is_looking:
            self._look()
            return self._sock.recv_into(buffer, flags=socket.MSG_DONTWAIT)
        try:
            return super().recv_into(buffer)
        except BlockingIOError:
            raise TimeoutError("Nothing came in time.") from None

    def _set_timeout(self, seconds: float | None) -> None:
        self._is_looking = seconds == 0
        if not self._is_looking and seconds != self._kept_seconds:
            self._keep_time(socket.SO_RCVTIMEO, seconds)
            self._kept_seconds = seconds

    def _keep_time(self, option: int, seconds: float | None) -> None:
        # The kernel's 0 is for ever, and must not come of rounding.
        whole, rest = divmod(math.ceil((seconds or 0.0) * MICROSECONDS), MICROSECONDS)
        self._sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", whole, rest))

    def _look(self) -> None:
        if not self._can_read():
            raise BlockingIOError(errno.EWOULDBLOCK, "Nothing has come.")


class DeadlineMixin(AbstractConnection):
    """Put before a connection class of redis-py, bounds its answers by its `socket_timeout`."""

    def _connect(self) -> Any:
        sock = super()._connect()  # type: ignore[safe-super, no-untyped-call]  # redis-py's
        if self.socket_timeout is None:
            return sock
        return bound_by(sock, self.socket_timeout)


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


def bound_by(sock: socket.socket, timeout_seconds: float) -> DeadlineSocket:
    """Return a connected socket with deadlines, kept by the kernel where it can."""
    if isinstance(sock, ssl.SSLSocket):  # reads on when the kernel says that the time is over
        return DeadlineSocket(sock, timeout_seconds)
    sock.settimeout(None)
    if os.get_blocking(sock.fileno()):
        return BlockingDeadlineSocket(sock, timeout_seconds)
    # gevent's or eventlet's, which let others run instead of blocking.
    sock.settimeout(timeout_seconds)
    return DeadlineSocket(sock, timeout_seconds)


_CLASSES: Final[dict[type[AbstractConnection], type[AbstractConnection]]] = {}
