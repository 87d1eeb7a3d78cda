"""How long a look-up waits for others before it queries the database."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from usercache.backends.base import holders_of
from usercache.conf import conf
from usercache.keys import FILL_LOCK

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
