"""The tier of this process alone: Django's LocMemCache, under a lock that keeps leases true."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from usercache.conf import conf
from usercache.tiers import spell_barrier

MILLISECONDS: Final = 1000


class LocalTier:
    """Speak the protocol in process memory, for as long as there is no shared tier.

    No other process hears of a change made here, so entries live `USERCACHE_LOCAL_TTL_SECONDS`
    at most. Barriers stand beside the cache, where no eviction reaches them.
    """

    name = "local"

    def __init__(
        self,
        cache: LocMemCache,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Wrap the cache; the same object must serve all threads."""
        self._cache = cache
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._barriers: dict[str, dict[bytes, float]] = {}

    def get(self, key: str) -> bytes | None:
        """Return what the key holds."""
        if self._barriers and self._is_barred(key):
            holders = tuple(self._barriers.get(key, {}).items())
            return spell_barrier({token: int(at * MILLISECONDS) for token, at in holders})
        return cast("bytes | None", self._cache.get(key))

    def take_lease(self, key: str, lease: bytes, instead_of: bytes = b"") -> bytes | None:
        """Take the lease, or return what stands in its way."""
        with self._lock:
            held = self.get(key)
            if held is None or held == instead_of:
                self._cache.set(key, lease, conf.USERCACHE_LEASE_TTL_SECONDS)
                return None
            return held

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what each of the keys holds."""
        return [self.get(key) for key in keys]

    def take_leases(self, keys: Sequence[str], lease: bytes) -> list[bytes | None]:
        """Take the lease on each key that is absent, and return what the others hold."""
        return [self.take_lease(key, lease) for key in keys]

    def fill(self, entries: Mapping[str, tuple[bytes, int]], lease: bytes) -> int:
        """Put each entry in its lease's place and return how many leases still stood."""
        with self._lock:
            standing = [key for key in entries if self.get(key) == lease]
            for key in standing:
                entry, ttl_ms = entries[key]
                self._cache.set(key, entry, self._bound(ttl_ms))
        return len(standing)

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        """Let a pointer key lead to an id."""
        self._cache.set(key, pk.encode(), self._bound(ttl_ms))

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> None:
        """Let nobody fill these keys until the token's barrier is lowered or given up."""
        deadline = self._clock() + conf.USERCACHE_BARRIER_TTL_SECONDS
        with self._lock:
            self._give_up_expired()
            for key in keys:
                self._barriers.setdefault(key, {})[token] = deadline
            self._cache.delete_many(keys)

    def lower_barriers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Take the token off each key, deleting those it held last, and drop the pointers."""
        with self._lock:
            for key in keys:
                holders = self._barriers.get(key, {})
                holders.pop(token, None)
                if not holders:
                    self._barriers.pop(key, None)
            self._cache.delete_many([*keys, *pointers])

    def forget(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        """Drop records, leases and pointers; barriers stay."""
        with self._lock:
            self._cache.delete_many([*keys, *pointers])

    def forget_all(self) -> None:
        """Drop every record, lease and pointer; barriers stay."""
        with self._lock:
            self._cache.clear()

    def seconds_left(self, key: str) -> float | None:
        """Return None: LocMemCache doesn't tell."""
        return None

    def _bound(self, ttl_ms: int) -> float:
        # Less a random part of its own: what an outage brings here at once shouldn't leave at once.
        jitter = 1 - conf.USERCACHE_TTL_JITTER * self._random()
        return min(ttl_ms / MILLISECONDS, conf.USERCACHE_LOCAL_TTL_SECONDS * jitter)

    def _is_barred(self, key: str) -> bool:
        now = self._clock()
        return any(deadline > now for deadline in tuple(self._barriers.get(key, {}).values()))

    def _give_up_expired(self) -> None:
        now = self._clock()
        for key, holders in list(self._barriers.items()):
            alive = {token: deadline for token, deadline in holders.items() if deadline > now}
            if alive:
                self._barriers[key] = alive
            else:
                del self._barriers[key]


def connect(alias: str) -> LocalTier:
    """Return the tier on a LocMemCache alias of CACHES."""
    return LocalTier(cast(LocMemCache, caches[alias]))
