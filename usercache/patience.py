"""How long a look-up waits for another's load or write before it asks the database itself."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

from usercache.conf import conf
from usercache.keys import LEASE
from usercache.tiers import holders_of

FIRST_PAUSE_SECONDS: Final = 0.002
"""It doubles each time."""
REMEMBERED_WRITES: Final = 1000


class Patience:
    """Wait for each load, and for each write until one look-up has waited in vain.

    Most writes are over in a few milliseconds, and whoever waits so long is spared a query, as are
    all who ask for the same busy user meanwhile. One that takes longer is a long transaction, or
    was rolled back, and is not waited for again in this process. Threads share one.
    """

    def __init__(self) -> None:
        """Know of no write that takes long."""
        self._outlasting = deque[bytes](maxlen=REMEMBERED_WRITES)
        self._own = _OwnWrites()

    def note_own(self, token: bytes) -> None:
        """Note a write of this thread's, which can't end while the thread waits for it."""
        self._own.tokens.append(token)

    def pauses(self, held: bytes) -> Iterator[float]:
        """Yield how long to sleep before each further look at a lease or barrier, in seconds."""
        if held[:1] == LEASE:
            return _pauses(conf.USERCACHE_LEASE_WAIT_SECONDS)
        holders = holders_of(held)
        if holders & set(self._own.tokens) or holders <= set(self._outlasting):
            return iter(())
        return _pauses(conf.USERCACHE_BARRIER_WAIT_SECONDS)

    def give_up(self, held: bytes) -> None:
        """Wait no more for the writes that are still under way."""
        if held[:1] != LEASE:
            self._outlasting.extend(holders_of(held) - set(self._own.tokens))


class _OwnWrites(threading.local):
    """The last writes of each thread; a transaction that was rolled back doesn't say so."""

    def __init__(self) -> None:
        self.tokens = deque[bytes](maxlen=REMEMBERED_WRITES)


def _pauses(bound_seconds: float) -> Iterator[float]:
    pause, waited = FIRST_PAUSE_SECONDS, 0.0
    while waited < bound_seconds:
        pause = min(pause, bound_seconds - waited)
        yield pause
        waited += pause
        pause *= 2
