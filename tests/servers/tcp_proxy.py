"""A proxy between clients and a server on loopback, and what can go wrong between them."""

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, Self

from tests.servers.event_loop import EventLoop
from tests.servers.loop_thread import LoopThread
from tests.servers.network import Network
from tests.servers.server import HOST
from tests.servers.tcp_connection import TcpConnection

BACKLOG: Final = 128

loop_thread = LoopThread()


class TcpProxy:
    """Pass bytes on to a loopback port, or do to them what a bad network does.

    `with TcpProxy(server.port) as proxy: …` listens at `proxy.port`, the same one for its life.
    The faults last until `restore()`, but for those that end or break the present connections.
    Each is in effect when its method returns, whichever thread calls it.

    One loop serves all proxies of the process and passes bytes on in the order in which they
    came, on whichever connection, as a switch does. With a thread for each direction, what a
    server sent to two clients at once could reach one of them long before the other: each
    thread waits for the interpreter's lock.
    """

    def __init__(self, server_port: int) -> None:
        """Take the port to pass on to; nobody need listen there yet."""
        self._server_port = server_port
        self._network = Network()
        self._connections: set[TcpConnection] = set()
        self._is_listening = False
        self._loop: EventLoop | None = None
        self._socket = _bind(0)
        self.port: int = self._socket.getsockname()[1]

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._do(self._refuse)

    def restore(self) -> None:
        """Be an ordinary proxy again; connections that were broken stay so."""
        if self._loop is None:
            self._loop = loop_thread.acquire()
        self._do(self._listen)

    def lead_to(self, server_port: int) -> None:
        """Pass what connects from now on to another server."""
        self._server_port = server_port

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long, in both directions."""
        self._do(lambda: self._network.delay(seconds))

    def drip(self, chunk_bytes: int, pause_seconds: float) -> None:
        """Send so few bytes at a time, with a pause before each."""
        self._do(lambda: self._network.drip(chunk_bytes, pause_seconds))

    def black_hole(self) -> None:
        """Accept connections and swallow what comes from either side."""
        self._do(self._network.swallow)

    def half_open(self) -> None:
        """Lose the server's end of the present connections; the clients' stay open, in silence."""
        self._do(lambda: self._to_all(TcpConnection.lose_server))

    def reset(self) -> None:
        """End the present connections with RST."""
        self._do(lambda: self._to_all(TcpConnection.reset))

    def __enter__(self) -> Self:
        """Listen."""
        self.restore()
        return self

    def __exit__(self, *exception: object) -> None:
        """End all connections, and the loop if no other proxy needs it."""
        self.cut()
        if self._loop is not None:
            self._loop = None
            loop_thread.release()
        self._socket.close()

    def _do(self, function: Callable[[], None]) -> None:
        # Without a loop nothing has begun, and there is nothing to come in between.
        if self._loop is None:
            function()
        else:
            self._loop.call(function)

    def _to_all(self, function: Callable[[TcpConnection], None]) -> None:
        for connection in list(self._connections):
            function(connection)

    def _listen(self) -> None:
        self._network.mend()
        self._to_all(TcpConnection.hurry)
        if not self._is_listening and self._loop is not None:
            self._socket.listen(BACKLOG)
            self._socket.setblocking(False)
            self._loop.on_readable(self._socket, partial(self._accept, self._loop))
            self._is_listening = True

    def _refuse(self) -> None:
        if self._is_listening and self._loop is not None:
            self._loop.invalidate(self._socket)
            self._is_listening = False
            self._socket.close()
            # Bound and not listening it refuses, and nobody else gets the port.
            self._socket = _bind(self.port)
        self._to_all(TcpConnection.end)

    def _accept(self, loop: EventLoop) -> None:
        with suppress(OSError):  # the client has gone again
            client, _ = self._socket.accept()
            connection = TcpConnection(loop, self._network, client, self._connections.discard)
            self._connections.add(connection)
            connection.connect(self._server_port)


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound
