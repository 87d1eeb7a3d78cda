"""Connections on which our own scripts' messages arrive, where a server allows no client tracking.

Note [Changes by publish/subscribe]
-----------------------------------
Tracking is of a server's making and misses nothing; messages are of ours. A record in process
memory is current all the same, for these reasons. `tests/usercache/tracking/test_publishing.py`
breaks each of them.

- *Nobody but our scripts makes a record outdated.* A row changes after a write marker was set on
  its key, or is told afterwards by an invalidation (the outbox). Both are scripts of `lua.py`, and
  so is the end of a write, which drops what a lost write marker has let in. A fill makes nothing
  outdated. Nor does a key that expires, or is evicted or flushed: what it held was not wrong, it
  has the same end in our memory as in Redis, and the next write tells its key whether or not it is
  there. Who invalidates all records has a message for all, since a search finds only what is there.
- *A change and its message are one step*: one script. A reader that has the record of before has
  asked before, and its version is void, or the record dropped, once the message is taken.
- *A script publishes if anybody listens on the very server on which it runs.* The server knows;
  there is no flag that lags behind or outlives a listener. So any process can be a writer: one
  that doesn't listen, or may track, or has just begun. Where nobody listens, a write costs that
  question alone, of one or two microseconds. Each primary is listened to by itself: what reaches
  it from others in a cluster may be late or lost, and comes twice.
- *The heartbeat is such a script*, on a key of its own, with a channel that this connection alone
  listens to. So each heartbeat proves all of it: the server takes writes, runs scripts, knows that
  we listen, publishes, and the message arrives, after all earlier ones. It is sent over another
  connection, since in protocol 2 one that listens can send no command. If that leads elsewhere by
  now (another server has the name or the address), nobody listens there, and the heartbeat is
  lost. Its key is another each time: behind a proxy for several servers, it is another server's
  turn.

What is told by nobody: what others do to our keys with commands of their own (DEL in redis-cli,
FLUSHALL). They lose the record in Redis, not in our memory; see docs/caveats.md.

Sharded channels (SPUBLISH) would spare a cluster's nodes each other's messages. But a script may
publish only into a slot of its own node. So either each slot is a channel, which is 16,384 of them
for each listener, or writer and listener agree which one is used for a node, which they wouldn't
for a moment after slots have moved.
"""

from collections.abc import Generator
from typing import Final

from redis import ConnectionPool
from redis.exceptions import InvalidResponse

from usercache.backends import lua
from usercache.backends.base import new_token
from usercache.keys import CHANGES, EVERY_RECORD
from usercache.l1.listener import Answer, Changes
from usercache.tracking.reporting import ReportingSocket, make_connection, read_count

_TRY_TO_PUBLISH: Final = "return redis.call('PUBLISH', ARGV[1], KEYS[1])"
_MESSAGES: Final = (b">3", b"*3")
"""How a message begins, in protocol 3 and 2."""


class SubscribedConnection(ReportingSocket):
    """One connection that listens to the changes on one primary.

    See Note [Changes by publish/subscribe].
    """

    def __init__(self, pool: ConnectionPool, prefix: str, heartbeat_key: str) -> None:
        """Connect as the pool does, and subscribe.

        Raises:
            redis.RedisError: there is no connection.
        """
        self._changes = prefix + CHANGES
        self._heartbeats = f"{self._changes}:{new_token().hex()}"
        self._heartbeat_name = heartbeat_key
        self._heartbeat_count = 0
        self._awaited = ""
        self._sender = make_connection(pool)
        super().__init__(pool, prefix)

    def send_heartbeat(self) -> None:
        """Have the heartbeat published; one round trip."""
        self._heartbeat_count += 1
        self._awaited = f"{self._heartbeat_name}:{self._heartbeat_count}"
        self._run(lua.INVALIDATE, self._awaited)

    def close(self) -> None:
        """Close both connections."""
        self._sender.disconnect()
        super().close()

    def _ask_for_reports(self) -> None:
        # Now: where redis-py connects by itself, to send something, it asks no sentinel.
        self._sender.connect()
        # Where scripts may not publish, each write would fail while this connection listens.
        self._run(_TRY_TO_PUBLISH, self._heartbeat_name)
        self._send("SUBSCRIBE", self._changes, self._heartbeats)
        # The confirmation: a heartbeat, on the other connection, could overtake the subscription.
        self._sock.settimeout(self._connection.socket_timeout)
        self._unread += self._receive()
        self._sock.settimeout(0)

    def _run(self, script: str, name: str) -> None:
        key = self._prefix.decode() + name
        self._sender.send_command("EVAL", script, 1, key, self._heartbeats)
        self._sender.read_response()

    def _parse_message(self, head: bytes) -> Generator[Changes | Answer | None, None, None]:
        if head not in _MESSAGES:
            self._refuse(head)
        name = yield from self._read_text()
        channel = (yield from self._read_text()).decode(errors="replace")
        if name == b"subscribe":
            read_count((yield from self._read_line()), b":")
            return
        if name != b"message" or channel not in (self._changes, self._heartbeats):
            raise InvalidResponse(f"A {name!r} on {channel!r}.")
        key = yield from self._read_key()
        if channel == self._changes:
            yield Changes(None if key.startswith(EVERY_RECORD) else [key])
        elif key == self._awaited:
            self._awaited = ""
            yield Answer.HEARTBEAT
        else:
            raise InvalidResponse(f"{key!r} is not the heartbeat that was sent.")
