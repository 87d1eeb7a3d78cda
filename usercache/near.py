"""The near tier: parsed records in process memory, served while Redis is known to be heard.

Note [What a near hit rests on]
-------------------------------
Redis tells this process of every key that changes (`lines.py`), and `listener.py` drops what it is
told to. An entry is served only

- while the *lease* lasts: two seconds from the last heartbeat that was answered. The answer comes
  after everything Redis had to tell before it, on the same connection, so that nothing older than
  the lease can have been missed. A cut cable costs two seconds;
- while nothing is *unread*: whether the connection holds bytes that the listener has not taken is
  asked before every hit, since in a busy process its thread may have to wait for its turn. Then the
  listener says that it is at work, until all that it took is dropped. Asked in this order, and
  before the entry is looked at, no message slips through between the two;
- if no message about its key came between asking Redis and keeping the answer: whoever asks draws
  a *ticket* first, and every message makes the tickets of its key void.

A writer's barrier is a change of the key like any other, and raised before the commit: by the time
the write's response is out, the message about it is older than a commit's round trip.
"""

import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from usercache.codec import Record

STRIPES: Final = 1024
"""Tickets are counted by a key's hash: a power of two, and so many that few keys share a count."""


class Ticket(NamedTuple):
    """What a key's count was before Redis was asked."""

    counts: list[int]
    number: int


class NearTier:
    """Hold up to so many records, and bytes if asked to; least recently used go first.

    Records are shared by all threads as they are: tuples of immutables. Hits take no lock. `clock`
    gives seconds that never go back.
    """

    def __init__(
        self, max_entries: int, max_bytes: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start empty, and unused until somebody listens; `max_bytes` 0 is no bound."""
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._entries = OrderedDict[str, tuple[Record, float]]()
        self._bytes = 0
        self._counts = [0] * STRIPES
        self._lease_until = 0.0
        self._has_unread: Callable[[], object] = bool
        self.is_being_told = False
        """Whether the listener has taken messages and not yet acted on all of them."""

    def get(self, key: str) -> Record | None:
        """Return a record, None where Redis must be asked."""
        now = self._clock()
        # In this order: see Note [What a near hit rests on].
        if now >= self._lease_until or self._has_unread() or self.is_being_told:
            return None
        try:
            record, expires_at = self._entries[key]
            self._entries.move_to_end(key)
        except KeyError:  # another thread may drop it between the two
            return None
        return record if now < expires_at else None

    def draw_tickets(self, keys: Iterable[str]) -> dict[str, Ticket]:
        """Return what `put()` wants, drawn before Redis is asked; nothing while nobody listens."""
        if not self.is_used:
            return {}
        counts = self._counts
        return {key: Ticket(counts, counts[hash(key) % STRIPES]) for key in keys}

    def put(self, key: str, record: Record, ticket: Ticket, seconds_left: float) -> None:
        """Keep a record that Redis answered with, unless a message about its key has come since."""
        size = _size(key, record) if self._max_bytes else 0
        with self._lock:
            is_void = (
                ticket.counts is not self._counts
                or ticket.number != self._counts[hash(key) % STRIPES]
            )
            if is_void or seconds_left <= 0:
                return
            self._drop(key)
            self._entries[key] = record, self._clock() + seconds_left
            self._bytes += size
            while len(self._entries) > self._max_entries or self._bytes > self._max_bytes > 0:
                # In one step: a hit, which takes no lock, may move its entry at any moment.
                oldest, (dropped, _) = self._entries.popitem(last=False)
                self._note_dropped(oldest, dropped)

    def forget(self, keys: Iterable[str], pointers: Sequence[str] = ()) -> None:
        """Drop records, and make void every ticket drawn for them."""
        with self._lock:
            for key in keys:
                self._counts[hash(key) % STRIPES] += 1
                self._drop(key)

    def forget_all(self) -> None:
        """Drop every record and make every ticket void."""
        with self._lock:
            self._counts = [0] * STRIPES
            self._entries.clear()
            self._bytes = 0

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> None:
        """Drop what a writer of this process is about to change, once Redis has its barrier."""
        self.forget(keys)

    def lower_barriers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Drop what a writer of this process has changed."""
        self.forget(keys)

    def watch(self, has_unread: Callable[[], object]) -> None:
        """Begin to be told of changes; `has_unread` says whether there are some to take."""
        self.forget_all()
        self._has_unread = has_unread

    def extend_lease(self, until: float) -> None:
        """Serve until then, by the tier's clock."""
        self._lease_until = until

    def suspend(self) -> None:
        """Serve nothing until the lease is extended again, and nothing that is held now."""
        self._lease_until = 0.0
        self.forget_all()
        self.is_being_told = False

    @property
    def is_used(self) -> bool:
        """Say whether hits can come from here now."""
        return self._clock() < self._lease_until

    @property
    def state(self) -> str:
        """Name the state: on, or off while nobody listens."""
        return "on" if self.is_used else "off"

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: str) -> None:
        held = self._entries.pop(key, None)
        if held is not None:
            self._note_dropped(key, held[0])

    def _note_dropped(self, key: str, record: Record) -> None:
        if self._max_bytes:
            self._bytes -= _size(key, record)


def _size(key: str, record: Record) -> int:
    # What the interpreter keeps for one entry: key, tuples and values, small integers included.
    kept = (key, record, record.values, record.filled_at_ms, *(record.values or ()))
    return sum(map(sys.getsizeof, kept))
