"""The client-side cache: parsed records in process memory, served while changes are reported.

Note [What an L1 hit rests on]
------------------------------
Redis reports every key that changes (`usercache/tracking/connection.py`), and `listener.py` drops
its record; `subscription.py` beside it says what differs where our scripts report, and `memory.py`
where PostgreSQL does. An entry is served only

- in the *validity window*: two seconds from the last heartbeat that was answered. The answer
  follows every earlier message on the same connection, so no message older than the heartbeat can
  have been missed. A cut network costs two seconds;
- while nothing is *unread*: before every hit the connection is checked for bytes that the listener
  has not taken, since its thread may be waiting for a processor. The listener then sets
  `is_being_told` until it has dropped all keys of the messages it took. Checked in this order, and
  before the entry is read, no message is missed between the two;
- if no message about its key came between the query to the backend and `put()`: a look-up
  snapshots a *version* first, and every message invalidates the versions of its key.

A pointer needs none of this: its reader checks the record that it leads to. It is held with the
records, evicted as they are, and dropped with them.

A write marker is a change of the key like any other, and is set before the commit: by the time the
write's response is sent, the message about it is older than a commit's round trip.
"""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from usercache.clocks import boot_time
from usercache.codec import Record

STRIPES: Final = 1024
"""Counters of versions, chosen by a key's hash: a power of two, large enough to share rarely."""


class Version(NamedTuple):
    """A key's counter before the backend was queried."""

    counts: list[int]
    number: int


class ClientCache:
    """Hold records up to a number and a size; the least recently used are evicted first.

    All threads share the records, which are tuples of immutables. Hits take no lock. `clock`
    returns seconds that never decrease, and count suspension of the machine.
    """

    def __init__(
        self, max_entries: int, max_bytes: int = 0, clock: Callable[[], float] = boot_time
    ) -> None:
        """Start empty, and off until `extend_validity()`; `max_bytes` 0 is no bound."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._entries = OrderedDict[str, tuple[Any, float]]()
        # Under a record key its record, under a pointer's a primary key.
        self._bytes = 0
        self._counts = [0] * STRIPES
        self._valid_until = 0.0
        self._has_unread: Callable[[], object] = bool
        self.is_being_told = False
        """Whether the listener has taken messages and not yet handled all of them."""

    def get(self, key: str) -> Record | None:
        """Return a record, None if the backend must be queried."""
        now = self._clock()
        if not self._is_current(now):
            return None
        record: Record | None = self._recall(key, now)
        return record

    @property
    def is_current(self) -> bool:
        """Whether what was reported so far is dropped, and changes from now on are reported."""
        return self._is_current(self._clock())

    def get_pointer(self, key: str) -> Any:
        """Return the primary key that a pointer leads to, or led to; None if it isn't held."""
        return self._recall(key, self._clock())

    def snapshot_versions(self, keys: Iterable[str]) -> dict[str, Version]:
        """Snapshot each key's version before querying the backend. Returns `{}` while off."""
        if not self.is_used:
            return {}
        counts = self._counts
        return {key: Version(counts, counts[hash(key) % STRIPES]) for key in keys}

    def put(self, key: str, record: Record, version: Version, seconds_left: float) -> None:
        """Keep a record of the backend's, unless its key has changed since the snapshot."""
        with self._lock:
            is_void = (
                version.counts is not self._counts
                or version.number != self._counts[hash(key) % STRIPES]
            )
            if not is_void and seconds_left > 0:
                self._hold(key, record, seconds_left)

    def put_pointer(self, key: str, pk: Any, seconds_left: float) -> None:
        """Keep a pointer whose record had the identifier."""
        if self.is_used:
            with self._lock:
                self._hold(key, pk, seconds_left)

    def invalidate(self, keys: Iterable[str], pointers: Sequence[str] = ()) -> None:
        """Drop records and pointers, and invalidate the records' versions."""
        with self._lock:
            for key in keys:
                self._counts[hash(key) % STRIPES] += 1
                self._drop(key)
            for key in pointers:
                self._drop(key)

    def invalidate_all(self) -> None:
        """Drop everything, and invalidate every version."""
        with self._lock:
            self._counts = [0] * STRIPES
            self._entries.clear()
            self._bytes = 0

    def set_markers(self, keys: Sequence[str], token: bytes) -> None:
        """Drop what a writer of this process is about to change; the backend has the markers."""
        self.invalidate(keys)

    def clear_markers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Drop what a writer of this process has changed."""
        self.invalidate(keys, pointers)

    def watch(self, has_unread: Callable[[], object]) -> None:
        """Empty the cache, now that changes are reported; `has_unread` checks for messages."""
        self.invalidate_all()
        self._has_unread = has_unread

    def extend_validity(self, until: float) -> None:
        """Serve until then, by this object's clock."""
        self._valid_until = until

    def suspend(self) -> None:
        """Drop everything, and serve no record until `extend_validity()`."""
        self._valid_until = 0.0
        self.invalidate_all()
        self.is_being_told = False

    @property
    def is_used(self) -> bool:
        """Whether the validity window is open."""
        return self._clock() < self._valid_until

    @property
    def state(self) -> str:
        """Return on, or off while changes aren't reported."""
        return "on" if self.is_used else "off"

    def _is_current(self, now: float) -> bool:
        # In this order, before the entry is read: see Note [What an L1 hit rests on].
        return now < self._valid_until and not self._has_unread() and not self.is_being_told

    def __len__(self) -> int:
        return len(self._entries)

    def _recall(self, key: str, now: float) -> Any:
        try:
            held, expires_at = self._entries[key]
            self._entries.move_to_end(key)
        except KeyError:  # another thread may drop it between the two
            return None
        return held if now < expires_at else None

    def _hold(self, key: str, held: Any, seconds_left: float) -> None:
        self._drop(key)
        self._entries[key] = held, self._clock() + seconds_left
        if self._max_bytes:
            self._bytes += _size(key, held)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes > 0:
            # In one step: a hit, which takes no lock, may move its entry at any time.
            oldest, (dropped, _) = self._entries.popitem(last=False)
            self._note_dropped(oldest, dropped)

    def _drop(self, key: str) -> None:
        held = self._entries.pop(key, None)
        if held is not None:
            self._note_dropped(key, held[0])

    def _note_dropped(self, key: str, held: Any) -> None:
        if self._max_bytes:
            self._bytes -= _size(key, held)


def _size(key: str, held: Any) -> int:
    # What the interpreter allocates for one entry: key, tuples and values.
    if not isinstance(held, Record):
        return sys.getsizeof(key) + sys.getsizeof(held)
    kept = [key, held, held.values, held.filled_at_ms]
    for value in held.values or ():
        kept.append(value)
        if isinstance(value, tuple):
            kept += value
    return sum(map(sys.getsizeof, kept))
