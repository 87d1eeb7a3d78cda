"""A process's figures and its own state on their way to the others, on a thread of its own."""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from usercache.figures.processes import REPORT_SECONDS, ProcessState
from usercache.figures.shared import Parcel
from usercache.stats import Stats

JOIN_SECONDS: Final = 1.0
"""How long the end of a process may wait for a delivery that is under way."""
LONGEST_PAUSE_SECONDS: Final = 1.0
"""Between two foldings, however seldom figures are sent: look-ups wait in bounded memory."""


class Recipient(Protocol):
    """Who takes the parcels; `usercache.totals.Totals`."""

    def deliver(self, parcel: Parcel) -> bool:
        """Say whether the parcel is known to have arrived; if not, it is sent again."""

    def sign_off(self, state: ProcessState) -> None:
        """Hear that the process has ended."""


class Delivery:
    """Fold a process's figures once a second, and send them every so many seconds.

    `recipient` is None where there is nobody to send to. `describe` returns the process's state.
    """

    def __init__(
        self,
        stats: Stats,
        recipient: Recipient | None,
        describe: Callable[[], ProcessState],
        every_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread, which doesn't keep the process alive."""
        self._stats = stats
        self._recipient = recipient
        self._describe = describe
        self._every_seconds = every_seconds
        self._clock = clock
        self._told: ProcessState | None = None
        self._told_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usercache-stats", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Deliver what is left and stop; called at the normal end of a process."""
        self._ended.set()
        self._thread.join(JOIN_SECONDS)
        if self._recipient is not None:
            self._send(self._recipient, None)
            if self._told is not None:
                self._recipient.sign_off(self._told)

    def deliver_now(self) -> None:
        """Deliver what was counted so far, and the state where it changed or is due."""
        if self._recipient is None:
            self._stats.fold()
            return
        state = self._describe()
        is_due = state != self._told or self._clock() - self._told_at >= REPORT_SECONDS
        if self._send(self._recipient, state if is_due else None) and is_due:
            self._told, self._told_at = state, self._clock()

    def _send(self, recipient: Recipient, state: ProcessState | None) -> bool:
        # Several batches only after an outage. The state goes with the first.
        while (batch := self._stats.begin_delivery()) or state:
            number, slices = batch or (0, {})
            parcel = Parcel(self._stats.token, number, slices, state, self._told)
            if not recipient.deliver(parcel):
                return False
            state = None
            if batch is not None:
                self._stats.end_delivery(batch)
        return True

    def _run(self) -> None:
        pause = min(self._every_seconds, LONGEST_PAUSE_SECONDS)
        due_at = self._clock() + self._every_seconds
        while not self._ended.wait(pause):
            if self._clock() + pause / 2 < due_at:
                self._stats.fold()
                continue
            self.deliver_now()
            due_at = self._clock() + self._every_seconds
