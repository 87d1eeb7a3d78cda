"""The circuit breaker: when the shared tier may be asked. No Django, no I/O, no clock."""

import threading
from collections.abc import Callable
from enum import Enum
from typing import Final


class Permit(Enum):
    """What a caller may do now."""

    USE = "use"
    PROBE = "probe"
    REFUSE = "refuse"


FAILURES_TO_OPEN: Final = 3
LONGEST_PAUSE_SECONDS: Final = 60.0
PAUSE_JITTER: Final = 0.2
"""The part of a pause taken off at random, so that workers don't come back in step."""


class Breaker:
    """Refuse the shared tier after failures, let one caller probe it later, share the verdict.

    One object serves all threads of a process. Closed, a call costs one attribute read. After
    opening, a probe is let through after 2, 4, 8, 16, 32, then at most 60 seconds, less a random
    part. `random` returns a float from 0 to 1; `clock` seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float], random: Callable[[], float]) -> None:
        """Start closed."""
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._closed = True
        self._probing = False
        self._failures = 0
        self._openings_in_a_row = 0
        self._retry_at = 0.0

    def permit(self) -> Permit:
        """Say whether the caller may use the tier, must refrain, or is the one to probe it.

        Who is told to probe owes a `probed()`; until then every other caller is refused.
        """
        return Permit.USE if self._closed else self._permit_while_open()

    def succeeded(self) -> None:
        """Forget the failures before this call."""
        if self._failures:
            with self._lock:
                if self._closed:
                    self._failures = 0

    def failed(self, *, at_once: bool) -> bool:
        """Count a failed call and return whether it opened the breaker.

        `at_once` opens it on the first: for a failed invalidation, which reads would never
        notice, and for a timeout, which the next caller would otherwise pay again.
        """
        with self._lock:
            if not self._closed:
                return False
            self._failures += 1
            if not at_once and self._failures < FAILURES_TO_OPEN:
                return False
            self._closed = False
            self._openings_in_a_row = 0
            self._pause()
            return True

    def probed(self, *, healthy: bool) -> None:
        """Close after a healthy probe, pause for longer after another."""
        with self._lock:
            self._probing = False
            if healthy:
                self._closed = True
                self._failures = 0
            else:
                self._pause()

    @property
    def state(self) -> str:
        """Name the state: closed, open, or probing."""
        if self._closed:
            return "closed"
        return "probing" if self._probing else "open"

    @property
    def seconds_to_probe(self) -> float:
        """Say how long the next probe is away; 0 when closed or due."""
        return 0.0 if self._closed else max(0.0, self._retry_at - self._clock())

    def _permit_while_open(self) -> Permit:
        with self._lock:
            if self._closed:
                return Permit.USE
            if self._probing or self._clock() < self._retry_at:
                return Permit.REFUSE
            self._probing = True
            return Permit.PROBE

    def _pause(self) -> None:
        self._openings_in_a_row += 1
        pause = min(2.0**self._openings_in_a_row, LONGEST_PAUSE_SECONDS)
        self._retry_at = self._clock() + pause * (1 - PAUSE_JITTER * self._random())
