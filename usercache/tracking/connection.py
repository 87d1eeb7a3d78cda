"""Tracking connections, on which Redis reports the keys that change, by any client.

This is Redis' client tracking in broadcasting mode: the server reports every write under a prefix,
and keys that expire, are evicted or flushed, atomically and without a command in our scripts.
Published messages would cover our own invalidations alone, and in a cluster get lost between nodes
that can't reach each other. Redis 6 and later, Valkey.

Note [A tracking connection is one socket]
-----------------------------------------
Tracking belongs to one connection: Redis reports nothing on another. redis-py reconnects whenever
it finds a connection closed, and a pool closes connections in use: at the end of each request with
`DJANGO_REDIS_CLOSE_CONNECTION`, in `disconnect()`, in a reset. So a tracking connection is in no
pool: redis-py only opens it, and this module alone reads and writes its socket. A lost socket is
never replaced within its object: each further use raises.

Every message is checked: an unexpected answer, a message of another kind, a key outside of our
prefix, or anything malformed ends the connection. redis-py's parser swallows what its handler of
such messages raises, and waits for the rest of a message while bytes arrive; this one never waits.
"""

import ssl
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, Final

from redis import ConnectionPool
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from usercache.backends.redis import tracking_command
from usercache.l1.listener import Answer, Changes

RESP3: Final = 3
"""The version of Redis' protocol that has messages between the answers."""
READ_BYTES: Final = 65_536
LONGEST_LINE_BYTES: Final = 4_096
"""The longest length field or error text accepted; Redis sends far shorter ones."""
LONGEST_KEY_BYTES: Final = 1_048_576
KEYS_AT_ONCE: Final = 1_000
"""Keys of one message that are passed on together: it may have millions."""
_NOTHING_YET: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_CRLF: Final = b"\r\n"
_BEGINNINGS: Final = {Answer.TRACKING: b"+OK", Answer.HEARTBEAT: b":"}


class TrackingConnection:
    """One tracking connection to one primary.

    Raises redis-py's errors. See Note [A tracking connection is one socket].
    """

    def __init__(self, pool: ConnectionPool, prefix: str, heartbeat_key: str) -> None:
        """Connect as the pool does, and turn on tracking of record keys.

        Keys are reported without the prefix.

        Raises:
            redis.RedisError: there is no connection, or not with the protocol that this needs.
        """
        self.pool = pool
        self._prefix = prefix.encode()
        self._heartbeat_key = prefix + heartbeat_key
        self._awaited = deque[Answer]()
        self._unread = bytearray()
        self._is_within_message = False
        self._messages = self._parse()
        # A server that is about to move closes its connections, which is enough to know.
        options = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}
        self._connection: Any = pool.connection_class(**pool.connection_kwargs | options)
        try:
            self._connection.connect()
            self._sock = self._connection._sock
            self._sock.settimeout(0)
            self._track()
        except RedisError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a message arrives."""
        number: int = self._sock.fileno()
        return number

    def send_heartbeat(self) -> None:
        """Send a command that only a writable, connected primary answers.

        A replica, a node that lost its slots, a node cut off from its cluster or its required
        replicas: all answer PING, and none DEL. The key never exists.

        Raises:
            redis.ConnectionError: the connection was lost.
        """
        self._send(Answer.HEARTBEAT, "DEL", self._heartbeat_key)

    def take(self) -> Iterator[Changes | Answer]:
        """Yield the messages that have arrived, in order, without waiting.

        Raises:
            redis.ConnectionError: the connection was lost.
            redis.ResponseError: tracking was refused, or the server isn't the primary in charge.
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

    def _track(self) -> None:
        if self._connection.get_protocol() != RESP3:
            raise RedisConnectionError("The client-side cache needs connections with protocol 3.")
        self._send(Answer.TRACKING, *tracking_command(self._prefix.decode()))

    def _send(self, answer: Answer, *words: str) -> None:
        try:
            for piece in self._connection.pack_command(*words):
                self._sock.sendall(piece)
        except OSError as error:
            raise RedisConnectionError(f"The tracking connection was lost: {error}") from error
        self._awaited.append(answer)

    def _receive(self) -> bytes:
        try:
            chunk: bytes = self._sock.recv(READ_BYTES)
        except _NOTHING_YET:
            return b""
        except OSError as error:
            raise RedisConnectionError(f"The tracking connection was lost: {error}") from error
        if not chunk:
            raise RedisConnectionError("The server has closed the tracking connection.")
        return chunk

    def _parse(self) -> Iterator[Changes | Answer | None]:
        # Yields None if it needs more bytes.
        while True:
            head = yield from self._read_line()
            self._is_within_message = True
            if head == b">2":
                yield from self._parse_changes()
            else:
                yield self._check_answer(head)
            self._is_within_message = False

    def _parse_changes(self) -> Iterator[Changes | None]:
        if (name := (yield from self._read_text())) != b"invalidate":
            raise InvalidResponse(f"A message called {name!r}.")
        head = yield from self._read_line()
        if head == b"_":
            yield Changes(None)
            return
        keys = list[str]()
        for _ in range(_read_count(head, b"*")):
            key = yield from self._read_text()
            if not key.startswith(self._prefix):
                raise InvalidResponse(f"A key of others: {key!r}.")
            keys.append(key[len(self._prefix) :].decode(errors="replace"))
            if len(keys) == KEYS_AT_ONCE:
                yield Changes(keys)
                keys = []
        yield Changes(keys)

    def _check_answer(self, head: bytes) -> Answer:
        if head[:1] == b"-":
            text = head[1:].decode(errors="replace")
            raise BaseParser.parse_error(text)  # type: ignore[no-untyped-call]  # redis-py's
        answer = self._awaited.popleft() if self._awaited else None
        if answer is None or not head.startswith(_BEGINNINGS[answer]):
            raise InvalidResponse(f"{head!r} is no answer to {answer}.")
        return answer

    def _read_text(self) -> Generator[None, None, bytes]:
        length = _read_count((yield from self._read_line()), b"$")
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


def _read_count(head: bytes, kind: bytes) -> int:
    if head[:1] != kind or not head[1:].isdigit():
        raise InvalidResponse(f"{head!r} where {kind!r} and a number should be.")
    return int(head[1:])
