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
        self._recovering = False
        self._failures = 0
        self._refused_invalidations = 0
        self._openings_in_a_row = 0
        self._retry_at = 0.0

    def permit(self, *, invalidates: bool, may_probe: bool) -> Permit:
        """Say whether the caller may use the tier, must refrain, or is the one to probe it.

        Who is told to probe owes a `close()` that succeeds or a `stay_open()`; until then every
        other caller is refused, but for invalidations once the prober has said `recover()`.
        Refused invalidations are counted.
        """
        if self._closed:
            return Permit.USE
        return self._permit_while_open(invalidates=invalidates, may_probe=may_probe)

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
                # One that was let through: what it should have invalidated is still to be done.
                self._refused_invalidations += at_once
                return False
            self._failures += 1
            if not at_once and self._failures < FAILURES_TO_OPEN:
                return False
            self._closed = False
            self._openings_in_a_row = 0
            self._pause()
            return True

    def recover(self) -> int:
        """Let invalidations through after a healthy probe, and return how many were refused.

        What was refused must now be carried out. Were invalidations refused meanwhile as well, a
        steady stream of writes would keep the breaker open for ever.
        """
        with self._lock:
            self._recovering = True
            return self._refused_invalidations

    def close(self, refused_before: int) -> bool:
        """Close after recovery, unless an invalidation failed since `recover()` returned that."""
        with self._lock:
            if self._refused_invalidations != refused_before:
                return False
            self._probing = self._recovering = False
            self._closed, self._failures = True, 0
            return True

    def stay_open(self) -> None:
        """Pause for longer after a probe that failed."""
        with self._lock:
            self._probing = self._recovering = False
            self._pause()

    @property
    def is_closed(self) -> bool:
        """Say whether everybody may use the tier."""
        return self._closed

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

    def _permit_while_open(self, *, invalidates: bool, may_probe: bool) -> Permit:
        with self._lock:
            if self._closed:
                return Permit.USE
            if may_probe and not self._probing and self._clock() >= self._retry_at:
                self._probing = True
                return Permit.PROBE
            if invalidates and self._recovering:
                return Permit.USE
            self._refused_invalidations += invalidates
            return Permit.REFUSE

    def _pause(self) -> None:
        self._openings_in_a_row += 1
        pause = min(2.0**self._openings_in_a_row, LONGEST_PAUSE_SECONDS)
        self._retry_at = self._clock() + pause * (1 - PAUSE_JITTER * self._random())
