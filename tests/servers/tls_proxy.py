"""TLS in front of a server that has none: a proxy on a loopback port that ends it."""

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from typing import Self

from tests.servers.server import HOST

CHUNK_BYTES = 65536


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        proxy = self.server
        assert isinstance(proxy, TLSProxy)
        with contextlib.suppress(OSError):  # a handshake that failed is the client's to tell
            client = proxy.context.wrap_socket(self.request, server_side=True)
            with client, socket.create_connection(proxy.target) as upstream:
                _pass_on(client, upstream)


class TLSProxy(socketserver.ThreadingTCPServer):
    """Pass connections on to a port: `with TLSProxy(context, server.port) as proxy: proxy.port`.

    `context` is a server's: it holds the certificate, and says whether clients must have one.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, context: ssl.SSLContext, target_port: int) -> None:
        """Listen on a free port."""
        super().__init__((HOST, 0), _Handler)
        self.context = context
        self.target = (HOST, target_port)
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port that speaks TLS."""
        port: int = self.server_address[1]
        return port

    def __enter__(self) -> Self:
        """Start to accept."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop accepting; open connections end with their client."""
        self.shutdown()
        self.server_close()
        self._thread.join()


def _pass_on(client: ssl.SSLSocket, upstream: socket.socket) -> None:
    # On one thread: two may not read and write one TLS connection at once.
    other = {client: upstream, upstream: client}
    while True:
        # What TLS has already decrypted, select() doesn't see.
        ready = [client] if client.pending() else select.select(list(other), [], [])[0]
        for source in ready:
            data = source.recv(CHUNK_BYTES)
            if not data:
                return
            other[source].sendall(data)
