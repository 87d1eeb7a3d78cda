"""Connections over a pair of sockets, whose other ends are a test's."""

import socket
from typing import Any

from redis import ConnectionPool
from redis._parsers import _RESP2Parser, _RESP3Parser
from redis.connection import Connection
from redis.exceptions import RedisError

from usercache.l1.listener import Answer, Changes
from usercache.tracking.connection import TrackingConnection
from usercache.tracking.reporting import ReportingSocket
from usercache.tracking.subscription import SubscribedConnection

PREFIX = "hmb:1:"
HEARTBEAT = "heartbeat"
PARSERS = {2: _RESP2Parser, 3: _RESP3Parser}


class WiredConnection(Connection):
    """A connection over one end of a pair, ready without a word to the other."""

    ends: list[socket.socket]

    def _connect(self) -> socket.socket:
        return self.ends.pop(0)

    def on_connect(self) -> None:
        """Expect nobody at the other end."""
        self._parser.on_connect(self)

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """Do the same for redis-py 6 and later."""
        self.on_connect()


class Wire:
    """A reporting connection, and the server's end of it."""

    def __init__(
        self,
        kind: type[TrackingConnection | SubscribedConnection] = TrackingConnection,
        protocol: int = 3,
        answers: tuple[bytes, bytes] = (b"", b""),
        **options: Any,
    ) -> None:
        l1, self.server = socket.socketpair()
        second, self.second = socket.socketpair()
        for end, answer in zip((self.server, self.second), answers, strict=True):
            end.settimeout(0)
            end.sendall(answer)  # to what is sent on that connection first
        WiredConnection.ends = [l1, second]
        # Before redis-py 7 a connection chooses its parser when it logs in, which this one doesn't.
        options |= {"protocol": protocol, "parser_class": PARSERS[protocol]}
        pool = ConnectionPool(connection_class=WiredConnection, **options)
        try:
            self.line: ReportingSocket = kind(pool, PREFIX, HEARTBEAT)
        except RedisError:
            self._hang_up()
            raise

    def take(self, sent: bytes) -> list[Changes | Answer]:
        """Return what the line makes of these bytes."""
        self.server.sendall(sent)
        return list(self.line.take())

    def is_amid(self) -> bool:
        """Say whether the line waits for the rest of a message."""
        return self.line.is_amid_message

    def heard(self) -> bytes:
        """Return what the line has sent."""
        return self.server.recv(10_000)

    def close(self) -> None:
        """Close both ends."""
        self.line.close()
        self._hang_up()

    def _hang_up(self) -> None:
        for end in (self.server, self.second, *WiredConnection.ends):
            end.close()
