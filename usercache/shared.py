"""The tier all processes share: Redis, through a django-redis alias."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from django.core.cache import caches
from django_redis.cache import RedisCache
from redis import ConnectionPool, Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool

from usercache import scripts
from usercache.cluster import ClusterRedis
from usercache.conf import conf
from usercache.figures.redis_state import RedisState, describe_redis
from usercache.figures.shared import SharedFigures
from usercache.keys import HEARTBEAT, PROBE, USERS_PATTERN
from usercache.lines import Line

MILLISECONDS: Final = 1000
SCAN_BATCH: Final = 1000
PROBE_TTL_MS: Final = 60_000
WAIT_MS: Final = 100
"""How long replicas may take to have an invalidation; shorter than the timeout of an answer."""
_GLOB_SPECIALS: Final = str.maketrans({c: "\\" + c for c in "*?[]\\^-"})


class ProbeFailedError(Exception):
    """Say that Redis answered a probe with something other than what was written."""


class TooFewReplicasError(RedisError):
    """Say that an invalidation may be lost with the primary: too few replicas have it."""


class SharedTier:
    """Speak the protocol to Redis; every method is one round trip unless it says otherwise.

    Raises what redis-py raises. Built from an alias's cache, whose prefix, client class, timeouts
    and pool it keeps; it bypasses the serializer, since entries are bytes already.
    """

    name = "redis"

    def __init__(self, cache: "RedisCache[Any]") -> None:
        """Take over the alias's client; connects on first use only."""
        self._cache = cache
        self._prefix = cache.make_key("")
        self._client: Redis = cache.client.get_client(write=True)
        self._read = _find_reading(self._client)
        self.figures = SharedFigures(self._client, self._prefix)

    def get(self, key: str) -> bytes | None:
        """Return what the key holds. A foreign type under our key is an absent key, and dropped."""
        try:
            return self._read(self._prefix + key)
        except ResponseError as error:
            if not _is_of_foreign_type(error):
                raise
            self._client.delete(self._prefix + key)
            return None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what each of the keys holds; a foreign type is an absent key."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.get(self._prefix + key)
            held = pipe.execute(raise_on_error=False)
        return [_raise_unless_foreign(entry) for entry in held]

    def take_lease(self, key: str, lease: bytes, instead_of: bytes = b"") -> bytes | None:
        """Take the lease, or return what stands in its way."""
        ttl_ms = _milliseconds(conf.USERCACHE_LEASE_TTL_SECONDS)
        return cast(
            "bytes | None",
            self._client.eval(scripts.TAKE_LEASE, 1, self._prefix + key, lease, ttl_ms, instead_of),
        )

    def take_leases(self, keys: Sequence[str], lease: bytes) -> list[bytes | None]:
        """Take the lease on each key that is absent, and return what the others hold."""
        ttl_ms = _milliseconds(conf.USERCACHE_LEASE_TTL_SECONDS)
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.eval(scripts.TAKE_LEASE, 1, self._prefix + key, lease, ttl_ms, b"")
            return pipe.execute()

    def fill(self, entries: Mapping[str, tuple[bytes, int]], lease: bytes) -> int:
        """Put each entry in its lease's place and return how many leases still stood."""
        with self._client.pipeline(transaction=False) as pipe:
            for key, (entry, ttl_ms) in entries.items():
                pipe.eval(scripts.FILL, 1, self._prefix + key, lease, entry, ttl_ms)
            return sum(pipe.execute())

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        """Let a pointer key lead to an id."""
        self._client.set(self._prefix + key, pk, px=ttl_ms)

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> None:
        """Raise all of them in one round trip."""
        ttl_ms = _milliseconds(conf.USERCACHE_BARRIER_TTL_SECONDS)
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.eval(scripts.RAISE_BARRIER, 1, self._prefix + key, token, ttl_ms)
            _execute_for_good(pipe)

    def lower_barriers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Lower all of them and drop the pointers in one round trip."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.eval(scripts.LOWER_BARRIER, 1, self._prefix + key, token)
            for key in pointers:
                pipe.delete(self._prefix + key)
            _execute_for_good(pipe)

    def forget(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        """Drop all of them in one round trip; barriers stay."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.eval(scripts.FORGET, 1, self._prefix + key)
            for key in pointers:
                pipe.delete(self._prefix + key)
            _execute_for_good(pipe)

    def forget_all(self) -> None:
        """Drop every user's keys under this alias's prefix; a round trip per thousand keys."""
        pattern = self._prefix.translate(_GLOB_SPECIALS) + USERS_PATTERN
        batch: list[bytes] = []
        for full_key in self._client.scan_iter(match=pattern, count=SCAN_BATCH):
            batch.append(full_key)
            if len(batch) == SCAN_BATCH:
                self._forget_full_keys(batch)
                batch.clear()
        self._forget_full_keys(batch)

    def seconds_left(self, key: str) -> float | None:
        """Say how long the key will still stand, None when it is absent or never expires."""
        left_ms = self._client.pttl(self._prefix + key)
        return left_ms / MILLISECONDS if left_ms >= 0 else None

    def probe(self) -> None:
        """Write, read and delete a key of our own: a read alone doesn't notice a replica.

        In a cluster, do so on every primary: an invalidation may be owed to each of them.

        Raises:
            ProbeFailedError: Redis answered, but not with what was written.
        """
        sent = b"probe"
        with self._client.pipeline(transaction=False) as pipe:
            for key in [f"{self._prefix}{PROBE}{tag}" for tag in self._get_primaries()]:
                pipe.set(key, sent, px=PROBE_TTL_MS)
                pipe.get(key)
                pipe.delete(key)
            received = _execute_for_good(pipe)[1::3]
        if any(answer != sent for answer in received):
            raise ProbeFailedError(f"Redis returned {received!r} for keys just set to {sent!r}.")

    def get_state(self) -> RedisState:
        """Return how Redis is. Three round trips, the last two of them to take their time."""
        cluster = _as_cluster(self._client)
        infos = [self._client.info()] if cluster is None else cluster.info_of_primaries()
        # Only now, since connecting takes longer, and the quicker one, since this process may be
        # the slow one.
        latency_ms = min(self._time_one_get() for _ in range(2)) * MILLISECONDS
        return describe_redis(infos, _topology_of(self._client), latency_ms)

    def _time_one_get(self) -> float:
        began = time.perf_counter()
        self._client.get(self._prefix + PROBE)
        return time.perf_counter() - began

    def open_lines(self) -> Iterator[Line]:
        """Yield a line to each primary, on which changes of records are told by their keys."""
        if cluster := _as_cluster(self._client):
            cluster.look_again()  # what was known may be why the last lines were lost
        for tag, pool in self._get_primaries().items():
            yield Line(pool, self._prefix, HEARTBEAT + tag)

    def are_current(self, lines: Sequence[Line]) -> bool:
        """Say whether these lines lead to what are the primaries now; no I/O."""
        pools = {line.pool for line in lines}
        return pools == set(self._get_primaries().values()) and all(
            line.is_current for line in lines
        )

    def _get_primaries(self) -> dict[str, ConnectionPool]:
        if cluster := _as_cluster(self._client):
            return cluster.get_primaries()
        return {"": self._client.connection_pool}

    def _forget_full_keys(self, full_keys: Sequence[bytes]) -> None:
        if full_keys:
            with self._client.pipeline(transaction=False) as pipe:
                for full_key in full_keys:
                    pipe.eval(scripts.FORGET, 1, cast(str, full_key))
                _execute_for_good(pipe)


def connect(alias: str) -> SharedTier:
    """Return the tier on a django-redis alias of CACHES."""
    return SharedTier(cast("RedisCache[Any]", caches[alias]))


def _execute_for_good(pipe: "Pipeline") -> list[Any]:
    # A primary that dies takes along what no replica has: the barrier or the deletion would be
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
    if _as_cluster(client):
        return cast("Callable[[str], bytes | None]", client.get)
    pool = client.connection_pool

    def read(full_key: str) -> bytes | None:
        # What `client.get()` comes to without retries, which the breaker makes needless, and
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


def _as_cluster(client: object) -> ClusterRedis | None:
    return client if isinstance(client, ClusterRedis) else None


def _topology_of(client: object) -> str:
    if isinstance(client, ClusterRedis):
        return "cluster"
    pool = cast(Redis, client).connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return "sentinel"
    return "socket" if "path" in pool.connection_kwargs else "server"


def _milliseconds(seconds: float) -> int:
    return int(seconds * MILLISECONDS)
