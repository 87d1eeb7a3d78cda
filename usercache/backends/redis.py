"""The backend that all processes share: Redis, through a django-redis alias."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from django.core.cache import caches
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from redis import VERSION, ConnectionPool, Redis
from redis.connection import DEFAULT_RESP_VERSION  # type: ignore[attr-defined]  # redis-py's
from redis.exceptions import RedisError, ResponseError

from usercache.backends import lua
from usercache.clocks import MILLISECONDS
from usercache.conf import conf
from usercache.keys import (
    CHANGES,
    EVERY_RECORD,
    HEARTBEAT,
    OWN_PREFIXES,
    PROBE,
    RECORD_PREFIXES,
    USERS_PREFIX,
)

try:
    from redis.maint_notifications import MaintNotificationsConfig
except ModuleNotFoundError:  # redis-py 5 and 6, which know no such notices
    _OFF: dict[str, Any] = {}
else:
    _OFF = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}

RESP3: Final = 3
"""The version of Redis' protocol that has messages between the answers."""
HAS_CLUSTER: Final = VERSION[:2] >= (7, 4)
"""Whether our cluster client works with this redis-py.

Up to 7.1 it can't move one slot at once. In 5 and 6 looking up the slots also closes connections in
use, and their callers get an AttributeError.
"""
SCAN_BATCH: Final = 1000
SCRIPT_KEYS: Final = 100
"""Keys per script call; Redis executes nothing else during a call."""
PROBE_TTL_MS: Final = 60_000
WAIT_MS: Final = 100
"""How long replicas may take to confirm an invalidation; shorter than the socket timeout."""
_GLOB_SPECIALS: Final = str.maketrans({c: "\\" + c for c in "*?[]\\^-"})


Command = tuple[str | bytes | int, ...]
"""Its name and its arguments."""


class ProbeFailedError(Exception):
    """Raised when Redis answers a probe with another value than was written."""


class TooFewReplicasError(RedisError):
    """Raised when too few replicas confirm: an invalidation may be lost with the primary."""


class RedisBackend:
    """Implement the protocol in Redis; a method is one round trip unless it says otherwise.

    Raises redis-py's errors. It uses the prefix, client class, timeouts and pool of an alias's
    cache, and bypasses the serializer, since entries are bytes already.
    """

    name = "redis"
    keys_per_script = SCRIPT_KEYS
    topology = ""
    """For the metrics; "" for what the client's pool says."""

    def __init__(self, cache: "RedisCache[Any]") -> None:
        """Use the alias's client, which connects on first use."""
        self._cache = cache
        self.prefix = cache.make_key("")
        self.client: Redis = cache.client.get_client(write=True)

    def get(self, key: str) -> bytes | None:
        """Return what the key holds. A key of another type counts as absent, and is deleted."""
        [held] = self._exchange([("GET", self.prefix + key)])
        if isinstance(held, ResponseError) and _is_of_foreign_type(held):
            self._execute([("DEL", self.prefix + key)])
        return _raise_unless_foreign(held)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what each of the keys holds; a key of another type counts as absent."""
        answers = self._exchange([("GET", self.prefix + key) for key in keys])
        return list(map(_raise_unless_foreign, answers))

    def acquire_fill_locks(
        self, keys: Sequence[str], fill_lock: bytes, unreadable: Mapping[str, bytes] = {}
    ) -> list[bytes | None]:
        ttl_ms = _milliseconds(conf.USERCACHE_FILL_LOCK_TTL_SECONDS)
        script = lua.ACQUIRE_FILL_LOCK
        return self._execute(
            [
                ("EVAL", script, 1, self.prefix + key, fill_lock, ttl_ms, unreadable.get(key, b""))
                for key in keys
            ]
        )

    def fill(self, entries: Mapping[str, tuple[bytes, int]], fill_lock: bytes) -> int:
        return sum(
            self._execute(
                [
                    ("EVAL", lua.FILL, 1, self.prefix + key, fill_lock, entry, ttl_ms)
                    for key, (entry, ttl_ms) in entries.items()
                ]
            )
        )

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        self._execute([("SET", self.prefix + key, pk, "PX", ttl_ms)])

    def set_markers(self, keys: Sequence[str], token: bytes) -> None:
        """Set all of them in one round trip."""
        ttl_ms = _milliseconds(conf.USERCACHE_WRITE_MARKER_TTL_SECONDS)
        self._write(lua.SET_MARKERS, self._full_keys(keys), token, ttl_ms)

    def clear_markers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Clear all of them and drop the pointers in one round trip."""
        self._write(lua.CLEAR_MARKERS, self._full_keys(keys), token, pointers=pointers)

    def invalidate(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        """Drop all of them in one round trip; write markers stay."""
        self._write(lua.INVALIDATE, self._full_keys(keys), pointers=pointers)

    def invalidate_all(self) -> None:
        """Drop every record, fill lock and pointer; a round trip per thousand of the server's keys.

        A project's own keys under this alias stay, also those with a similar name: `user:7`.
        """
        pattern = self.prefix.translate(_GLOB_SPECIALS) + USERS_PREFIX + "*"
        own = tuple((self.prefix + prefix).encode() for prefix in OWN_PREFIXES)
        batch = list[bytes]()
        for full_key in self.client.scan_iter(match=pattern, count=SCAN_BATCH):
            if full_key.startswith(own):
                batch.append(full_key)
            if len(batch) == SCAN_BATCH:
                self._write(lua.INVALIDATE, batch)
                batch.clear()
        # What Redis has evicted may still be in the memory of those who hear of our changes alone.
        every = [EVERY_RECORD + tag for tag in self.primaries]
        self._write(lua.INVALIDATE, [*batch, *map(str.encode, self._full_keys(every))])

    def seconds_left(self, key: str) -> float | None:
        """Return the seconds until the key expires, None when it is absent or never expires."""
        left_ms = self.client.pttl(self.prefix + key)
        return left_ms / MILLISECONDS if left_ms >= 0 else None

    def run_script(self, script: str, keys: Sequence[str], arguments: Sequence[int | str]) -> Any:
        """Run a script of the project's own; in a cluster its keys share a hash tag."""
        return self.client.eval(script, len(keys), *self._full_keys(keys), *arguments)

    def probe(self) -> None:
        """Write, read and delete a key: a read alone would succeed on a replica.

        On new connections, since an old one may be why a probe is needed. In a cluster, on every
        primary: an invalidation may be owed to each of them.

        Raises:
            ProbeFailedError: Redis answered with another value than was written.
        """
        sent = b"probe"
        primaries = self.primaries
        for pool in primaries.values():
            pool.disconnect(inuse_connections=False)
        commands = list[Command]()
        for key in [f"{self.prefix}{PROBE}{tag}" for tag in primaries]:
            commands += [("SET", key, sent, "PX", PROBE_TTL_MS), ("GET", key), ("DEL", key)]
        received = self._execute_for_good(commands)[1::3]
        if any(answer != sent for answer in received):
            raise ProbeFailedError(f"Redis returned {received!r} for keys just set to {sent!r}.")

    def beat(self) -> None:
        """Send each primary a write that it refuses if it would refuse an invalidation.

        It deletes a key that never exists. A server with full memory accepts it, as it accepts an
        invalidation; a replica, a server without its required replicas, and one that can't write
        to its disk refuse it.
        """
        self._execute([("DEL", f"{self.prefix}{HEARTBEAT}{tag}") for tag in self.primaries])

    @property
    def primaries(self) -> dict[str, ConnectionPool]:
        """The pool of each primary, by a hash tag of its slots; no I/O."""
        return {"": self.client.connection_pool}

    def find_primaries_again(self) -> None:
        """Have the primaries looked up again, where they may be others by now."""

    def read_infos(self) -> Sequence[Mapping[str, Any]]:
        """Return each primary's answer to INFO."""
        return [cast("Mapping[str, Any]", self.client.info())]

    def _full_keys(self, keys: Sequence[str]) -> list[str]:
        return [self.prefix + key for key in keys]

    def _write(
        self,
        script: str,
        full_keys: Sequence[str] | Sequence[bytes],
        *arguments: bytes | int,
        pointers: Sequence[str] = (),
    ) -> None:
        # One call for many keys: a call for each would dominate the cost of a bulk write.
        size = self.keys_per_script
        batches = (full_keys[start : start + size] for start in range(0, len(full_keys), size))
        channel = self.prefix + CHANGES
        commands: list[Command] = [
            ("EVAL", script, len(batch), *batch, *arguments, channel) for batch in batches
        ]
        commands += [("DEL", self.prefix + key) for key in pointers]
        self._execute_for_good(commands)

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        # The answers, errors among them; one round trip. It does what redis-py's client and
        # pipeline do, without retries, which the breaker makes needless, and their telemetry:
        # together a sixth of a warm look-up's time, and half of a fill's.
        if not commands:
            return []
        pool = self.client.connection_pool
        connection: Any = pool.get_connection()
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_read_answer(connection) for _ in commands]
        finally:
            pool.release(connection)

    def _execute(self, commands: Sequence[Command]) -> list[Any]:
        answers = self._exchange(commands)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    def _execute_for_good(self, commands: Sequence[Command]) -> list[Any]:
        # A primary that fails loses what no replica has: the write marker or the deletion would be
        # undone, and the old record served again. See USERCACHE_WAIT_REPLICAS.
        replicas = conf.USERCACHE_WAIT_REPLICAS
        if not replicas or not commands:
            return self._execute(commands)
        *answers, reached = self._execute([*commands, ("WAIT", replicas, WAIT_MS)])
        if reached < replicas:
            raise TooFewReplicasError(
                f"{reached} of {replicas} replicas had it after {WAIT_MS} ms."
            )
        return answers


def connect(alias: str) -> RedisBackend:
    """Return the backend on a django-redis alias of CACHES; its client may name another class."""
    cache = cast("RedisCache[Any]", caches[alias])
    path = getattr(cache.client, "usercache_backend", "")
    kind: type[RedisBackend] = import_string(path) if path else RedisBackend
    return kind(cache)


def tracking_command(prefix: str) -> tuple[str, ...]:
    """Return the command that has Redis report the record keys under an alias's prefix."""
    prefixes = [word for own in RECORD_PREFIXES for word in ("PREFIX", prefix + own)]
    return ("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)


def without_maintenance_notices(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options, such that a server's notices of maintenance change nothing."""
    # In protocol 2, the default of redis-py 7, there are none, and the option is refused.
    is_resp3 = int(options.get("protocol") or DEFAULT_RESP_VERSION) == RESP3
    return {**options, **_OFF} if is_resp3 else {**options}


def _read_answer(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error  # the answers to the other commands are still to be read


def _raise_unless_foreign(held: Any) -> bytes | None:
    if isinstance(held, ResponseError) and _is_of_foreign_type(held):
        return None
    if isinstance(held, RedisError):
        raise held
    return cast("bytes | None", held)


def _is_of_foreign_type(error: ResponseError) -> bool:
    return str(error).startswith("WRONGTYPE")


def _milliseconds(seconds: float) -> int:
    return int(seconds * MILLISECONDS)
