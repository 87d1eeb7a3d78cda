"""The backend in process memory: Django's LocMemCache, under one lock."""

import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache

from usercache.backends.base import add_holder, serialize_marker
from usercache.clocks import MILLISECONDS, boot_time
from usercache.conf import conf


class MemoryBackend:
    """Implement the protocol in process memory, for use without Redis.

    Unless it `hears_changes`, no other process can drop an entry, so entries live
    `USERCACHE_MEMORY_TTL_SECONDS` at most, by a clock of our own: LocMemCache's is the time of day,
    which may be set back. Write markers are kept beside the cache, where they can't be evicted.
    """

    name = "memory"

    def __init__(
        self,
        cache: LocMemCache,
        clock: Callable[[], float] = boot_time,
        random: Callable[[], float] = random.random,
    ) -> None:
        """Wrap the cache; the same object must serve all threads."""
        self._cache = cache
        self.clock = clock
        self.random = random
        self.hears_changes = False
        """Whether entries are dropped as others change them, and asked for only while that holds;
        see `usercache/l1/memory.py`."""
        self._lock = threading.Lock()
        self._markers = OrderedDict[str, dict[bytes, float]]()
        """Each write marker's holders and deadlines; the markers set last come last."""

    def get(self, key: str) -> bytes | None:
        if self._markers and self._is_marked(key):
            holders = self._markers.get(key, {})
            return serialize_marker(
                {token: int(at * MILLISECONDS) for token, at in holders.items()}
            )
        kept = cast("tuple[float, bytes] | None", self._cache.get(key))
        return kept[1] if kept is not None and self.clock() < kept[0] else None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def acquire_fill_locks(
        self, keys: Sequence[str], fill_lock: bytes, unreadable: Mapping[str, bytes] = {}
    ) -> list[bytes | None]:
        answers = list[bytes | None]()
        for key in keys:
            with self._lock:
                held = self.get(key)
                if held is None or held == unreadable.get(key):
                    self._keep(key, fill_lock, conf.USERCACHE_FILL_LOCK_TTL_SECONDS)
                    held = None
            answers.append(held)
        return answers

    def fill(self, entries: Mapping[str, tuple[bytes, int]], fill_lock: bytes) -> int:
        with self._lock:
            standing = [key for key in entries if self.get(key) == fill_lock]
            for key in standing:
                entry, ttl_ms = entries[key]
                self._keep(key, entry, self._bound(ttl_ms))
        return len(standing)

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        self._keep(key, pk.encode(), self._bound(ttl_ms))

    def set_markers(self, keys: Sequence[str], token: bytes) -> None:
        deadline = self.clock() + conf.USERCACHE_WRITE_MARKER_TTL_SECONDS
        with self._lock:
            self._give_up_expired()
            for key in keys:
                self._markers[key] = add_holder(self._markers.get(key, {}), token, deadline)
                self._markers.move_to_end(key)
            self._cache.delete_many(keys)

    def clear_markers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                holders = self._markers.get(key, {})
                others = {other: at for other, at in holders.items() if other != token}
                if others:
                    self._markers[key] = others
                else:
                    self._markers.pop(key, None)
            self._cache.delete_many([*keys, *pointers])

    def invalidate(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        with self._lock:
            self._cache.delete_many([*keys, *pointers])

    def invalidate_all(self) -> None:
        with self._lock:
            self._cache.clear()

    def _keep(self, key: str, value: bytes, seconds: float) -> None:
        self._cache.set(key, (self.clock() + seconds, value), seconds)

    def _bound(self, ttl_ms: int) -> float:
        if self.hears_changes:
            return ttl_ms / MILLISECONDS
        # Less a random part of its own: entries filled together shouldn't expire together.
        jitter = 1 - conf.USERCACHE_TTL_JITTER * self.random()
        return min(ttl_ms / MILLISECONDS, conf.USERCACHE_MEMORY_TTL_SECONDS * jitter)

    def _is_marked(self, key: str) -> bool:
        # Holders are replaced, never changed, so reading them needs no lock.
        holders = self._markers.get(key)
        return holders is not None and max(holders.values()) > self.clock()

    def _give_up_expired(self) -> None:
        # The first write marker was set longest ago, so the search ends at one that stands. After a
        # change of the setting, later ones expire with it.
        now = self.clock()
        while self._markers and max(next(iter(self._markers.values())).values()) <= now:
            self._markers.popitem(last=False)


def connect(alias: str) -> MemoryBackend:
    """Return the backend on a LocMemCache alias of CACHES; with "", on an empty one of its own."""
    if alias:
        return MemoryBackend(cast(LocMemCache, caches[alias]))
    cache = LocMemCache("usercache", {})
    cache.clear()
    return MemoryBackend(cache)
