"""A proxy between clients and a server on loopback, and what can go wrong between them."""

import socket
import threading
from typing import Self

from tests.servers.server import HOST
from tests.servers.tcp_line import CHUNK_BYTES, TcpLine, shut

JOIN_SECONDS = 5.0
BACKLOG = 128
# How long the thread that accepts may not notice, outside of Linux, that its port was closed.
WAKE_SECONDS = 0.1


class TcpProxy:
    """Pass bytes on to a loopback port, or do to them what a bad network does.

    `with TcpProxy(server.port) as proxy: …` listens at `proxy.port`, the same one for its life.
    The faults last until `restore()`, but for those that end or break the present connections.
    """

    def __init__(self, server_port: int) -> None:
        """Take the port to pass on to; nobody need listen there yet."""
        self._server_port = server_port
        self._lock = threading.Lock()
        self._lines: dict[TcpLine, threading.Thread] = {}
        self._ended = threading.Event()
        self._is_swallowing = False
        self._delay_seconds = 0.0
        self._drip_bytes = CHUNK_BYTES
        self._drip_pause_seconds = 0.0
        self._socket = _bind(0)
        self.port: int = self._socket.getsockname()[1]
        self._acceptor: threading.Thread | None = None

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        if self._acceptor is not None:
            shut(self._socket)
            self._acceptor.join(JOIN_SECONDS)
            self._acceptor = None
            self._socket.close()
            # Bound and not listening it refuses, and nobody else gets the port.
            self._socket = _bind(self.port)
        for line in self._present():
            line.end()

    def restore(self) -> None:
        """Be an ordinary proxy again; connections that were broken stay so."""
        self._is_swallowing = False
        self._delay_seconds = self._drip_pause_seconds = 0.0
        self._drip_bytes = CHUNK_BYTES
        if self._acceptor is None:
            self._socket.listen(BACKLOG)
            self._socket.settimeout(WAKE_SECONDS)
            # A daemon: a test that forgets its proxy must not keep the run from ending.
            self._acceptor = threading.Thread(
                target=self._accept, args=(self._socket,), daemon=True
            )
            self._acceptor.start()

    def delay(self, seconds: float) -> None:
        """Hold every chunk back for so long, in both directions."""
        self._delay_seconds = seconds

    def drip(self, chunk_bytes: int, pause_seconds: float) -> None:
        """Send so few bytes at a time, with a pause before each."""
        self._drip_bytes, self._drip_pause_seconds = chunk_bytes, pause_seconds

    def black_hole(self) -> None:
        """Accept connections and swallow what comes from either side."""
        self._is_swallowing = True

    def half_open(self) -> None:
        """Lose the server's end of the present connections; the clients' stay open, in silence."""
        for line in self._present():
            line.lose_server()

    def reset(self) -> None:
        """End the present connections with RST."""
        for line in self._present():
            line.reset()

    def __enter__(self) -> Self:
        """Listen."""
        self.restore()
        return self

    def __exit__(self, *exception: object) -> None:
        """End all connections and threads."""
        self._ended.set()
        self.cut()
        for thread in self._present().values():
            thread.join(JOIN_SECONDS)
        self._socket.close()

    def _carry(self, chunk: bytes, sink: socket.socket) -> None:
        if self._is_swallowing:
            return
        self._ended.wait(self._delay_seconds)
        for start in range(0, len(chunk), self._drip_bytes):
            self._ended.wait(self._drip_pause_seconds)
            sink.sendall(chunk[start : start + self._drip_bytes])

    def _present(self) -> dict[TcpLine, threading.Thread]:
        with self._lock:
            return dict(self._lines)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:  # the port was closed
                return
            line = TcpLine(client, self._carry)
            thread = threading.Thread(target=self._serve, args=(line,), daemon=True)
            with self._lock:
                self._lines[line] = thread
            thread.start()

    def _serve(self, line: TcpLine) -> None:
        line.serve(self._server_port)
        with self._lock:
            del self._lines[line]


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound
