"""The client-side cache in front of process memory, where Redis isn't used and PostgreSQL reports.

Note [PostgreSQL as a second voice]
-----------------------------------
While a process can't use Redis, or has none, PostgreSQL tells it which records change. Its memory
is then as in front of Redis: entries have their whole TTL, and are asked for only while the
connection is proven alive and nothing on it is unread; otherwise the database is asked. So no entry
is older than a change that was reported before the look-up began. Three things make it so:

- *A change is reported or waited for.* PostgreSQL's triggers notify of each row that is added to
  the outbox, in its transaction, so with its commit; but only if somebody listens, since such
  commits are made one after the other. A listener holds a shared lock for it, and has waited
  for each transaction that found the lock free. See Note [Who listens] in
  `usercache/postgresql/sql.py`.
- *Memory begins empty once both are done*: with `watch()`, which drops entries and fill locks of
  before. A row loaded earlier finds its fill lock gone.
- *A message drops the fill lock as well as the entry*, and the backend's before L1's. So a loader
  that read the row of before the commit is refused afterwards; what it filled before is dropped.

PostgreSQL lets others see a commit a moment before it sends the message. So a look-up that had to
go past memory, since something was unread, drops what memory holds of its users and their fill
locks: no thread of a process sees an older row after a newer one. First it waits for the listener,
which needs less time than a query: with a hundred writes a second something is unread a third of
the time, and most look-ups would go to the database. On an event loop nobody waits, nor once one
look-up has waited in vain, until nothing is unread.

A write of this process sets its write marker in memory before its commit, as ever. A write of
another shows here when its message arrives, within milliseconds: there is no write marker that all
see. `docs/caveats.md` has the bounds.
"""

import time
from asyncio import _get_running_loop
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from usercache.backends.memory import MemoryBackend
from usercache.l1.cache import ClientCache

POLL_SECONDS: Final = 0.0001
POLLS_MAX: Final = 100
"""How often a look-up asks whether the listener has taken what arrived: for 10 to 20 ms."""


class ReportedMemory(ClientCache):
    """A client-side cache that drops what is reported from its backend, too.

    See Note [PostgreSQL as a second voice].
    """

    def __init__(self, memory: MemoryBackend, max_entries: int, max_bytes: int = 0) -> None:
        """Start empty and off, in front of this backend."""
        super().__init__(max_entries, max_bytes, memory.clock)
        self._memory = memory
        self._waits = True

    def invalidate(self, keys: Iterable[str], pointers: Sequence[str] = ()) -> None:
        """Drop records, fill locks and pointers; the write markers of this process stay."""
        keys = list(keys)
        self._memory.invalidate(keys, pointers)
        super().invalidate(keys, pointers)

    def invalidate_all(self) -> None:
        """Drop everything but the write markers of this process."""
        self._memory.invalidate_all()
        super().invalidate_all()

    def _is_current(self, now: float) -> bool:
        if super()._is_current(now):
            self._waits = True
            return True
        if not (self._waits and self.is_used and _get_running_loop() is None):
            return False
        for _ in range(POLLS_MAX):
            time.sleep(POLL_SECONDS)
            if super()._is_current(self._clock()):
                return True
        # The listener stands still. Each key of a batch, and each request, would wait for it.
        self._waits = False
        return False

    def watch(self, has_unread: Callable[[], object]) -> None:
        """Empty both, now that changes are reported."""
        self._memory.hears_changes = True
        super().watch(has_unread)

    def suspend(self) -> None:
        """Drop everything, and let entries live shortly again."""
        self._memory.hears_changes = False
        super().suspend()
