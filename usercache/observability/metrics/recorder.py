"""What this process counts, until it is flushed to the metrics of all processes."""

import itertools
import secrets
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Final, NamedTuple

from usercache.events import MISS, Observer
from usercache.observability import metrics
from usercache.observability.metrics.time_buckets import TimeBucket, add_up, start_of

TOKEN_BYTES: Final = 8
ROOM: Final = 32_768  # look-ups that may wait to be folded; at 120 bytes each, 4 MB
LARGEST_BATCH: Final = 10
"""Minutes in one batch, so that the first one after an outage doesn't keep Redis busy for long."""


class Batch(NamedTuple):
    """Buckets on their way, under the same number until they are known to have arrived."""

    token: str  # of the process; together with the number, unique
    number: int
    buckets: Mapping[int, TimeBucket]
    """By the start of the minute in seconds since 1970; of the hour, or 0, if that is long ago."""


class Recorder(Observer):
    """Count look-ups and rarer events; safe for threads. Noting a look-up takes no lock: 0.25 us.

    `clock` returns seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time, room: int = ROOM) -> None:
        self.token = secrets.token_hex(TOKEN_BYTES)
        self._clock = clock
        self._lock = threading.Lock()
        # Apart from the other: counting needn't wait for it, and nothing is amid folding when read.
        self._folding = threading.Lock()
        self._room = room
        self._noted: deque[tuple[str, float, Any]] = deque()
        self._buckets: dict[int, TimeBucket] = {}
        self._numbers = itertools.count(1)
        self._batch: Batch | None = None

    def note_lookup(self, result: str, began: float, pk: Any) -> None:
        """Note a look-up that ends now; where there is no room for more, it is only counted."""
        # Appending to a deque is one step, which no thread can split.
        noted = self._noted
        if len(noted) < self._room:
            noted.append((result, perf_counter() - began, pk))
        else:
            self.count(metrics.LOOKUPS[result])
            self.count(metrics.UNTIMED)

    def count(self, name: str, by: int = 1) -> None:
        """Add to one counter; of a maximum, keep the largest value."""
        with self._lock:
            self._current_bucket().note(name, by)

    def fold(self) -> None:
        """Add what was noted so far to this minute's bucket; ten thousand look-ups take 10 ms."""
        with self._folding:
            folded, hits = TimeBucket(), Counter[str]()
            durations = defaultdict[str, list[float]](list)
            for _ in range(len(self._noted)):
                result, seconds, pk = self._noted.popleft()
                durations[result].append(seconds)
                if result != MISS and pk:
                    hits[str(pk)] += 1
            for result, seconds_of_all in durations.items():
                folded[metrics.LOOKUPS[result]] += len(seconds_of_all)
                folded.note_latencies(result, seconds_of_all)
            folded.ranking.add(hits)
            if not folded.is_empty:
                with self._lock:
                    self._current_bucket().add(folded)

    def next_batch(self) -> Batch | None:
        """Return what to send next, the same until it is acknowledged; None if there is nothing."""
        self.fold()
        with self._lock:
            if self._batch is None and self._buckets:
                starts = sorted(self._buckets)[:LARGEST_BATCH]
                buckets = {start: self._buckets.pop(start) for start in starts}
                self._batch = Batch(self.token, next(self._numbers), buckets)
            return self._batch

    def acknowledge(self, batch: Batch) -> None:
        """Drop a batch that has arrived."""
        with self._lock:
            if self._batch is batch:
                self._batch = None

    def read(self) -> dict[int, TimeBucket]:
        """Return copies of what was counted here and is not known to have arrived, by its start."""
        self.fold()
        with self._lock:
            waiting = [self._buckets, self._batch.buckets if self._batch else {}]
            starts = {start for buckets in waiting for start in buckets}
            return {s: add_up(found[s] for found in waiting if s in found) for s in starts}

    def _current_bucket(self) -> TimeBucket:
        now = self._clock()
        start = start_of(now, metrics.MINUTE_SECONDS)
        if start not in self._buckets:
            for old in sorted(self._buckets):
                aged = _age(old, now)
                if aged != old:
                    self._buckets.setdefault(aged, TimeBucket()).add(self._buckets.pop(old))
        return self._buckets.setdefault(start, TimeBucket())


def _age(start: int, now: float) -> int:
    # A minute becomes the hour that it was in, and that the remainder without a time: 0.
    age_seconds = now - start
    if age_seconds < metrics.MINUTES_KEPT_SECONDS:
        return start
    return start_of(start, metrics.HOUR_SECONDS) if age_seconds < metrics.HOURS_KEPT_SECONDS else 0
