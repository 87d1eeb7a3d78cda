"""The read path: which backend answers a look-up, and how a miss is loaded and filled.

Note [One record key, three kinds of value]
-------------------------------------------
A record key holds an entry, a fill lock or a write marker. Every rule follows from one: an entry
may only replace the fill lock that its loader took *before* it queried the database. Whatever a
writer does to the key meanwhile (set a write marker, delete it) removes that lock, so the loader's
older row is refused. A write marker stands from before a write's commit until after it, and no fill
lock can be taken where it stands. Losing a key (eviction, FLUSHALL) loses a fill lock too, which
only costs a fill. `docs/caveats.md` lists the limits.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import Error as AnyDatabaseError

from usercache.backends.base import (
    Backend,
    Invalidated,
    L1Cache,
    UnavailableError,
    new_fill_lock,
)
from usercache.clocks import MILLISECONDS
from usercache.codec import EntryCodec, Record, UnreadableEntryError, Values
from usercache.conf import conf
from usercache.events import (
    FILLS,
    FILLS_REFUSED,
    INVALIDATIONS,
    L1,
    MISS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
    Events,
)
from usercache.keys import FILL_LOCK, WRITE_MARKER, pk_of
from usercache.requests import BatchLookup, Lookup
from usercache.serving import ALL, NONE, is_served
from usercache.waiting import WaitPolicy

if TYPE_CHECKING:
    from usercache.backends.resilient import ResilientBackend

logger = logging.getLogger(__name__)

T = TypeVar("T")
RowT = TypeVar("RowT", bound=Values | None)


class Store:
    """Look up through the backends and invalidate in them; their errors are counted, never raised.

    `redis` is None where there is none. `random` returns a float from 0 to 1; `clock` seconds since
    1970, the same on all machines but for their skew.
    """

    def __init__(
        self,
        *,
        memory: Backend,
        redis: "ResilientBackend | None" = None,
        events: Events,
        random: Callable[[], float],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Combine the backends."""
        self.redis = redis
        self.memory = memory
        self.l1: L1Cache | None = None
        """The client-side cache in front of Redis, where `usercache.tracking` is installed."""
        self.memory_l1: L1Cache | None = None
        """That in front of process memory, which is then served only while the database reports
        changes; None where it can't."""
        self.events = events
        self.on_recovery: list[Callable[[Backend], object]] = []
        """Each is called with the bare Redis backend before it is used."""
        self.served_percent = ALL
        """See Note [The switch] in `usercache/serving.py`."""
        self.random = random
        self._clock = clock
        self.sleep = sleep
        self._wait_policy = WaitPolicy()

    def recall(self, key: str, make_lookup: Callable[[], Lookup]) -> Values | None:
        """Return the values under a record key if the client-side cache has them; no I/O.

        None says nothing about the user: `look_up()` does, with what `make_lookup` returns.
        """
        l1 = self.present_l1
        if l1 is None or not self._serves(key):
            return None
        began = time.perf_counter()
        record = l1.get(key)
        if record is None:
            return None
        self.events.note_lookup(L1, began, pk_of(key))
        self.events.note_hit(L1, key, record, make_lookup)
        return record.values

    def look_up(self, lookup: Lookup) -> Values | None:
        """Return the values under a record key, from a backend or loaded; None for no such user.

        Warm, it is one GET. Cold, one of all callers loads and fills; the others wait for it, up to
        `USERCACHE_FILL_LOCK_WAIT_SECONDS`, and for a write of the row up to
        `USERCACHE_WRITE_MARKER_WAIT_SECONDS`. A caller that may not fill (inside a transaction,
        whose rows may never be committed) never waits and writes nothing.
        """
        if not self._serves(lookup.key):
            row = self._load(lookup)
            self.events.note_unserved(lookup, row)
            return row
        versions = self._snapshot_versions([lookup.key])
        return self._first_answer(
            lambda backend: self._read_through(backend, lookup, versions),
            otherwise=lambda: self._load_past([lookup.key], lambda: self._load(lookup)),
        )

    def look_up_many(self, batch: BatchLookup) -> dict[str, Values]:
        """Return the values there are, by record key: one round trip, and two more after misses."""
        if self.served_percent == ALL:
            return self._look_up_served(batch)
        found = self._load_many(batch, [key for key in batch.keys if not self._serves(key)])
        served = [key for key in batch.keys if self._serves(key)]
        return found | (self._look_up_served(batch._replace(keys=served)) if served else {})

    def _look_up_served(self, batch: BatchLookup) -> dict[str, Values]:
        versions = self._snapshot_versions(batch.keys)
        return self._first_answer(
            lambda backend: self._read_many_through(backend, batch, versions),
            otherwise=lambda: self._load_past(
                batch.keys, lambda: self._load_many(batch, batch.keys)
            ),
        )

    def fill(self, batch: BatchLookup) -> None:
        """Fill what a transaction has missed, now that it is over. Waits for nobody.

        It answers nobody either, so it is no look-up of the metrics, and its errors are counted.
        """
        try:
            self._first_answer(
                lambda backend: self._fill_missing(backend, batch), otherwise=lambda: None
            )
        except AnyDatabaseError as error:
            self.events.note_error(error)

    def recall_pointer(self, key: str) -> Any:
        """Return the primary key that `keep_pointer()` was called with, if it is still held."""
        l1 = self.present_l1
        return None if l1 is None or self._is_off else l1.get_pointer(key)

    def get_pointer(self, key: str) -> str | None:
        """Return the id a pointer leads to, None where there is none. One operation."""
        if self._is_off:
            return None
        pointer = self._first_answer(lambda backend: backend.get(key), otherwise=lambda: None)
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
        self._first_answer(
            lambda backend: backend.set_pointer(key, pk, ttl_ms), otherwise=lambda: None
        )

    def set_markers(self, keys: Sequence[str], token: bytes) -> bool:
        """Set write markers before a change is committed; return whether Redis confirmed."""
        self._wait_policy.note_own(token)
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

    def draw_ttl_ms(self, seconds: float) -> int:
        """Return a TTL in milliseconds, less a random part."""
        return int(seconds * MILLISECONDS * (1 - conf.USERCACHE_TTL_JITTER * self.random()))

    def seconds_left(self, record: Record) -> float:
        """Return how long a record may be served: its TTL, less its age and a random part.

        At most the TTL, also where a clock was set back since the fill.
        """
        age_ms = max(0, self.now_ms() - record.filled_at_ms)
        return (self.draw_ttl_ms(conf.USERCACHE_TTL_SECONDS) - age_ms) / MILLISECONDS

    def now_ms(self) -> int:
        """Return the milliseconds since 1970."""
        return int(self._clock() * MILLISECONDS)

    @property
    def present_l1(self) -> L1Cache | None:
        """The client-side cache in front of the backend that is used at present."""
        redis = self.redis
        return self.l1 if redis is not None and redis.breaker.is_closed else self.memory_l1

    @property
    def _l1s(self) -> list[L1Cache]:
        return [l1 for l1 in (self.l1, self.memory_l1) if l1 is not None]

    def _serves(self, key: str) -> bool:
        return self.served_percent == ALL or is_served(key, self.served_percent)

    @property
    def _is_off(self) -> bool:
        return self.served_percent == NONE

    def _first_answer(self, ask: Callable[[Backend], T], otherwise: Callable[[], T]) -> T:
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

    def _read_through(
        self, backend: Backend, lookup: Lookup, versions: Mapping[str, Any]
    ) -> Values | None:
        key = lookup.key
        waits: dict[bytes, Iterator[float]] = {}
        fill_lock = new_fill_lock()
        if versions and lookup.may_fill():
            # What the client-side cache lacks is likely to be in Redis neither: a hit then costs a
            # script instead of a GET, and a miss one round trip less.
            held = backend.acquire_fill_lock(key, fill_lock)
            is_locked = held is None
        else:
            held, is_locked = backend.get(key), False
        while not is_locked:
            kind = held[:1] if held is not None else b""
            if held is not None and kind not in (FILL_LOCK, WRITE_MARKER):
                record = self._read(lookup.codec, key, held)
                if record is not None:
                    self._note_hit(backend, key, record, versions, lookup.began)
                    self.events.note_hit(backend.name, key, record, lambda: lookup)
                    return record.values
            if not lookup.may_fill():
                lookup.fill_later(partial(self.fill, lookup.as_batch()))
                break
            if held is not None and kind in (FILL_LOCK, WRITE_MARKER):
                if kind not in waits:
                    waits[kind] = self._wait_policy.pauses(held)
                pause = next(waits[kind], None)
                if pause is None:
                    self._wait_policy.give_up(held)
                    break
                self.sleep(pause)
                held = backend.get(key)
                continue
            held = backend.acquire_fill_lock(key, fill_lock, instead_of=held or b"")
            is_locked = held is None
        else:
            return self._load_and_fill(
                backend, lookup.codec, [key], fill_lock, lambda: {key: self._load(lookup)}
            )[key]
        return self._load(lookup)

    def _read_many_through(
        self, backend: Backend, batch: BatchLookup, versions: Mapping[str, Any]
    ) -> dict[str, Values]:
        # Where another caller holds a fill lock or a write marker, load without waiting or filling.
        fill_lock = new_fill_lock()
        if may_fill := batch.may_fill():
            held = backend.acquire_fill_locks(batch.keys, fill_lock)
        else:
            held = [entry or WRITE_MARKER for entry in backend.get_many(batch.keys)]
        found, missed, locked = dict[str, Values](), list[str](), list[str]()
        for key, entry in zip(batch.keys, held, strict=True):
            record = None
            if entry is None:
                locked.append(key)
            elif entry[:1] not in (FILL_LOCK, WRITE_MARKER):
                record = self._read(batch.codec, key, entry)
            if record is None:
                missed.append(key)
                continue
            self._note_hit(backend, key, record, versions, batch.began)
            if record.values is not None:
                found[key] = record.values
        if missed and not may_fill:
            batch.fill_later(partial(self.fill, batch._replace(keys=missed)))
        return found | self._load_and_fill(
            backend, batch.codec, locked, fill_lock, lambda: self._load_many(batch, missed)
        )

    def _fill_missing(self, backend: Backend, batch: BatchLookup) -> None:
        fill_lock, locked = new_fill_lock(), list[str]()
        for key, held in zip(
            batch.keys, backend.acquire_fill_locks(batch.keys, fill_lock), strict=True
        ):
            if held is None or self._replaces(backend, batch.codec, key, held, fill_lock):
                locked.append(key)
        if locked:
            self._load_and_fill(backend, batch.codec, locked, fill_lock, lambda: batch.load(locked))

    def _replaces(
        self, backend: Backend, codec: EntryCodec, key: str, held: bytes, fill_lock: bytes
    ) -> bool:
        # Whether the fill lock stands now where an entry stood that can't be read.
        return (
            held[:1] not in (FILL_LOCK, WRITE_MARKER)
            and self._read(codec, key, held) is None
            and backend.acquire_fill_lock(key, fill_lock, instead_of=held) is None
        )

    def _read(self, codec: EntryCodec, key: str, entry: bytes) -> Record | None:
        try:
            record = codec.decode(key, entry)
        except UnreadableEntryError as error:
            self.events.count(UNREADABLE_PREFIX + error.reason)
            if error.reason == "signature":
                logger.warning("The entry under %s was not signed by us; it is replaced.", key)
            return None
        # Redis expires entries first; this stops an old one that somebody put back. One from a
        # clock far ahead is refused as well: it could be served for as long again.
        if abs(self.now_ms() - record.filled_at_ms) > _ttl_seconds(record.values) * MILLISECONDS:
            self.events.count(UNREADABLE_PREFIX + "age")
            return None
        return record

    def _note_hit(
        self,
        backend: Backend,
        key: str,
        record: Record,
        versions: Mapping[str, Any],
        began: float,
    ) -> None:
        self.events.note_lookup(backend.name, began, pk_of(key))
        if record.values is None:
            self.events.count(NEGATIVE_HITS)
            return
        l1 = self.l1 if backend is self.redis else self.memory_l1
        if l1 is not None and key in versions:
            l1.put(key, record, versions[key], self.seconds_left(record))

    def _load(self, lookup: Lookup) -> Values | None:
        try:
            return lookup.load()
        finally:
            self.events.note_lookup(MISS, lookup.began, pk_of(lookup.key))

    def _load_many(self, batch: BatchLookup, keys: Sequence[str]) -> dict[str, Values]:
        try:
            return batch.load(keys) if keys else {}
        finally:
            for key in keys:
                self.events.note_lookup(MISS, batch.began, pk_of(key))

    def _load_past(self, keys: Sequence[str], load: Callable[[], T]) -> T:
        # While no backend may be asked. A commit can be seen before it is reported: memory may hold
        # an older row, or be about to, and would serve it once it is asked again.
        loaded = load()
        if self.memory_l1 is not None:
            self.memory_l1.invalidate(keys)
        return loaded

    def _load_and_fill(
        self,
        backend: Backend,
        codec: EntryCodec,
        locked: Sequence[str],
        fill_lock: bytes,
        load: Callable[[], dict[str, RowT]],
    ) -> dict[str, RowT]:
        began_ms = self.now_ms()
        try:
            loaded = load()
        except AnyDatabaseError:
            # So that no caller waits for a load that failed. Without keys, there is no I/O.
            with suppress(UnavailableError):  # already counted
                backend.invalidate(locked)
            raise
        entries = {
            key: (
                codec.encode(key, loaded.get(key), began_ms),
                self.draw_ttl_ms(_ttl_seconds(loaded.get(key))),
            )
            for key in locked
        }
        if entries:
            with suppress(UnavailableError):  # already counted; the rows are loaded all the same
                filled = backend.fill(entries, fill_lock)
                self.events.count(FILLS, filled)
                self.events.count(FILLS_REFUSED, len(entries) - filled)
        return loaded

    def _snapshot_versions(self, keys: Sequence[str]) -> Mapping[str, Any]:
        # Before a backend is queried, and before the breaker is asked. If another backend answers
        # than this cache is in front of, the version is none of its cache's.
        l1 = self.present_l1
        return {} if l1 is None else l1.snapshot_versions(keys)

    def _invalidate_in_all(self, invalidate: Callable[[Invalidated], None]) -> bool:
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


def _ttl_seconds(values: Values | None) -> float:
    return conf.USERCACHE_NEGATIVE_TTL_SECONDS if values is None else conf.USERCACHE_TTL_SECONDS
