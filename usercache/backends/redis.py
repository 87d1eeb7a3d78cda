"""The backend that all processes share: Redis, through a django-redis alias."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

from django.core.cache import caches
from django_redis.cache import RedisCache
from redis import ConnectionPool, Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError

from usercache.backends import lua
from usercache.clocks import MILLISECONDS
from usercache.conf import conf
from usercache.keys import HEARTBEAT, OWN_PREFIXES, PROBE, RECORD_PREFIXES, USERS_PREFIX

SCAN_BATCH: Final = 1000
SCRIPT_KEYS: Final = 100
"""Keys per script call; Redis executes nothing else during a call."""
PROBE_TTL_MS: Final = 60_000
WAIT_MS: Final = 100
"""How long replicas may take to confirm an invalidation; shorter than the socket timeout."""
_GLOB_SPECIALS: Final = str.maketrans({c: "\\" + c for c in "*?[]\\^-"})


class ProbeFailedError(Exception):
    """Raised when Redis answers a probe with another value than was written."""


class TooFewReplicasError(RedisError):
    """Raised when too few replicas confirm: an invalidation may be lost with the primary."""


class ClusterClient(Protocol):
    """Further methods of a cluster's client; see `usercache.redis_topologies.cluster`."""

    def get_primaries(self) -> dict[str, ConnectionPool]:
        """Return the pool of each primary, by a hash tag that leads to it."""

    def info_of_primaries(self) -> list[Mapping[str, Any]]:
        """Return each primary's answer to INFO."""

    def look_again(self) -> None:
        """Look the primaries up again."""


class RedisBackend:
    """Implement the protocol in Redis; a method is one round trip unless it says otherwise.

    Raises redis-py's errors. It uses the prefix, client class, timeouts and pool of an alias's
    cache, and bypasses the serializer, since entries are bytes already.
    """

    name = "redis"

    def __init__(self, cache: "RedisCache[Any]") -> None:
        """Use the alias's client, which connects on first use."""
        self._cache = cache
        self.prefix = cache.make_key("")
        self.client: Redis = cache.client.get_client(write=True)
        self._read = _find_reading(self.client)

    def get(self, key: str) -> bytes | None:
        """Return what the key holds. A key of another type counts as absent, and is deleted."""
        try:
            return self._read(self.prefix + key)
        except ResponseError as error:
            if not _is_of_foreign_type(error):
                raise
            self.client.delete(self.prefix + key)
            return None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what each of the keys holds; a key of another type counts as absent."""
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(self.prefix + key)
            held = pipe.execute(raise_on_error=False)
        return [_raise_unless_foreign(entry) for entry in held]

    def acquire_fill_lock(
        self, key: str, fill_lock: bytes, instead_of: bytes = b""
    ) -> bytes | None:
        """Take the fill lock and return None, or return what the key holds."""
        ttl_ms = _milliseconds(conf.USERCACHE_FILL_LOCK_TTL_SECONDS)
        return cast(
            "bytes | None",
            self.client.eval(
                lua.ACQUIRE_FILL_LOCK, 1, self.prefix + key, fill_lock, ttl_ms, instead_of
            ),
        )

    def acquire_fill_locks(self, keys: Sequence[str], fill_lock: bytes) -> list[bytes | None]:
        """Take the fill lock on each key that is absent, and return what the others hold."""
        ttl_ms = _milliseconds(conf.USERCACHE_FILL_LOCK_TTL_SECONDS)
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.eval(lua.ACQUIRE_FILL_LOCK, 1, self.prefix + key, fill_lock, ttl_ms, b"")
            return pipe.execute()

    def fill(self, entries: Mapping[str, tuple[bytes, int]], fill_lock: bytes) -> int:
        """Replace each fill lock that still stands by its entry; return how many did."""
        with self.client.pipeline(transaction=False) as pipe:
            for key, (entry, ttl_ms) in entries.items():
                pipe.eval(lua.FILL, 1, self.prefix + key, fill_lock, entry, ttl_ms)
            return sum(pipe.execute())

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        """Let a pointer key lead to an id."""
        self.client.set(self.prefix + key, pk, px=ttl_ms)

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
        self._write(lua.INVALIDATE, batch)

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
        with self.client.pipeline(transaction=False) as pipe:
            for key in [f"{self.prefix}{PROBE}{tag}" for tag in primaries]:
                pipe.set(key, sent, px=PROBE_TTL_MS)
                pipe.get(key)
                pipe.delete(key)
            received = _execute_for_good(pipe)[1::3]
        if any(answer != sent for answer in received):
            raise ProbeFailedError(f"Redis returned {received!r} for keys just set to {sent!r}.")

    def beat(self) -> None:
        """Send each primary a write that it refuses if it would refuse an invalidation.

        It deletes a key that never exists. A server with full memory accepts it, as it accepts an
        invalidation; a replica, a server without its required replicas, and one that can't write
        to its disk refuse it.
        """
        with self.client.pipeline(transaction=False) as pipe:
            for tag in self.primaries:
                pipe.delete(f"{self.prefix}{HEARTBEAT}{tag}")
            pipe.execute()

    @property
    def primaries(self) -> dict[str, ConnectionPool]:
        """The pool of each primary, by a hash tag of its slots; no I/O."""
        if cluster := as_cluster(self.client):
            return cluster.get_primaries()
        return {"": self.client.connection_pool}

    def _full_keys(self, keys: Sequence[str]) -> list[str]:
        return [self.prefix + key for key in keys]

    def _write(
        self,
        script: str,
        full_keys: Sequence[str] | Sequence[bytes],
        *arguments: bytes | int,
        pointers: Sequence[str] = (),
    ) -> None:
        # One call for many keys: a call for each would dominate the cost of a bulk write. In a
        # cluster the keys of one call must share a slot.
        size = 1 if as_cluster(self.client) else SCRIPT_KEYS
        with self.client.pipeline(transaction=False) as pipe:
            for start in range(0, len(full_keys), size):
                batch = full_keys[start : start + size]
                pipe.eval(script, len(batch), *cast("tuple[str, ...]", (*batch, *arguments)))
            for key in pointers:
                pipe.delete(self.prefix + key)
            _execute_for_good(pipe)


def connect(alias: str) -> RedisBackend:
    """Return the backend on a django-redis alias of CACHES."""
    return RedisBackend(cast("RedisCache[Any]", caches[alias]))


def tracking_command(prefix: str) -> tuple[str, ...]:
    """Return the command that has Redis report the record keys under an alias's prefix."""
    prefixes = [word for own in RECORD_PREFIXES for word in ("PREFIX", prefix + own)]
    return ("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)


def _execute_for_good(pipe: "Pipeline") -> list[Any]:
    # A primary that fails loses what no replica has: the write marker or the deletion would be
    # undone, and the old record served again. See USERCACHE_WAIT_REPLICAS.
    replicas = conf.USERCACHE_WAIT_REPLICAS
    if not replicas or not len(pipe):
        return pipe.execute()
    pipe.wait(replicas, WAIT_MS)
    *answers, reached = pipe.execute()
    if reached < replicas:
        raise TooFewReplicasError(f"{reached} of {replicas} replicas had it after {WAIT_MS} ms.")
    return answers


def _find_reading(client: Redis) -> Callable[[str], bytes | None]:
    if as_cluster(client):
        return cast("Callable[[str], bytes | None]", client.get)
    pool = client.connection_pool

    def read(full_key: str) -> bytes | None:
        # What `client.get()` does, without retries, which the breaker makes needless, and
        # redis-py's own telemetry: together a sixth of a warm look-up's time.
        connection = pool.get_connection()
        try:
            connection.send_command("GET", full_key)  # type: ignore[no-untyped-call]
            return cast("bytes | None", connection.read_response(disable_decoding=True))
        finally:
            pool.release(connection)

    return read


def _raise_unless_foreign(held: Any) -> bytes | None:
    if isinstance(held, ResponseError) and _is_of_foreign_type(held):
        return None
    if isinstance(held, RedisError):
        raise held
    return cast("bytes | None", held)


def _is_of_foreign_type(error: ResponseError) -> bool:
    return str(error).startswith("WRONGTYPE")


def as_cluster(client: object) -> ClusterClient | None:
    """Return the client of a Redis Cluster, None for any other."""
    return cast("ClusterClient", client) if hasattr(client, "get_primaries") else None


def _milliseconds(seconds: float) -> int:
    return int(seconds * MILLISECONDS)
