"""What this process counts, and its way to the totals of all processes."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

HITS_PREFIX: Final = "hits_"
"""Followed by the name of the tier that answered."""
HITS_NEAR: Final = HITS_PREFIX + "near"
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

JOIN_SECONDS: Final = 1.0
"""How long the end of a process may wait for a delivery that is under way."""


class Stats:
    """Count events by name; safe for threads, and nothing but a locked addition for the caller."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def count(self, name: str, by: int = 1) -> None:
        """Add to one figure."""
        if by:
            with self._lock:
                self._counts[name] += by

    def take(self) -> dict[str, int]:
        """Return what was counted since the last call, and start anew."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return dict(taken)

    def put_back(self, counts: Mapping[str, int]) -> None:
        """Keep for later what could not be delivered."""
        with self._lock:
            self._counts.update(counts)

    def peek(self) -> dict[str, int]:
        """Return what waits for delivery."""
        with self._lock:
            return dict(self._counts)


class Delivery:
    """Take a process's counts to the shared totals once in a while, on a thread of its own.

    `deliver` says whether the counts arrived; those that didn't wait in memory for the next time.
    """

    def __init__(
        self, stats: Stats, deliver: Callable[[Mapping[str, int]], bool], every_seconds: float
    ) -> None:
        """Start the thread, which doesn't keep the process alive."""
        self._stats = stats
        self._deliver = deliver
        self._every_seconds = every_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usercache-stats", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Deliver what is left and stop; called at the normal end of a process."""
        self._ended.set()
        self._thread.join(JOIN_SECONDS)
        self.deliver_now()

    def deliver_now(self) -> None:
        """Deliver what was counted so far."""
        counts = self._stats.take()
        is_delivered = not counts
        try:
            is_delivered = is_delivered or self._deliver(counts)
        finally:
            if not is_delivered:
                self._stats.put_back(counts)

    def _run(self) -> None:
        while not self._ended.wait(self._every_seconds):
            self.deliver_now()
