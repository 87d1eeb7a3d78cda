"""Connections whose timeout bounds a whole answer, not each of its pieces.

A socket's timeout restarts with every byte, so a Redis that sends its answer byte by byte could
block a request without limit. Use it in CACHES as

    "OPTIONS": {"CONNECTION_POOL_CLASS": "usercache.redis_topologies.deadlines.DeadlinePool"}
"""

import errno
import gc
import math
import os
import select
import socket
import ssl
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from redis import ConnectionPool
from redis.connection import AbstractConnection, Connection
from redis.exceptions import MaxConnectionsError, RedisError

from usercache.clocks import MILLISECONDS

P = ParamSpec("P")
T = TypeVar("T")

LOST_SECONDS: Final = 10.0
"""Between two searches for lost connections, each of which takes some hundredths of a second."""


class DeadlineSocket:
    """A socket with one deadline for each command: the timeout after its write began.

    The socket itself never blocks; poll(2) waits if it must. Python's own timeout would poll before
    each read and write, and need three more system calls to check for data; at each of them other
    threads get the interpreter. Bytes are read by the socket's own methods, which detect a closed
    socket: its descriptor may belong to another by then.
    """

    def __init__(self, sock: socket.socket, timeout_seconds: float) -> None:
        """Take over a connected socket."""
        sock.settimeout(0)
        self._sock = sock
        self._timeout_seconds = timeout_seconds
        self._seconds: float | None = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds
        self._count_decrypted = sock.pending if isinstance(sock, ssl.SSLSocket) else None
        self._incoming, self._outgoing = select.poll(), select.poll()
        self._incoming.register(sock, select.POLLIN)
        self._outgoing.register(sock, select.POLLOUT)

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the socket."""
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        """Send, and expect the whole answer within the timeout from now.

        Raises:
            TimeoutError: not all was sent by then.
        """
        self._deadline = time.monotonic() + self._timeout_seconds
        rest, awaited = memoryview(data), None
        while rest:
            if awaited is not None:
                self._wait(awaited, self._deadline)
            try:
                rest = rest[self._sock.send(rest) :]
            except ssl.SSLWantReadError:
                awaited = self._incoming
            except (BlockingIOError, ssl.SSLWantWriteError):
                awaited = self._outgoing

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return the bytes that have arrived.

        Raises:
            TimeoutError: nothing more arrived by the deadline.
            BlockingIOError, ssl.SSLWantReadError: nothing has arrived, with a timeout of 0.
        """
        return self._receive(self._sock.recv, size, flags)

    def recv_into(self, *args: Any) -> int:
        """Do as `recv()`, for parsers with a buffer of their own."""
        return self._receive(self._sock.recv_into, *args)

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of each read; the usual one means the deadline of the command."""
        self._seconds = seconds

    def gettimeout(self) -> float | None:
        """Return the timeout that was set last."""
        return self._seconds

    def _receive(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._seconds == 0:
            return read(*args, **kwargs)
        has_decrypted = self._count_decrypted is not None and self._count_decrypted()
        deadline, awaited = self._find_deadline(), None if has_decrypted else self._incoming
        while True:
            if awaited is not None:
                self._wait(awaited, deadline)
            try:
                return read(*args, **kwargs)
            except ssl.SSLWantWriteError:
                awaited = self._outgoing
            except (BlockingIOError, ssl.SSLWantReadError):
                awaited = self._incoming

    def _find_deadline(self) -> float:
        if self._seconds == self._timeout_seconds:
            return self._deadline
        return math.inf if self._seconds is None else time.monotonic() + self._seconds

    def _wait(self, poller: select.poll, deadline: float) -> None:
        if self._sock.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        # An answer that arrived in time is read however late: this process may have been slow.
        left = max(0.0, deadline - time.monotonic())
        if not poller.poll(None if left == math.inf else math.ceil(left * MILLISECONDS)):
            raise TimeoutError("Redis took too long.")


class DeadlineMixin(AbstractConnection):
    """Mixed into a connection class of redis-py, bounds answers by its `socket_timeout`."""

    def _connect(self) -> Any:
        sock = super()._connect()  # type: ignore[safe-super, no-untyped-call]  # redis-py's
        if self.socket_timeout is None:
            return sock
        return DeadlineSocket(sock, self.socket_timeout)


class SoundPool(ConnectionPool):
    """A pool that stays usable if an exception interrupts a caller, such as a signal's.

    No connection keeps an unread answer that the next caller would take for its own, and lost
    connections are replaced when they are needed.
    """

    _may_look_from = 0.0

    def release(self, connection: Any) -> None:
        """Take a connection back; disconnect it if an exception may have left an answer unread.

        An unrelated exception that the caller is handling costs the connection as well.
        """
        error = sys.exception()
        if error is not None and not isinstance(error, RedisError):
            connection.disconnect()
        super().release(connection)

    def make_connection(self) -> Any:
        """Return a new connection.

        Raises:
            redis.MaxConnectionsError: all are in use. redis-py 5 raises what an outage does.
        """
        if self._created_connections >= self.max_connections:
            self._invalidate_lost()
            if self._created_connections >= self.max_connections:
                raise MaxConnectionsError("Too many connections.")
        return super().make_connection()

    def _invalidate_lost(self) -> None:
        # `get_connection()` holds the pool's lock. A connection in use is referenced by its user, a
        # lost one only by itself, so that the garbage collector finds it.
        if time.monotonic() < self._may_look_from:
            return
        self._may_look_from = time.monotonic() + LOST_SECONDS
        before = [weakref.ref(connection) for connection in self._in_use_connections]
        self._in_use_connections.clear()
        gc.collect()
        self._in_use_connections.update(filter(None, (reference() for reference in before)))
        known = len(self._available_connections) + len(self._in_use_connections)
        self._created_connections = known


class DeadlinePool(SoundPool):
    """A pool whose connections have deadlines, whatever their class."""

    def __init__(
        self, connection_class: type[AbstractConnection] = Connection, **kwargs: Any
    ) -> None:
        """Take the arguments of `ConnectionPool`."""
        super().__init__(connection_class=with_deadlines(connection_class), **kwargs)


def with_deadlines(connection_class: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return the class with deadlines; unchanged if it has them already."""
    if issubclass(connection_class, DeadlineMixin):
        return connection_class
    if connection_class not in _CLASSES:
        name = f"Deadline{connection_class.__name__}"
        _CLASSES[connection_class] = type(name, (DeadlineMixin, connection_class), {})
    return _CLASSES[connection_class]


_CLASSES: Final[dict[type[AbstractConnection], type[AbstractConnection]]] = {}
