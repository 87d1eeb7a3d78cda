"""What this process counts, until it is delivered to the totals of all processes."""

import itertools
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Final, NamedTuple

from usercache.figures.slices import MINUTE_SECONDS, Slice, add_up, age_slice, start_of

HITS_PREFIX: Final = "hits_"
"""Followed by the name of the tier that answered: near, redis, local."""
NEGATIVE_HITS: Final = "negative_hits"
MISSES: Final = "misses"
FILLS: Final = "fills"
FILLS_REFUSED: Final = "fills_refused"
INVALIDATIONS: Final = "invalidations"
UNREADABLE_PREFIX: Final = "unreadable_"
"""Followed by the reason: shape, signature, content, age."""
ERRORS_PREFIX: Final = "errors_"
"""Followed by the name of the exception, redis-py's or Django's."""
BREAKER_OPENINGS: Final = "breaker_openings"
AUDIT_CHECKED: Final = "audit_checked"
"""Hits that were compared with the database, and what came of it: see `usercache.audit`."""
AUDIT_MISMATCHED: Final = "audit_mismatched"
AUDIT_EXPLAINED: Final = "audit_explained"
AUDIT_UNDECIDED: Final = "audit_undecided"
AUDIT_WORST_MS: Final = "audit_worst_ms"
"""The largest age of a record that was a mismatch."""
UNTIMED: Final = "lookups_untimed"
"""Look-ups that were counted without their latency and their user, for want of room."""

NEAR: Final = "near"
REDIS: Final = "redis"
LOCAL: Final = "local"
MISS: Final = "miss"
COUNTERS: Final = {tier: HITS_PREFIX + tier for tier in (NEAR, REDIS, LOCAL)} | {MISS: MISSES}
"""By a look-up's result, the figure that counts it."""

TOKEN_BYTES: Final = 8
ROOM: Final = 32_768
"""Look-ups that may wait to be folded in; at 120 bytes each, 4 MB."""
LARGEST_BATCH: Final = 10
"""Minutes sent in one batch, lest the first one after an outage keep Redis busy for long."""


class Batch(NamedTuple):
    """Slices on their way, under the same number until they are known to have arrived."""

    number: int
    slices: Mapping[int, Slice]
    """By the start of the minute in seconds since 1970; of the hour, or 0, if that is long ago."""


class Stats:
    """Count look-ups and rarer events; safe for threads.

    Noting a look-up takes no lock: 0.25 us here, of which the clock is 0.05. `clock` returns
    seconds since 1970, the same on all machines but for their skew.
    """

    def __init__(self, clock: Callable[[], float] = time.time, room: int = ROOM) -> None:
        """Start with nothing counted."""
        self.token = secrets.token_hex(TOKEN_BYTES)
        """Names whose batches these are; their numbers are each used once."""
        self._clock = clock
        self._lock = threading.Lock()
        self._room = room
        self._noted: deque[tuple[str, float, Any]] = deque()
        self._untimed = {result: itertools.count() for result in COUNTERS}
        self._untimed_seen = dict.fromkeys(COUNTERS, 0)
        self._counted = Slice()
        self._slices: dict[int, Slice] = {}
        self._numbers = itertools.count(1)
        self._batch: Batch | None = None

    def note_lookup(self, result: str, began: float, pk: Any) -> None:
        """Note one look-up that ends now: near, redis, local or miss, since when, and of whom.

        `began` is from `time.perf_counter()`. Where there is no room for more, it is only counted.
        """
        # Appending to a deque and advancing a count() are one step each, which no thread can split.
        noted = self._noted
        if len(noted) < self._room:
            noted.append((result, perf_counter() - began, pk))
        else:
            next(self._untimed[result])

    def count(self, name: str, by: int = 1) -> None:
        """Add to one figure."""
        if by:
            with self._lock:
                self._counted.counts[name] += by

    def note_maximum(self, name: str, value: int) -> None:
        """Keep the largest of a figure's values."""
        with self._lock:
            self._counted.note_maximum(name, value)

    def fold(self) -> None:
        """Add up what was noted so far, for this minute; ten thousand look-ups take 10 ms."""
        folded, now = self._take_noted(), self._clock()
        with self._lock:
            self._take_untimed(folded)
            counted, self._counted = self._counted, Slice()
            for part in (folded, counted):
                if not part.is_empty:
                    self._slice_of(now).add(part)

    def begin_delivery(self) -> Batch | None:
        """Return what is to be sent next; the same again until `end_delivery()`. None: nothing."""
        self.fold()
        with self._lock:
            if self._batch is None and self._slices:
                starts = sorted(self._slices)[:LARGEST_BATCH]
                slices = {start: self._slices.pop(start) for start in starts}
                self._batch = Batch(next(self._numbers), slices)
            return self._batch

    def end_delivery(self, batch: Batch) -> None:
        """Forget a batch that has arrived."""
        with self._lock:
            if self._batch is batch:
                self._batch = None

    def read(self) -> dict[int, Slice]:
        """Return copies of what was counted here and is not known to have arrived, by its start."""
        self.fold()
        with self._lock:
            waiting = [*self._slices.items(), *(self._batch.slices.items() if self._batch else ())]
            found: dict[int, Slice] = {}
            for start, part in waiting:
                found.setdefault(start, Slice()).add(part)
            return found

    def peek(self) -> dict[str, int]:
        """Return the counts that wait for delivery, by name."""
        return dict(add_up(self.read().values()).counts)

    def _take_noted(self) -> Slice:
        folded, hits = Slice(), Counter[str]()
        for _ in range(len(self._noted)):
            try:
                result, seconds, pk = self._noted.popleft()
            except IndexError:  # another thread folds as well
                break
            folded.counts[COUNTERS[result]] += 1
            folded.latencies[result].note(seconds)
            if result != MISS:
                hits[str(pk)] += 1
        folded.ranking.add(hits)
        return folded

    def _take_untimed(self, folded: Slice) -> None:
        for result, counter in self._untimed.items():
            number = next(counter)  # how often it was advanced before, by us as well
            untimed = number - self._untimed_seen[result]
            self._untimed_seen[result] = number + 1
            if untimed:
                folded.counts[COUNTERS[result]] += untimed
                folded.counts[UNTIMED] += untimed

    def _slice_of(self, now: float) -> Slice:
        start = start_of(now, MINUTE_SECONDS)
        if start not in self._slices:
            self._age(now)
        return self._slices.setdefault(start, Slice())

    def _age(self, now: float) -> None:
        for start in sorted(self._slices):
            aged = age_slice(start, now)
            if aged != start:
                self._slices.setdefault(aged, Slice()).add(self._slices.pop(start))
