"""Compare some of the hits with the database a moment later, to measure how true the cache is.

Note [The audit]
----------------
A drawn hit is compared with its row a second later. Where they differ, either the record was stale
when it was served, or the user was written since; the row alone can't tell. The cache can: a write
that it heard of removes the record before the commit is visible, and a later fill is another
record, filled at another moment. So the row is read first, then the record that the cache would
serve now. If that is still the one that was served, it is stale. If it is gone, replaced or marked,
a write in between explains the difference.

The relay announces changes past the ORM within a second. So a suspect is looked at again a second
later, and is a mismatch only if it is still served: staleness of less than two seconds is not seen.
A mismatch is counted, logged by the names of its fields, and invalidated. The time since it was
filled bounds how long it can have been stale. Encoded values are compared: what is equal to the
cache is equal here.
"""

import logging
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from django.db import Error as AnyDatabaseError
from django.db import connections

from usercache.backends.base import UnavailableError
from usercache.clocks import MILLISECONDS
from usercache.codec import EntryCodec, Record, Values
from usercache.events import L1, MEMORY, Observer
from usercache.lookup import Source, Store
from usercache.management.inspection import UNREACHABLE, inspect_record
from usercache.observability import metrics
from usercache.observability.metrics.recorder import Recorder
from usercache.workers import Worker

logger = logging.getLogger(__name__)

DELAY_SECONDS: Final = 1.0
"""From a hit to the look at its row, and from there to a second look where they differ."""
ROOM: Final = 1000  # hits that may wait to be compared; those that come when it is full aren't


class Sample(NamedTuple):
    """A hit that was drawn, and what is needed to judge it."""

    backend: str  # that answered: l1, redis or memory
    key: str
    pk: Any
    source: Source
    record: Record
    is_suspect: bool = False  # the row differed while the same record was still served


class Audit(Observer):
    """Draw hits, wait, and judge them on a thread of its own.

    `random` returns a float from 0 to 1; `clock` seconds since 1970.
    """

    def __init__(
        self,
        share: float,
        recorder: Recorder,
        store: Store,
        random: Callable[[], float],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.share = share
        self._recorder = recorder
        self._store = store
        self._random = random
        self._clock = clock
        self._worker = Worker("usercache-audit", self._run, store.events.note_unexpected)
        self._samples: SimpleQueue[tuple[float, Sample] | None] = SimpleQueue()

    def start(self) -> None:
        """Start the thread; raises `RuntimeError` where there can't be one."""
        self._worker.start()

    def draws(self) -> bool:
        """Return whether to compare this hit; 0.1 us."""
        return self._random() < self.share

    def note_hit(self, backend: str, key: str, pk: Any, source: Source, record: Record) -> None:
        """Draw some of the hits; each is judged on the audit's thread."""
        if self.draws():
            self.add(Sample(backend, key, pk, source, record))

    def add(self, sample: Sample) -> None:
        """Have a hit judged in a moment."""
        if self._samples.qsize() < ROOM:
            self._samples.put((time.monotonic() + DELAY_SECONDS, sample))
        else:
            self._recorder.count(metrics.AUDIT_UNDECIDED)

    def judge(self, sample: Sample) -> Sample | None:
        """Compare a hit with the database, and count what came of it; two look-ups at most.

        Returns the sample where it must be looked at again.
        """
        try:
            verdict = self._judge(sample)
        except AnyDatabaseError as error:
            self._store.events.note_error(error)
            verdict = metrics.AUDIT_UNDECIDED
        except UnavailableError:  # counted by the breaker
            verdict = metrics.AUDIT_UNDECIDED
        if verdict is None:
            return sample._replace(is_suspect=True)
        self._recorder.count(verdict)
        if verdict in (metrics.AUDIT_MISMATCHED, metrics.AUDIT_EXPLAINED):
            self._recorder.count(metrics.AUDIT_CHECKED)
        return None

    def end(self) -> None:
        """Stop; what still waits isn't counted."""
        self._samples.put(None)
        self._worker.end()

    def _judge(self, sample: Sample) -> str | None:
        row, served = sample.source.load({sample.key: sample.pk}).get(sample.key), sample.record
        if is_same(sample, row):
            return metrics.AUDIT_CHECKED
        backend, record = self._look_again(sample)
        if (backend == MEMORY) != (sample.backend == MEMORY):
            return metrics.AUDIT_UNDECIDED  # Redis went or came; what it holds can't be asked
        if record is None or record.filled_at_ms != served.filled_at_ms:
            return metrics.AUDIT_EXPLAINED
        if not sample.is_suspect:
            return None
        self._report(sample, row)
        return metrics.AUDIT_MISMATCHED

    def _look_again(self, sample: Sample) -> tuple[str, Record | None]:
        # What a look-up would find cached now; loads, counts and changes nothing.
        l1 = self._store.present_l1
        if l1 is not None:
            record = l1.get(sample.key)
            if record is not None:
                return L1, record
        state = inspect_record(self._store, sample.key, sample.source.codec)
        if state.state == UNREACHABLE:
            raise UnavailableError
        return state.backend, state.record

    def _report(self, sample: Sample, row: Values | None) -> None:
        served = sample.record
        age_ms = max(0, int(self._clock() * MILLISECONDS) - served.filled_at_ms)
        self._recorder.count(metrics.AUDIT_WORST_MS, age_ms)
        logger.warning(
            "The record under %s (%s) is not what the database has: %s. It was filled %.1f s ago, "
            "and is invalidated now.",
            sample.key,
            sample.backend,
            _describe_difference(sample.source.codec, row, served.values),
            age_ms / MILLISECONDS,
        )
        self._store.invalidate([sample.key])

    def _run(self) -> None:
        while (waiting := self._samples.get()) is not None:
            due_at, sample = waiting
            if self._worker.ended.wait(max(0.0, due_at - time.monotonic())):
                return
            try:
                suspect = self.judge(sample)
            finally:
                connections.close_all()  # this thread's
            if suspect is not None:
                self._samples.put((time.monotonic() + DELAY_SECONDS, suspect))


def is_same(sample: Sample, row: Values | None) -> bool:
    """Return whether a record is what the row would be cached as."""
    codec = sample.source.codec
    values = map(codec.comparable, (row, sample.record.values))
    ours, served = (codec.encode(sample.key, compared, 0) for compared in values)
    return ours == served


def _describe_difference(codec: EntryCodec, row: Values | None, served: Values | None) -> str:
    row, served = codec.comparable(row), codec.comparable(served)
    if row is None or served is None:
        return "there is such a user" if served is None else "there is no such user"
    pairs = zip(codec.names, row, served, strict=False)  # fewer are compared
    return "it differs in " + ", ".join(name for name, ours, cached in pairs if ours != cached)
