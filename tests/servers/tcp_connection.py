"""One client's connection through a proxy: two sockets, and a pump for each direction."""

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from errno import EINPROGRESS
from typing import Final

from tests.servers.event_loop import EventLoop, Timer
from tests.servers.network import Network
from tests.servers.server import HOST
from tests.servers.tcp_pump import TcpPump, receive

CONNECT_SECONDS: Final = 1.0
# On, for 0 seconds: closing the socket sends RST instead of FIN.
NO_LINGER: Final = struct.pack("ii", 1, 0)


class TcpConnection:
    """A client that was accepted, and the connection to the server that is made for it.

    All of it happens in the loop's thread, as do the calls.
    """

    def __init__(
        self,
        loop: EventLoop,
        network: Network,
        client: socket.socket,
        on_end: Callable[["TcpConnection"], None],
    ) -> None:
        """Take the client over; `connect()` begins. `on_end` is called once both sides ended."""
        self._loop = loop
        self._network = network
        self._client = client
        self._server = socket.socket()
        self._on_end = on_end
        self._pumps: list[TcpPump] = []
        self._wait_policy = Timer(self.end)
        for side in (client, self._server):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connect(self, server_port: int) -> None:
        """Connect and pass bytes on, until either side ends or somebody ends the connection."""
        if self._server.connect_ex((HOST, server_port)) in {0, EINPROGRESS}:
            self._wait_policy = self._loop.call_later(CONNECT_SECONDS, self.end)
            self._loop.on_writable(self._server, self._begin)
        else:
            self.end()

    def hurry(self) -> None:
        """Bring at once what was held back."""
        for pump in list(self._pumps):
            pump.hurry()

    def end(self) -> None:
        """End both sides."""
        self._stop()
        for side in (self._client, self._server):
            _shut(side)
            side.close()
        self._on_end(self)

    def lose_server(self) -> None:
        """End the server's side alone; the client's stays open, in silence."""
        self._stop()
        _shut(self._server)
        self._server.close()
        self._loop.on_readable(self._client, self._ignore)

    def reset(self) -> None:
        """End both sides, the client's with RST."""
        self._stop()
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._client.close()  # without a FIN that would come before the RST
        self.end()

    def _begin(self) -> None:
        self._stop()
        if self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.end()  # refused: the client is hung up on
            return
        for source, sink in ((self._client, self._server), (self._server, self._client)):
            self._pumps.append(TcpPump(self._loop, self._network, source, sink, self.end))

    def _stop(self) -> None:
        for pump in self._pumps:
            pump.stop()
        self._pumps.clear()
        self._wait_policy.cancel()
        self._loop.invalidate(self._client)
        self._loop.invalidate(self._server)

    def _ignore(self) -> None:
        if receive(self._client) == b"":
            self.end()


def _shut(side: socket.socket) -> None:
    with suppress(OSError):  # it is closed already, or was never open
        side.shutdown(socket.SHUT_RDWR)
