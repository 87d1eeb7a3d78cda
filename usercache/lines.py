"""Lines on which Redis tells which keys have changed, whoever changed them and by what means.

Redis' own client tracking, in broadcasting mode: the server tells of every write under a prefix,
of keys that run out, are evicted or flushed, atomically with it and without a word in our scripts.
A published message would hear of our own invalidations alone, and in a cluster be lost where its
nodes can't reach each other. Redis 6 and later, Valkey.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from usercache.keys import RECORDS_PREFIX

REST_SECONDS: Final = 2.0
"""How long the rest of a message may take that has begun to come."""
RESP3: Final = 3
"""The version of Redis' protocol in which messages come in between the answers."""


class Changes(NamedTuple):
    """What Redis tells: the keys that have changed, None for all of them."""

    keys: list[str] | None


class Line:
    """One connection to one primary, held for as long as it is listened to.

    Raises what redis-py raises.
    """

    def __init__(self, pool: ConnectionPool, prefix: str, heartbeat_key: str) -> None:
        """Connect, and have the changes of record keys told, by their names after the prefix.

        Raises:
            redis.RedisError: there is no connection, or the server knows no tracking.
        """
        self.pool = pool
        self._prefix_length = len(prefix.encode())
        self._heartbeat_key = prefix + heartbeat_key
        self._told = deque[Changes]()
        self._connection: Any = pool.get_connection()
        try:
            self._track(prefix + RECORDS_PREFIX)
        except RedisError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when there is something to take."""
        number: int = self._connection._sock.fileno()
        return number

    def send_heartbeat(self) -> None:
        """Ask for an answer that only the primary in charge can give, writable and in touch.

        A replica, a node that lost its slots, one that is cut off from its cluster or from the
        replicas it must have: all answer PING, and none DEL. The key is never there.
        """
        self._connection.send_command("DEL", self._heartbeat_key, check_health=False)

    def take(self) -> Iterator[Changes | None]:
        """Yield what has come, in its order: changes, and None for a heartbeat's answer.

        Raises:
            redis.ConnectionError: the connection was lost, or is somebody else's by now.
            redis.ResponseError: the server is not the primary in charge.
        """
        while self._connection.can_read(0):
            answer = self._connection.read_response(
                disable_decoding=True, timeout=REST_SECONDS, push_request=True
            )
            while self._told:
                yield self._told.popleft()
            if isinstance(answer, int):
                yield None

    @property
    def is_current(self) -> bool:
        """Say whether the pool would still connect to this server; sentinels may know another."""
        return bool(self.pool.owns_connection(self._connection))

    def close(self) -> None:
        """Hang up, and give the connection's place in the pool back."""
        self._connection.disconnect()
        self.pool.release(self._connection)

    def _track(self, prefix: str) -> None:
        if self._connection.get_protocol() != RESP3:
            raise RedisConnectionError("The near tier needs connections with protocol 3.")
        # The parser's own door for this: the public one opens to redis-py's own cache alone.
        self._connection._parser.set_invalidation_push_handler(self._keep)
        self._connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", prefix)
        if self._connection.read_response() not in (b"OK", "OK"):
            raise ResponseError("CLIENT TRACKING was not confirmed.")

    def _keep(self, message: list[Any]) -> None:
        # Kept rather than returned: whichever of redis-py's reads comes upon it, it is not lost.
        _, keys = message
        cut = self._prefix_length
        self._told.append(
            Changes(None if keys is None else [key[cut:].decode(errors="replace") for key in keys])
        )
