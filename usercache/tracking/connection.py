"""Tracking connections, on which Redis reports the keys that change, by any client.

This is Redis' client tracking in broadcasting mode: the server reports every write under a prefix,
and keys that expire, are evicted or flushed, atomically and without a command in our scripts.
Redis 6 and later, Valkey. Where it is refused, see `subscription.py`.
"""

from collections import deque
from collections.abc import Generator
from typing import Any, Final

from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError

from usercache.backends.redis import RESP3, tracking_command
from usercache.l1.listener import Answer, Changes
from usercache.tracking.reporting import ReportingSocket, make_connection, read_count

KEYS_AT_ONCE: Final = 1_000
"""Keys of one message that are passed on together: it may have millions."""
_BEGINNINGS: Final = {Answer.TRACKING: b"+OK", Answer.HEARTBEAT: b":"}


class TrackingConnection(ReportingSocket):
    """One tracking connection to one primary."""

    def __init__(self, pool: ConnectionPool, prefix: str, heartbeat_key: str) -> None:
        """Connect as the pool does, and turn on tracking of record keys.

        Raises:
            redis.RedisError: there is no connection, or not with the protocol that this needs.
        """
        self._awaited = deque[Answer]()
        self._heartbeat_key = prefix + heartbeat_key
        super().__init__(pool, prefix)

    def send_heartbeat(self) -> None:
        """Delete the key, on this very connection: the answer follows all earlier messages."""
        self._awaited.append(Answer.HEARTBEAT)
        self._send("DEL", self._heartbeat_key)

    def _make_connection(self, pool: ConnectionPool) -> Any:
        return _make_connection(pool)

    def _ask_for_reports(self) -> None:
        if self._connection.get_protocol() != RESP3:
            raise RedisConnectionError("Client tracking needs connections with protocol 3.")
        self._awaited.append(Answer.TRACKING)
        self._send(*tracking_command(self._prefix.decode()))

    def _parse_message(self, head: bytes) -> Generator[Changes | Answer | None, None, None]:
        if head == b">2":
            yield from self._parse_changes()
            return
        if not self._awaited or not head.startswith(_BEGINNINGS[self._awaited[0]]):
            self._refuse(head)
        yield self._awaited.popleft()

    def _parse_changes(self) -> Generator[Changes | None, None, None]:
        if (name := (yield from self._read_text())) != b"invalidate":
            raise InvalidResponse(f"A message called {name!r}.")
        head = yield from self._read_line()
        if head == b"_":
            yield Changes(None)
            return
        keys = list[str]()
        for _ in range(read_count(head, b"*")):
            keys.append((yield from self._read_key()))
            if len(keys) == KEYS_AT_ONCE:
                yield Changes(keys)
                keys = []
        yield Changes(keys)


def may_track(pool: ConnectionPool, prefix: str) -> bool:
    """Return whether a primary reports changed keys by client tracking, found out by trying.

    Raises:
        redis.RedisError: it can't be reached.
    """
    connection = _make_connection(pool)
    try:
        connection.connect()
        connection.send_command(*tracking_command(prefix))
        connection.read_response()
    except ResponseError:
        return False
    else:
        return bool(connection.get_protocol() == RESP3)
    finally:
        connection.disconnect()


def _make_connection(pool: ConnectionPool) -> Any:
    # Before redis-py 8, a pool that names no protocol gets 2.
    return make_connection(pool, protocol=RESP3)
