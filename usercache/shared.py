"""The tier all processes share: Redis, through a django-redis alias."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from django.core.cache import caches
from django_redis.cache import RedisCache
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError, ResponseError
from redis.sentinel import SentinelConnectionPool

from usercache import scripts
from usercache.cluster import ClusterRedis
from usercache.conf import conf
from usercache.figures.redis_state import RedisState, describe_redis
from usercache.figures.shared import SharedFigures
from usercache.keys import PROBE, USERS_PATTERN

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
        self.figures = SharedFigures(self._client, self._prefix)

    def get(self, key: str) -> bytes | None:
        """Return what the key holds. A foreign type under our key is an absent key, and dropped."""
        try:
            return cast("bytes | None", self._client.get(self._prefix + key))
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            self._client.delete(self._prefix + key)
            return None

    def take_lease(self, key: str, lease: bytes, instead_of: bytes = b"") -> bytes | None:
        """Take the lease, or return what stands in its way."""
        ttl_ms = _milliseconds(conf.USERCACHE_LEASE_TTL_SECONDS)
        return cast(
            "bytes | None",
            self._client.eval(scripts.TAKE_LEASE, 1, self._prefix + key, lease, ttl_ms, instead_of),
        )

    def fill(self, key: str, lease: bytes, entry: bytes, ttl_ms: int) -> bool:
        """Put the entry in the lease's place and return whether the lease still stood."""
        return bool(self._client.eval(scripts.FILL, 1, self._prefix + key, lease, entry, ttl_ms))

    def take_leases(self, leases: Mapping[str, bytes]) -> list[bytes | None]:
        """Take each lease, or return what stands in its way, in their order."""
        ttl_ms = _milliseconds(conf.USERCACHE_LEASE_TTL_SECONDS)
        with self._client.pipeline(transaction=False) as pipe:
            for key, lease in leases.items():
                pipe.eval(scripts.TAKE_LEASE, 1, self._prefix + key, lease, ttl_ms, b"")
            return pipe.execute()

    def fill_all(self, fills: Sequence[tuple[str, bytes, bytes, int]]) -> list[bool]:
        """Put entries (key, lease, entry, ttl_ms) in their leases' places; say which stood."""
        with self._client.pipeline(transaction=False) as pipe:
            for key, lease, entry, ttl_ms in fills:
                pipe.eval(scripts.FILL, 1, self._prefix + key, lease, entry, ttl_ms)
            return [bool(answer) for answer in pipe.execute()]

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
            for key in self._probe_keys():
                pipe.set(key, sent, px=PROBE_TTL_MS)
                pipe.get(key)
                pipe.delete(key)
            received = _execute_for_good(pipe)[1::3]
        if any(answer != sent for answer in received):
            raise ProbeFailedError(f"Redis returned {received!r} for keys just set to {sent!r}.")

    def get_state(self) -> RedisState:
        """Return how Redis is. Three round trips, the last two of them to take their time."""
        client: object = self._client
        if isinstance(client, ClusterRedis):
            infos = client.info_of_primaries()
        else:
            infos = [self._client.info()]
        # Only now, since connecting takes longer, and the quicker one, since this process may be
        # the slow one.
        latency_ms = min(self._time_one_get() for _ in range(2)) * MILLISECONDS
        return describe_redis(infos, _topology_of(client), latency_ms)

    def _time_one_get(self) -> float:
        began = time.perf_counter()
        self._client.get(self._prefix + PROBE)
        return time.perf_counter() - began

    def _probe_keys(self) -> list[str]:
        return [f"{self._prefix}{PROBE}{tag}" for tag in _key_tags(self._client)]

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


def _topology_of(client: object) -> str:
    if isinstance(client, ClusterRedis):
        return "cluster"
    pool = cast(Redis, client).connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return "sentinel"
    return "socket" if "path" in pool.connection_kwargs else "server"


def _key_tags(client: object) -> list[str]:
    return client.key_tags() if isinstance(client, ClusterRedis) else [""]


def _milliseconds(seconds: float) -> int:
    return int(seconds * MILLISECONDS)
