"""How long a look-up waits for another's load or write before it asks the database itself."""

from collections.abc import Iterator
from typing import Final

from usercache.conf import conf
from usercache.keys import LEASE

FIRST_PAUSE_SECONDS: Final = 0.002
"""It doubles each time."""
REMEMBERED_BARRIERS: Final = 1000


class Patience:
    """Wait for each load, and once in each process for each write; all threads share one.

    Most writes are over in a few milliseconds, and whoever waits so long is spared a query, as are
    all who ask for the same busy user meanwhile. A barrier that stands for longer belongs to a
    long transaction, or to one that was rolled back, and is not waited for again.
    """

    def __init__(self) -> None:
        """Know of no barrier that stands for long."""
        self._outlasting = dict[str, bytes]()

    def pauses(self, key: str, held: bytes) -> Iterator[float]:
        """Yield how long to sleep before each further look at a lease or barrier, in seconds."""
        if held[:1] == LEASE:
            yield from _pauses(conf.USERCACHE_LEASE_WAIT_SECONDS)
        elif self._outlasting.get(key) != held:
            yield from _pauses(conf.USERCACHE_BARRIER_WAIT_SECONDS)
            if len(self._outlasting) >= REMEMBERED_BARRIERS:
                self._outlasting.clear()
            self._outlasting[key] = held


def _pauses(bound_seconds: float) -> Iterator[float]:
    pause, waited = FIRST_PAUSE_SECONDS, 0.0
    while waited < bound_seconds:
        pause = min(pause, bound_seconds - waited)
        yield pause
        waited += pause
        pause *= 2
