"""One client's connection through a proxy: two sockets and a thread for each direction."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.servers.server import HOST

CHUNK_BYTES = 65536
CONNECT_SECONDS = 1.0
# On, for 0 seconds: closing the socket sends RST instead of FIN.
NO_LINGER = struct.pack("ii", 1, 0)

Carry = Callable[[bytes, socket.socket], None]
"""Brings a chunk to the socket it is for; what it does instead is the network's fault."""


class TcpLine:
    """A client that was accepted, and the connection to the server that is made for it."""

    def __init__(self, client: socket.socket, carry: Carry) -> None:
        """Take the client over; nothing happens before `serve()`."""
        self._carry = carry
        self._client = client
        self._server = socket.socket()
        self._is_half_open = False
        for side in (client, self._server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self, server_port: int) -> None:
        """Connect and pass bytes on, until either side ends or somebody ends the line."""
        with self._client, self._server, suppress(OSError):  # refused: the client is hung up on
            self._server.settimeout(CONNECT_SECONDS)
            self._server.connect((HOST, server_port))
            self._server.settimeout(None)
            self._client.settimeout(None)
            back = threading.Thread(
                target=self._pump, args=(self._server, self._client), daemon=True
            )
            back.start()
            self._pump(self._client, self._server)
            back.join()

    def end(self) -> None:
        """End both sides."""
        self._is_half_open = False
        shut(self._client)
        shut(self._server)

    def lose_server(self) -> None:
        """End the server's side alone; the client's stays open, in silence."""
        self._is_half_open = True
        shut(self._server)

    def reset(self) -> None:
        """End both sides, the client's with RST."""
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        # Reading alone: it wakes the thread, and sends nothing that would come before the RST.
        shut(self._client, socket.SHUT_RD)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # somebody hung up
            while chunk := source.recv(CHUNK_BYTES):
                if not self._is_half_open:
                    self._carry(chunk, sink)
        if sink is self._server:
            shut(sink)
        elif not self._is_half_open:
            shut(sink, socket.SHUT_RD)  # its thread wakes, and closes both


def shut(side: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """Shut a socket down, which also wakes the thread that waits at it."""
    with suppress(OSError):  # it is closed already, or was never open
        side.shutdown(how)
