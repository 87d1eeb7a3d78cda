"""The figures of all processes, behind the breaker: given and read, or not."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from usercache.figures.processes import ProcessState, SeenProcess
from usercache.figures.redis_state import RedisState
from usercache.figures.shared import Parcel
from usercache.figures.slices import HOUR_SECONDS, MINUTE_SECONDS, Slice
from usercache.guard import GuardedTier, UnavailableError
from usercache.shared import SharedTier


class Reading(NamedTuple):
    """What Redis knows of all processes, and how it is itself."""

    totals: Slice
    """Since Redis was last emptied."""
    processes: list[SeenProcess]
    minutes: dict[int, Slice]
    """By their start in seconds since 1970; none for a minute in which nothing was counted."""
    hours: dict[int, Slice]
    redis: RedisState


class Totals:
    """Reach the figures in Redis while the breaker lets us; failures are counted, never raised."""

    def __init__(self, shared: GuardedTier, clock: Callable[[], float] = time.time) -> None:
        """Take the guarded tier."""
        self._shared = shared
        self._clock = clock

    def deliver(self, parcel: Parcel) -> bool:
        """Add a parcel to the figures, and say whether it is known to have arrived."""
        return self._tell(lambda tier: tier.figures.deliver(parcel, self._clock()))

    def sign_off(self, state: ProcessState) -> None:
        """Take a process that ends off the list."""
        self._tell(lambda tier: tier.figures.sign_off(state))

    def read(self, minutes: Sequence[int], hours: Sequence[int]) -> Reading | None:
        """Return the slices that begin then and all else; None where Redis can't be asked.

        Four round trips, and one more for each 30 slices that were not read in the last minute;
        however Redis fails, one timeout.
        """

        def ask(tier: SharedTier) -> Reading:
            state, now = tier.get_state(), self._clock()
            totals, processes = tier.figures.read_totals(now)
            return Reading(
                totals,
                processes,
                tier.figures.read_slices(minutes, MINUTE_SECONDS, now),
                tier.figures.read_slices(hours, HOUR_SECONDS, now),
                state,
            )

        if not self._shared.is_available():
            return None
        try:
            return self._shared.ask(ask)
        except UnavailableError:  # counted by the guard
            return None

    def _tell(self, operation: Callable[[SharedTier], object]) -> bool:
        # From a thread of its own, which must not open the database connection of a recovery.
        if not self._shared.is_available(may_probe=False):
            return False
        try:
            self._shared.ask(operation)
        except UnavailableError:  # counted by the guard
            return False
        return True
