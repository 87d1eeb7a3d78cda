"""Which backend answers, and how all of them are told of a change."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from usercache.backends.base import Backend, Invalidated, UnavailableError
from usercache.clocks import MILLISECONDS
from usercache.conf import conf
from usercache.events import INVALIDATIONS, Events
from usercache.memory_only import check_may_wait

if TYPE_CHECKING:
    from usercache.backends.redis import RedisBackend
    from usercache.backends.resilient import ResilientBackend
    from usercache.l1.cache import ClientCache

ALL: Final = 100
"""Percent of the users."""
NONE: Final = 0

T = TypeVar("T")


@dataclass(kw_only=True, eq=False, repr=False)
class Backends:
    """Redis, process memory, and the client-side caches in front; their errors are counted.

    `random` returns a float from 0 to 1.
    """

    memory: Backend
    redis: "ResilientBackend | None" = None
    l1: "ClientCache | None" = None
    """The client-side cache in front of Redis, where `usercache.tracking` is installed."""
    memory_l1: "ClientCache | None" = None
    """That in front of process memory, which is then served only while the database reports
    changes; None where it can't."""
    events: Events
    random: Callable[[], float]
    on_recovery: list[Callable[[Backend], object]] = field(default_factory=list)
    """Each is called with the bare Redis backend before it is used."""
    on_heartbeat: list[Callable[["RedisBackend"], object]] = field(default_factory=list)
    """Each is called before that, and once per second while Redis is in use."""
    served_percent: int = ALL
    """Of the users; see Note [The switch] in `usercache/management/switch.py`."""

    def recall_pointer(self, key: str) -> Any:
        """Return the primary key that `keep_pointer()` was called with, if it is still held."""
        l1 = self.present_l1
        return None if l1 is None or self._is_off else l1.get_pointer(key)

    def get_pointer(self, key: str) -> str | None:
        """Return the id a pointer leads to, None where there is none. One operation."""
        if self._is_off:
            return None
        pointer = self.first_answer(lambda backend: backend.get(key), otherwise=lambda: None)
        return None if pointer is None else pointer.decode(errors="replace")

    def keep_pointer(self, key: str, pk: Any) -> None:
        """Let the client-side cache, if there is one, lead to a primary key; no I/O."""
        if (l1 := self.present_l1) is not None:
            l1.put_pointer(key, pk, conf.USERCACHE_TTL_SECONDS)

    def set_pointer(self, key: str, pk: str) -> None:
        """Let a pointer lead to an id; its readers check the record it leads to."""
        if self._is_off:
            return
        ttl_ms = self.draw_ttl_ms(conf.USERCACHE_TTL_SECONDS)
        self.first_answer(
            lambda backend: backend.set_pointer(key, pk, ttl_ms), otherwise=lambda: None
        )

    def set_markers(self, keys: Sequence[str], token: bytes) -> bool:
        """Set write markers before a change is committed; return whether Redis confirmed."""
        return self._invalidate_in_all(lambda cache: cache.set_markers(keys, token))

    def clear_markers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> bool:
        """Remove a token's write markers after its commit; return whether Redis confirmed."""
        self.events.count(INVALIDATIONS, len(keys))
        return self._invalidate_in_all(lambda cache: cache.clear_markers(keys, token, pointers))

    def invalidate(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> bool:
        """Invalidate keys whose change is already committed; return whether Redis confirmed."""
        self.events.count(INVALIDATIONS, len(keys))
        return self._invalidate_in_all(lambda cache: cache.invalidate(keys, pointers))

    def invalidate_all(self) -> bool:
        """Invalidate every user; return whether Redis confirmed."""
        self.events.count(INVALIDATIONS)
        return self._invalidate_in_all(lambda cache: cache.invalidate_all())

    def empty_memory(self) -> None:
        """Drop every record of this process: before and after Redis was out of use."""
        self.memory.invalidate_all()
        for l1 in self._l1s:
            l1.invalidate_all()

    def recover(self, redis: Backend) -> None:
        """Empty process memory and tell Redis what it missed; called before Redis is used.

        Raises:
            redis.RedisError: Redis failed.
            django.db.Error: the outbox can't be read. Nothing is lost by either.
        """
        self.empty_memory()
        for tell in self.on_recovery:
            tell(redis)

    def note_heartbeat(self, redis: "RedisBackend") -> None:
        """Tell those that want to know that Redis answers."""
        for tell in self.on_heartbeat:
            tell(redis)

    def draw_ttl_ms(self, seconds: float) -> int:
        """Return a TTL in milliseconds, less a random part."""
        return int(seconds * MILLISECONDS * (1 - conf.USERCACHE_TTL_JITTER * self.random()))

    @property
    def present_l1(self) -> "ClientCache | None":
        """The client-side cache in front of the backend that is used at present."""
        redis = self.redis
        return self.l1 if redis is not None and redis.breaker.is_closed else self.memory_l1

    @property
    def _l1s(self) -> "list[ClientCache]":
        return [l1 for l1 in (self.l1, self.memory_l1) if l1 is not None]

    def serves(self, key: str) -> bool:
        """Return whether a record key is among the users that are served."""
        return self.served_percent == ALL or is_served(key, self.served_percent)

    @property
    def _is_off(self) -> bool:
        return self.served_percent == NONE

    def first_answer(self, ask: Callable[[Backend], T], otherwise: Callable[[], T]) -> T:
        """Ask Redis, else memory while that may be asked, else call `otherwise`."""
        check_may_wait()
        redis = self.redis
        if redis is not None and redis.is_available():
            try:
                return ask(redis)
            except UnavailableError:  # already counted
                pass
        return ask(self.memory) if self._may_ask_memory else otherwise()

    @property
    def _may_ask_memory(self) -> bool:
        if self.memory_l1 is not None:
            return self.memory_l1.is_current
        # Unless Redis is known to be away, others write through it and can't tell our memory.
        return self.redis is None or self.redis.breaker.is_away

    def _invalidate_in_all(self, invalidate: Callable[[Invalidated], None]) -> bool:
        check_may_wait()
        invalidate(self.memory)
        redis = self.redis
        is_confirmed = redis is None
        if redis is not None and redis.is_available(invalidates=True):
            with suppress(UnavailableError):  # already counted; the breaker is open now
                invalidate(redis)
                is_confirmed = True
        for l1 in self._l1s:
            # Last, or another thread could put back what its backend still had.
            invalidate(l1)
        return is_confirmed


def is_served(key: str, percent: int) -> bool:
    """Return whether a record key is among the so many percent that are served."""
    return zlib.crc32(key.encode()) % ALL < percent
