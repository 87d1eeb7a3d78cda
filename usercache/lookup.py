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
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from django.db import Error as AnyDatabaseError

from usercache.backends.base import Backend, UnavailableError, holders_of, new_fill_lock
from usercache.backends.choice import Backends
from usercache.clocks import MILLISECONDS
from usercache.codec import EntryCodec, Record, UnreadableEntryError, Values
from usercache.conf import conf
from usercache.events import (
    FILLS,
    FILLS_REFUSED,
    L1,
    MISS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
)
from usercache.keys import FILL_LOCK, WRITE_MARKER, pk_of
from usercache.memory_only import check_may_wait

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS: Final = 0.002
"""Between two looks at a fill lock or write marker; it doubles each time."""
REMEMBERED_WRITES: Final = 1000


class WaitPolicy:
    """How long a look-up waits for another caller's load or write before it queries the database.

    It waits for each load, and for each write until one look-up has waited in vain: that write is a
    long transaction or was rolled back, and no look-up of this process waits for it again. Most
    writes end within milliseconds, so waiting saves a query, and one more for every other caller
    who asks for the same user. Threads share one policy.
    """

    def __init__(self) -> None:
        """Start without any write known to take long."""
        self._outlasting = deque[bytes](maxlen=REMEMBERED_WRITES)
        self._own = _OwnWrites()

    def note_own(self, token: bytes) -> None:
        """Note a write of this thread, which can't end while the thread waits for it."""
        self._own.tokens.append(token)

    def pauses(self, held: bytes) -> Iterator[float]:
        """Yield the seconds to sleep before each further look at a fill lock or write marker."""
        if held[:1] == FILL_LOCK:
            return _pauses(conf.USERCACHE_FILL_LOCK_WAIT_SECONDS)
        holders = holders_of(held)
        if holders & set(self._own.tokens) or holders <= set(self._outlasting):
            return iter(())
        return _pauses(conf.USERCACHE_WRITE_MARKER_WAIT_SECONDS)

    def give_up(self, held: bytes) -> None:
        """Stop waiting for the writes that are still under way."""
        if held[:1] != FILL_LOCK:
            self._outlasting.extend(holders_of(held) - set(self._own.tokens))


class _OwnWrites(threading.local):
    """The last writes of each thread; a rollback is not reported, so they are only forgotten."""

    def __init__(self) -> None:
        self.tokens = deque[bytes](maxlen=REMEMBERED_WRITES)


def _pauses(bound_seconds: float) -> Iterator[float]:
    pause, waited = FIRST_PAUSE_SECONDS, 0.0
    while waited < bound_seconds:
        pause = min(pause, bound_seconds - waited)
        yield pause
        waited += pause
        pause *= 2


class Source(NamedTuple):
    """Where the rows of one kind of records are loaded from."""

    codec: EntryCodec
    load: Callable[[Mapping[str, Any]], dict[str, Values]]
    """Takes the primary key of each row by record key; leaves out those without a row."""
    may_fill: Callable[[], bool]
    """Whether a row loaded now is sure to be committed; asked only after a miss."""
    fill_later: Callable[[Callable[[], None]], None] = lambda _fill: None
    """Takes what fills, where a row loaded now may not be filled."""


class Lookup(NamedTuple):
    """What one call asks for."""

    pks: Mapping[str, Any]
    """By record key."""
    source: Source
    began: float
    """From `time.perf_counter()`."""

    def only(self, keys: Iterable[str]) -> "Lookup":
        """Return the same for some of the keys."""
        return self._replace(pks={key: self.pks[key] for key in keys})


@dataclass(kw_only=True, eq=False, repr=False)
class Store(Backends):
    """Look users up through the backends; an error of a backend never reaches the caller.

    `clock` returns seconds since 1970, the same on all machines but for their skew.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    wait_policy: WaitPolicy = field(default_factory=WaitPolicy)

    def recall(self, key: str, pk: Any, source: Source) -> Values | None:
        """Return the values under a record key if the client-side cache has them; no I/O.

        None says nothing about the user: `look_up()` does.
        """
        l1 = self.present_l1
        if l1 is None or not self.serves(key):
            return None
        began = time.perf_counter()
        record = l1.get(key)
        if record is None:
            return None
        self.events.note_lookup(L1, began, pk_of(key))
        self.events.note_hit(L1, key, pk, source, record)
        return record.values

    def look_up(self, key: str, pk: Any, source: Source) -> Values | None:
        """Return the values under a record key, from a backend or loaded; None for no such user.

        Warm, it is one GET. Cold, one of all callers loads and fills; the others wait for it, up to
        `USERCACHE_FILL_LOCK_WAIT_SECONDS`, and for a write of the row up to
        `USERCACHE_WRITE_MARKER_WAIT_SECONDS`. A caller that may not fill (inside a transaction,
        whose rows may never be committed) never waits and writes nothing.
        """
        lookup = Lookup({key: pk}, source, time.perf_counter())
        if self.serves(key):
            return self._answer(lookup, self._read_through).get(key)
        row = self._load(lookup).get(key)
        self.events.note_unserved(key, pk, source, row)
        return row

    def look_up_many(self, pks: Mapping[str, Any], source: Source) -> dict[str, Values]:
        """Return the values there are, by record key, from the client-side cache where it has them.

        The others take one round trip, and two more after misses; another if some can't be read.
        """
        found = dict[str, Values]()
        for key, pk in pks.items():
            if (values := self.recall(key, pk, source)) is not None:
                found[key] = values
        lookup = Lookup(pks, source, time.perf_counter())
        rest = [key for key in pks if key not in found]
        served = list(filter(self.serves, rest))
        if len(served) < len(rest):
            found |= self._load(lookup.only(set(rest).difference(served)))
        if served:
            found |= self._answer(lookup.only(served), self._read_many_through)
        return found

    def set_markers(self, keys: Sequence[str], token: bytes) -> bool:
        """Set write markers before a change is committed; return whether Redis confirmed."""
        self.wait_policy.note_own(token)
        return super().set_markers(keys, token)

    def acquire(
        self, backend: Backend, codec: EntryCodec, keys: Sequence[str], fill_lock: bytes
    ) -> tuple[list[str], dict[str, Record]]:
        """Lock each key that is absent or can't be read, waiting for nobody.

        Returns the keys that are locked by this, and the records under others.
        """
        held = dict(zip(keys, backend.acquire_fill_locks(keys, fill_lock), strict=True))
        records, unreadable = self._read_many(codec, held.items())
        if unreadable:
            answers = backend.acquire_fill_locks(list(unreadable), fill_lock, unreadable)
            held |= zip(unreadable, answers, strict=True)
        return [key for key in keys if held[key] is None], records

    def seconds_left(self, record: Record) -> float:
        """Return how long a record may be served: its TTL, less its age and a random part.

        At most the TTL, also where a clock was set back since the fill.
        """
        age_ms = max(0, self.now_ms() - record.filled_at_ms)
        return (self.draw_ttl_ms(conf.USERCACHE_TTL_SECONDS) - age_ms) / MILLISECONDS

    def now_ms(self) -> int:
        """Return the milliseconds since 1970."""
        return int(self.clock() * MILLISECONDS)

    def _answer(
        self,
        lookup: Lookup,
        read: Callable[[Backend, Lookup, Mapping[str, Any]], dict[str, Values]],
    ) -> dict[str, Values]:
        # The versions before a backend is queried, and before the breaker is asked. If another
        # backend answers than this cache is in front of, the version is none of its cache's.
        l1 = self.present_l1
        versions = {} if l1 is None else l1.snapshot_versions(lookup.pks)
        return self.first_answer(
            lambda backend: read(backend, lookup, versions),
            otherwise=lambda: self._load_past(lookup),
        )

    def _read_through(
        self, backend: Backend, lookup: Lookup, versions: Mapping[str, Any]
    ) -> dict[str, Values]:
        [key], source = lookup.pks, lookup.source
        waits: dict[bytes, Iterator[float]] = {}
        fill_lock = new_fill_lock()
        if versions and source.may_fill():
            # What the client-side cache lacks is likely to be in Redis neither: a hit then costs a
            # script instead of a GET, and a miss one round trip less.
            [held] = backend.acquire_fill_locks([key], fill_lock)
            is_locked = held is None
        else:
            held, is_locked = backend.get(key), False
        while not is_locked:
            kind = held[:1] if held is not None else b""
            if held is not None and kind not in (FILL_LOCK, WRITE_MARKER):
                record = self._read(source.codec, key, held)
                if record is not None:
                    self._note_hit(backend, key, record, versions, lookup.began)
                    self.events.note_hit(backend.name, key, lookup.pks[key], source, record)
                    return {} if record.values is None else {key: record.values}
            if not source.may_fill():
                source.fill_later(partial(self._fill_missed, lookup))
                break
            if held is not None and kind in (FILL_LOCK, WRITE_MARKER):
                if kind not in waits:
                    waits[kind] = self.wait_policy.pauses(held)
                pause = next(waits[kind], None)
                if pause is None:
                    self.wait_policy.give_up(held)
                    break
                self.sleep(pause)
                held = backend.get(key)
                continue
            unreadable = {} if held is None else {key: held}
            [held] = backend.acquire_fill_locks([key], fill_lock, unreadable)
            is_locked = held is None
        else:
            return self._load_and_fill(backend, lookup, fill_lock, lambda: self._load(lookup))
        return self._load(lookup)

    def _read_many_through(
        self, backend: Backend, lookup: Lookup, versions: Mapping[str, Any]
    ) -> dict[str, Values]:
        # Where another caller holds a fill lock or a write marker, load without waiting or filling.
        fill_lock, source, locked = new_fill_lock(), lookup.source, list[str]()
        if may_fill := source.may_fill():
            locked, records = self.acquire(backend, source.codec, list(lookup.pks), fill_lock)
        else:
            held = zip(lookup.pks, backend.get_many(list(lookup.pks)), strict=True)
            records, _ = self._read_many(source.codec, held)
        found = dict[str, Values]()
        for key, record in records.items():
            self._note_hit(backend, key, record, versions, lookup.began)
            if record.values is not None:
                found[key] = record.values
        missed = lookup.only(key for key in lookup.pks if key not in records)
        if missed.pks and not may_fill:
            source.fill_later(partial(self._fill_missed, missed))
        return found | self._load_and_fill(
            backend, lookup.only(locked), fill_lock, lambda: self._load(missed)
        )

    def _fill_missed(self, lookup: Lookup) -> None:
        # What a transaction has missed, now that it is over. It waits for nobody and answers
        # nobody, so it is no look-up of the metrics, and its errors are counted.
        try:
            self.first_answer(
                lambda backend: self._fill_missing(backend, lookup), otherwise=lambda: None
            )
        except AnyDatabaseError as error:
            self.events.note_error(error)

    def _fill_missing(self, backend: Backend, lookup: Lookup) -> None:
        fill_lock, source = new_fill_lock(), lookup.source
        keys, _ = self.acquire(backend, source.codec, list(lookup.pks), fill_lock)
        if keys:
            locked = lookup.only(keys)
            self._load_and_fill(backend, locked, fill_lock, lambda: source.load(locked.pks))

    def _read_many(
        self, codec: EntryCodec, held: Iterable[tuple[str, bytes | None]]
    ) -> tuple[dict[str, Record], dict[str, bytes]]:
        # The records, and the entries that can't be read.
        records, unreadable = dict[str, Record](), dict[str, bytes]()
        for key, entry in held:
            if entry is None or entry[:1] in (FILL_LOCK, WRITE_MARKER):
                continue
            if (record := self._read(codec, key, entry)) is not None:
                records[key] = record
            else:
                unreadable[key] = entry
        return records, unreadable

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

    def _load(self, lookup: Lookup) -> dict[str, Values]:
        check_may_wait()
        try:
            return lookup.source.load(lookup.pks) if lookup.pks else {}
        finally:
            for key in lookup.pks:
                self.events.note_lookup(MISS, lookup.began, pk_of(key))

    def _load_past(self, lookup: Lookup) -> dict[str, Values]:
        # While no backend may be asked. A commit can be seen before it is reported: memory may hold
        # an older row, or be about to, and would serve it once it is asked again.
        loaded = self._load(lookup)
        if self.memory_l1 is not None:
            self.memory_l1.invalidate(list(lookup.pks))
        return loaded

    def _load_and_fill(
        self,
        backend: Backend,
        locked: Lookup,
        fill_lock: bytes,
        load: Callable[[], dict[str, Values]],
    ) -> dict[str, Values]:
        began_ms, codec = self.now_ms(), locked.source.codec
        try:
            loaded = load()
        except AnyDatabaseError:
            # So that no caller waits for a load that failed. Without keys, there is no I/O.
            with suppress(UnavailableError):  # already counted
                backend.invalidate(list(locked.pks))
            raise
        entries = {
            key: (
                codec.encode(key, loaded.get(key), began_ms),
                self.draw_ttl_ms(_ttl_seconds(loaded.get(key))),
            )
            for key in locked.pks
        }
        if entries:
            with suppress(UnavailableError):  # already counted; the rows are loaded all the same
                filled = backend.fill(entries, fill_lock)
                self.events.count(FILLS, filled)
                self.events.count(FILLS_REFUSED, len(entries) - filled)
        return loaded


def _ttl_seconds(values: Values | None) -> float:
    return conf.USERCACHE_NEGATIVE_TTL_SECONDS if values is None else conf.USERCACHE_TTL_SECONDS
