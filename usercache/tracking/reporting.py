"""A connection on which a primary reports what changes, whichever way it does.

Note [A reporting connection is one socket]
-------------------------------------------
Redis reports on the connection that asked for it, and on no other. redis-py reconnects whenever
it finds a connection closed, and a pool closes connections in use: at the end of each request with
`DJANGO_REDIS_CLOSE_CONNECTION`, in `disconnect()`, in a reset. So such a connection is in no
pool: redis-py only opens it, and this module alone reads and writes its socket. A lost socket is
never replaced within its object: each further use raises.

Every message is checked: an unexpected answer, a message of another kind, a key outside of our
prefix, or anything malformed ends the connection. redis-py's parser swallows what its handler of
such messages raises, and waits for the rest of a message while bytes arrive; this one never waits.
"""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import Any, Final, NoReturn

from redis import ConnectionPool
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError

from usercache.backends.redis import without_maintenance_notices
from usercache.l1.listener import Answer, Changes

READ_BYTES: Final = 65_536
LONGEST_LINE_BYTES: Final = 4_096
"""The longest length field or error text accepted; Redis sends far shorter ones."""
LONGEST_KEY_BYTES: Final = 1_048_576
_NOTHING_YET: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_CRLF: Final = b"\r\n"


class ReportingSocket(ABC):
    """One connection to one primary, which reports changed record keys on it.

    Raises redis-py's errors. See Note [A reporting connection is one socket].
    """

    def __init__(self, pool: ConnectionPool, prefix: str) -> None:
        """Connect as the pool does, and ask for reports; keys are passed on without the prefix.

        Raises:
            redis.RedisError: there is no connection, or not with the protocol that this needs.
        """
        self.pool = pool
        self._prefix = prefix.encode()
        self._unread = bytearray()
        self._is_within_message = False
        self._messages = self._parse()
        self._connection = self._make_connection(pool)
        try:
            self._connection.connect()
            self._sock = self._connection._sock
            self._sock.settimeout(0)
            self._ask_for_reports()
        except RedisError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a message arrives."""
        number: int = self._sock.fileno()
        return number

    @abstractmethod
    def send_heartbeat(self) -> None:
        """Send a command that only a writable, connected primary answers.

        A replica, a node that lost its slots, a node cut off from its cluster or its required
        replicas: all answer PING, and none DEL. The key never exists.

        Raises:
            redis.RedisError: the connection was lost, or the server refuses.
        """

    def take(self) -> Iterator[Changes | Answer]:
        """Yield the messages that have arrived, in order, without waiting.

        Raises:
            redis.ConnectionError: the connection was lost.
            redis.ResponseError: reports were refused, or the server isn't the primary in charge.
            redis.InvalidResponse: a message was unknown or unexpected.
        """
        while chunk := self._receive():
            self._unread += chunk
            for message in self._messages:
                if message is None:
                    break
                yield message

    @property
    def is_amid_message(self) -> bool:
        """Whether a message has arrived in part."""
        return self._is_within_message or bool(self._unread)

    @property
    def is_current(self) -> bool:
        """Whether the pool would still connect to this server; sentinels may name another."""
        return bool(self.pool.owns_connection(self._connection))

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _make_connection(self, pool: ConnectionPool) -> Any:
        return make_connection(pool)

    @abstractmethod
    def _ask_for_reports(self) -> None:
        """Send what makes this server report on this connection."""

    @abstractmethod
    def _parse_message(self, head: bytes) -> Generator[Changes | Answer | None, None, None]:
        """Yield what a message says that begins with this line; None if it needs more bytes."""

    def _send(self, *words: str) -> None:
        try:
            for piece in self._connection.pack_command(*words):
                self._sock.sendall(piece)
        except OSError as error:
            raise RedisConnectionError(f"The reporting connection was lost: {error}") from error

    def _receive(self) -> bytes:
        try:
            chunk: bytes = self._sock.recv(READ_BYTES)
        except _NOTHING_YET:
            return b""
        except OSError as error:
            raise RedisConnectionError(f"The reporting connection was lost: {error}") from error
        if not chunk:
            raise RedisConnectionError("The server has closed the reporting connection.")
        return chunk

    def _parse(self) -> Iterator[Changes | Answer | None]:
        while True:
            head = yield from self._read_line()
            self._is_within_message = True
            yield from self._parse_message(head)
            self._is_within_message = False

    def _read_key(self) -> Generator[None, None, str]:
        key = yield from self._read_text()
        if not key.startswith(self._prefix):
            raise InvalidResponse(f"A key of others: {key!r}.")
        return key[len(self._prefix) :].decode(errors="replace")

    def _refuse(self, head: bytes) -> NoReturn:
        if head[:1] == b"-":
            text = head[1:].decode(errors="replace")
            raise BaseParser.parse_error(text)  # type: ignore[no-untyped-call]  # redis-py's
        raise InvalidResponse(f"{head!r}, which is unexpected.")

    def _read_text(self) -> Generator[None, None, bytes]:
        length = read_count((yield from self._read_line()), b"$")
        if length > LONGEST_KEY_BYTES:
            raise InvalidResponse(f"A key of {length} bytes.")
        while len(self._unread) < length + len(_CRLF):
            yield None
        return self._cut(length)

    def _read_line(self) -> Generator[None, None, bytes]:
        while (end := self._unread.find(_CRLF)) < 0:
            if len(self._unread) > LONGEST_LINE_BYTES:
                raise InvalidResponse("A line without an end.")
            yield None
        return self._cut(end)

    def _cut(self, length: int) -> bytes:
        text, end = bytes(self._unread[:length]), length + len(_CRLF)
        if self._unread[length:end] != _CRLF:
            raise InvalidResponse("A text that doesn't end where it should.")
        del self._unread[:end]
        return text


def read_count(head: bytes, kind: bytes) -> int:
    """Return the number in a line of this kind.

    Raises:
        redis.InvalidResponse: it is another line.
    """
    if head[:1] != kind or not head[1:].isdigit():
        raise InvalidResponse(f"{head!r} where {kind!r} and a number should be.")
    return int(head[1:])


def make_connection(pool: ConnectionPool, **defaults: Any) -> Any:
    """Return a connection as the pool would make it, which isn't in the pool.

    `defaults` are options that count where the pool has none of that name.
    """
    # A server that is about to move closes its connections, which is enough to know.
    options = without_maintenance_notices(defaults | pool.connection_kwargs)
    return pool.connection_class(**options)
