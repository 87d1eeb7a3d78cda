"""Connections whose time-out bounds a whole answer, not each of its pieces.

A socket's time-out starts anew with every byte, so that a Redis whose answers come in drips would
hold a request up for as long as it likes, without ever failing. Use it in CACHES as

    "OPTIONS": {"CONNECTION_POOL_CLASS": "usercache.deadlines.DeadlinePool"}
"""

import errno
import math
import select
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from redis import ConnectionPool
from redis.connection import AbstractConnection, Connection

from usercache import nonblocking

P = ParamSpec("P")
T = TypeVar("T")

MILLISECONDS: Final = 1000


class DeadlineSocket:
    """A socket that sends, and reads, until so long after the last write began.

    The socket itself never blocks; poll(2) waits, where there is something to wait for. With a
    time-out of Python's it is asked before each read and write, and a look at whether something
    has come takes three system calls more. At each of them other threads get the interpreter.
    """

    def __init__(self, sock: socket.socket, timeout_seconds: float) -> None:
        """Take over a connected socket."""
        sock.settimeout(0)
        self._sock = sock
        self._timeout_seconds = timeout_seconds
        self._seconds: float | None = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds
        self._can_read = nonblocking.watch(sock.fileno())
        self._count_decrypted: Callable[[], int] | None = None
        self._take: Callable[[int], bytes] = nonblocking.Receiver(sock.fileno())
        if isinstance(sock, ssl.SSLSocket):
            self._count_decrypted, self._take = sock.pending, sock.recv
        self._incoming, self._outgoing = select.poll(), select.poll()
        self._incoming.register(sock, select.POLLIN)
        self._outgoing.register(sock, select.POLLOUT)

    def __getattr__(self, name: str) -> Any:
        """Be the socket in everything else."""
        return getattr(self._sock, name)

    def sendall(self, data: bytes) -> None:
        """Send, and expect the whole answer within the time-out from now.

        Raises:
            TimeoutError: not all could be sent by then.
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
        """Return what has come.

        Raises:
            TimeoutError: nothing more has by the deadline.
            BlockingIOError, ssl.SSLWantReadError: nothing has yet, under a time-out of 0.
        """
        if flags:
            return self._receive(self._sock.recv, size, flags)
        return self._receive(self._take, size)

    def recv_into(self, *args: Any) -> int:
        """Do as `recv()` does, for parsers that have a buffer of their own."""
        return self._receive(self._sock.recv_into, *args)

    def settimeout(self, seconds: float | None) -> None:
        """Set the time-out; under another than the usual one, reads don't wait for an answer."""
        self._seconds = seconds

    def gettimeout(self) -> float | None:
        """Return the time-out that was set last."""
        return self._seconds

    def _receive(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        has_decrypted = self._count_decrypted is not None and self._count_decrypted()
        if self._seconds == 0:
            if not has_decrypted and not self._can_read():
                raise BlockingIOError(errno.EWOULDBLOCK, "Nothing has come.")
            return read(*args, **kwargs)
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
        # What has come in time is taken however late, since it may be this process that was slow.
        left = max(0.0, deadline - time.monotonic())
        if not poller.poll(None if left == math.inf else math.ceil(left * MILLISECONDS)):
            raise TimeoutError("Redis took too long.")


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
