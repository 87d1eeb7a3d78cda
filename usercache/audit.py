"""Compare some of the hits with the database a moment later, to know how true the cache is.

Note [The audit]
----------------
A hit that is drawn is compared with its row a second later. Where they differ, either the record
was stale when it was served, or somebody wrote the user since; the row alone can't say which. The
cache can: every write that it heard of takes the record away before anybody can see the commit,
and what is filled later is another record, filled at another moment. So the row is read first,
and then the cache is asked what it would serve now. If that is still the very record that was
served, a look-up that began after a commit would return what was before it: it is stale, whenever
the write was. If the record is gone, replaced or barred, a write in between explains it.

Changes past the ORM are told by the relay within a second, so a suspect is looked at again a
second later and is a mismatch only if it is still served. What the audit can't see, therefore, is
staleness of less than two seconds; of what lasts longer it sees the part that is longer. A
mismatch is counted, logged by the names of its fields, and dropped from the cache. Its age, since
it was filled, bounds from above how long it can have been stale.

Compared are the encoded values, so that what is equal to the cache is equal here.
"""

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, NamedTuple

from django.db import Error as AnyDatabaseError
from django.db import connections

from usercache.codec import Codec, Record, Values
from usercache.guard import UnavailableError
from usercache.stats import (
    AUDIT_CHECKED,
    AUDIT_EXPLAINED,
    AUDIT_MISMATCHED,
    AUDIT_UNDECIDED,
    AUDIT_WORST_MS,
    ERRORS_PREFIX,
    LOCAL,
    Stats,
)

logger = logging.getLogger(__name__)

DELAY_SECONDS: Final = 1.0
"""From a hit to the look at its row, and from there to a second look where they differ."""
ROOM: Final = 1000
"""Hits that may wait to be compared; those that come when it is full aren't."""
JOIN_SECONDS: Final = 1.0
"""How long the end of a process may wait for a comparison that is under way."""
MILLISECONDS: Final = 1000


class Found(NamedTuple):
    """What a look-up would be answered now, without loading, and by which tier."""

    tier: str
    record: Record | None


class Sample(NamedTuple):
    """A hit that was drawn, and what is needed to judge it."""

    key: str
    codec: Codec
    found: Found
    load: Callable[[], Values | None]
    """Return the row's values; a query."""
    look_again: Callable[[], Found]
    """Ask the cache; raises `UnavailableError`."""
    forget: Callable[[], object]
    is_suspect: bool = False
    """Whether the row was seen to differ, with the same record still served."""


class Audit:
    """Draw hits, wait, and judge them on a thread of its own that begins with the first.

    `random` returns a float from 0 to 1; `clock` seconds since 1970.
    """

    def __init__(
        self,
        share: float,
        stats: Stats,
        random: Callable[[], float],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the share of hits to compare, 0 to 1."""
        self.share = share
        self._stats = stats
        self._random = random
        self._clock = clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._samples: SimpleQueue[tuple[float, Sample] | None] = SimpleQueue()

    def draws(self) -> bool:
        """Say whether to compare this hit; 0.1 us."""
        return self._random() < self.share

    def add(self, sample: Sample) -> None:
        """Have a hit judged in a moment; nothing is done here but to note it."""
        if self._samples.qsize() >= ROOM:
            self._stats.count(AUDIT_UNDECIDED)
            return
        self._samples.put((time.monotonic() + DELAY_SECONDS, sample))
        if self._thread is None:
            self._start()

    def judge(self, sample: Sample) -> Sample | None:
        """Compare a hit with the database, and count what came of it; two look-ups at most.

        Returns the sample where it must be looked at again.
        """
        try:
            verdict = self._judge(sample)
        except AnyDatabaseError as error:
            self._stats.count(ERRORS_PREFIX + type(error).__name__)
            verdict = AUDIT_UNDECIDED
        except UnavailableError:  # counted by the guard
            verdict = AUDIT_UNDECIDED
        if verdict is None:
            return sample._replace(is_suspect=True)
        self._stats.count(verdict)
        if verdict in (AUDIT_MISMATCHED, AUDIT_EXPLAINED):
            self._stats.count(AUDIT_CHECKED)
        return None

    def end(self) -> None:
        """Judge no more; what still waits isn't counted."""
        self._ended.set()
        self._samples.put(None)
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    def _judge(self, sample: Sample) -> str | None:
        row = sample.load()
        served = sample.found.record
        if served is None or _is_same(sample, row, served.values):
            return AUDIT_CHECKED
        now = sample.look_again()
        if (now.tier == LOCAL) != (sample.found.tier == LOCAL):
            return AUDIT_UNDECIDED  # Redis went or came; what it holds can't be asked
        if now.record is None or now.record.filled_at_ms != served.filled_at_ms:
            return AUDIT_EXPLAINED
        if not sample.is_suspect:
            return None
        self._report(sample, row, served)
        return AUDIT_MISMATCHED

    def _report(self, sample: Sample, row: Values | None, served: Record) -> None:
        age_ms = max(0, int(self._clock() * MILLISECONDS) - served.filled_at_ms)
        self._stats.note_maximum(AUDIT_WORST_MS, age_ms)
        logger.warning(
            "The record under %s (%s) is not what the database has: %s. It was filled %.1f s ago, "
            "and is dropped now.",
            sample.key,
            sample.found.tier,
            _describe_difference(sample.codec, row, served.values),
            age_ms / MILLISECONDS,
        )
        sample.forget()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(
                    target=self._run, name="usercache-audit", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while (waiting := self._samples.get()) is not None:
            due_at, sample = waiting
            if self._ended.wait(max(0.0, due_at - time.monotonic())):
                return
            try:
                suspect = self.judge(sample)
            finally:
                connections.close_all()  # this thread's
            if suspect is not None:
                self._samples.put((time.monotonic() + DELAY_SECONDS, suspect))


def _is_same(sample: Sample, row: Values | None, served: Values | None) -> bool:
    key, codec = sample.key, sample.codec
    return codec.encode(key, row, 0) == codec.encode(key, served, 0)


def _describe_difference(codec: Codec, row: Values | None, served: Values | None) -> str:
    if row is None or served is None:
        return "there is such a user" if served is None else "there is no such user"
    pairs = zip(codec.fields, row, served, strict=True)
    return "it differs in " + ", ".join(name for name, ours, cached in pairs if ours != cached)
