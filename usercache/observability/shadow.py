"""Compare what the cache would have answered with what the database did answer.

Note [Shadow mode]
------------------
For users that the switch keeps out of the cache (`usercache/management/switch.py`), the database
answers. A share of these look-ups is then repeated on a thread of its own, as the cache would make
them: from process memory, from Redis, or as a miss that fills. A hit that is the row that was
answered counts as compared. One that differs is a sample of the audit's, which decides whether a
write explains it.

No answer is changed or delayed: a look-up costs its caller one entry in a queue. The thread makes
one GET for each drawn look-up, and a query for a miss or a difference; what comes while the queue
is full, or while Redis can't be used, isn't compared. The metrics count requests' look-ups alone:
these have counters of their own.
"""

from collections.abc import Callable
from functools import cached_property
from queue import SimpleQueue
from typing import Any, Final, NamedTuple

from django.db import Error as AnyDatabaseError
from django.db import close_old_connections, connections

from usercache.codec import Record, Values
from usercache.events import Events, Observer
from usercache.lookup import Source, Store
from usercache.observability import metrics
from usercache.observability.audit import Audit, Sample, is_same
from usercache.observability.metrics.recorder import Recorder
from usercache.workers import Worker

ROOM: Final = 1000  # look-ups that may wait to be repeated; those that come when it is full aren't


class Unserved(NamedTuple):
    """A look-up that the database answered."""

    key: str
    pk: Any
    source: Source
    row: Values | None


class Shadow(Observer):
    """Draw look-ups that the database answered, and repeat them through the cache.

    `random` returns a float from 0 to 1.
    """

    def __init__(
        self,
        share: float,
        recorder: Recorder,
        audit: Audit,
        store: Store,
        random: Callable[[], float],
    ) -> None:
        self.share = share
        self._recorder = recorder
        self._audit = audit
        self._store = store
        self._random = random
        self._worker = Worker("usercache-shadow", self._run, store.events.note_unexpected)
        self._queue: SimpleQueue[Unserved | None] = SimpleQueue()

    def start(self) -> None:
        """Start the thread; raises `RuntimeError` where there can't be one."""
        self._worker.start()

    def note_unserved(self, key: str, pk: Any, source: Source, row: Values | None) -> None:
        """Draw some of the look-ups; each is repeated on the shadow's thread."""
        if self._random() < self.share:
            self.add(Unserved(key, pk, source, row))

    def add(self, unserved: Unserved) -> None:
        """Have a look-up repeated by and by."""
        if self._queue.qsize() < ROOM:
            self._queue.put(unserved)
        else:
            self._recorder.count(metrics.AUDIT_UNDECIDED)

    def compare(self, unserved: Unserved) -> None:
        """Look up through the cache, and compare; a round trip, and a query for a miss."""
        store = self._store
        verdict, hit = metrics.AUDIT_UNDECIDED, None
        try:
            if store.redis is not None and store.redis.breaker.is_closed:
                hit = self._cache.look_up(unserved)
                verdict = metrics.SHADOW_HITS if hit else metrics.SHADOW_MISSES
        except AnyDatabaseError as error:
            store.events.note_error(error)
        self._recorder.count(verdict)
        if hit is not None and is_same(hit, unserved.row):
            self._recorder.count(metrics.AUDIT_CHECKED)
        elif hit is not None:
            self._audit.add(hit)

    def end(self) -> None:
        """Stop; what still waits isn't compared."""
        self._queue.put(None)
        self._worker.end()

    @cached_property
    def _cache(self) -> "_ServingStore":
        # On first use: by then each extension has added to the store.
        return _ServingStore(self._store)

    def _run(self) -> None:
        while not self._worker.ended.is_set() and (unserved := self._queue.get()) is not None:
            try:
                self.compare(unserved)
            finally:
                close_old_connections()  # this thread's
                if self._queue.empty():
                    connections.close_all()


class _ServingStore(Observer):
    """The backends of a store that serves all users, and tells nobody but us."""

    def __init__(self, store: Store) -> None:
        events = Events()
        events.subscribe(self)
        self._store = Store(
            memory=store.memory, redis=store.redis, events=events, random=store.random
        )
        self._store.l1 = store.l1
        self._hit: Sample | None = None

    def look_up(self, unserved: Unserved) -> Sample | None:
        """Return the hit, None after a miss; that fills."""
        self._hit, (key, pk, source, _) = None, unserved
        if self._store.recall(key, pk, source) is None:
            self._store.look_up(key, pk, source)
        return self._hit

    def note_hit(self, backend: str, key: str, pk: Any, source: Source, record: Record) -> None:
        self._hit = Sample(backend, key, pk, source, record)
