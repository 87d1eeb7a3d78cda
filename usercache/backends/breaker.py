"""The circuit breaker: when Redis may be asked. No Django, no I/O, no clock."""

import threading
from collections.abc import Callable
from typing import Final

FAILURES_TO_OPEN: Final = 3
FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
PAUSE_JITTER: Final = 0.2
"""The part of a pause taken off at random, so that workers don't come back in step."""


class Breaker:
    """Refuse Redis until a probe succeeds, and after failures.

    All threads of a process share one. Closed, a call costs one attribute read. A new breaker is
    *in doubt*, and so is one that has just opened: a probe is due at once, and until its verdict
    the backend may be up or away. A failed probe is repeated after 2, 4, 8, 16, 32, then at most 60
    seconds, less a random part. Between one closing and the next probe are 2 seconds at least.
    `random` returns a float from 0 to 1; `clock` seconds that never decrease.

    Invalidations may use the backend while it recovers, that is from a healthy probe until the
    breaker closes, and from the beginning of a process, in which none was refused yet, until one
    fails.
    """

    def __init__(self, clock: Callable[[], float], random: Callable[[], float]) -> None:
        """Start in doubt, with a probe due."""
        self.clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._closed = False
        self.verdict = threading.Event()
        """Set unless in doubt."""
        self._probing = False
        self._recovering = True
        self._failures = 0
        self._refused_invalidations = 0
        self._pauses_in_a_row = 0
        self._retry_at = 0.0
        self.steady_from = 0.0
        """From then on, a breaker that opens is probed at once."""

    def permits(self, *, invalidates: bool = False) -> bool:
        """Return whether the caller may use the backend; refused invalidations are counted."""
        if self._closed:
            return True
        if not invalidates:
            return False
        with self._lock:
            if self.may_be_told:
                return True
            self._refused_invalidations += 1
            return False

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
                if at_once:
                    # An invalidation during recovery: it is still to be done, and the next one must
                    # not wait for the same timeout.
                    self._refused_invalidations += 1
                    self._recovering = False
                return False
            self._failures += 1
            if not at_once and self._failures < FAILURES_TO_OPEN:
                return False
            self._pauses_in_a_row, self._retry_at = 0, max(self.clock(), self.steady_from)
            self.verdict.clear()
            self._closed = False  # last, so that no thread sees doubt as absence
            return True

    def begin_probe(self) -> bool:
        """Return whether to probe now.

        If so, the caller must end with a successful `close()` or with `stay_open()`; until then
        this returns False to others.
        """
        with self._lock:
            if self._closed or self._probing or self.clock() < self._retry_at:
                return False
            self._probing = True
            return True

    def recover(self) -> int:
        """Let invalidations through after a healthy probe, and return how many were refused.

        What was refused must now be drained. If invalidations were still refused during that, a
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
            self._failures, self.steady_from = 0, self.clock() + FIRST_PAUSE_SECONDS
            self._closed = True  # before the doubt ends, so that no thread sees an absence
            self._probing = self._recovering = False
            self.verdict.set()
            return True

    def stay_open(self) -> None:
        """Pause for longer after a probe that failed."""
        with self._lock:
            self._probing = self._recovering = False
            self._pause()
            self.verdict.set()

    @property
    def is_closed(self) -> bool:
        """Whether every caller may use the backend."""
        return self._closed

    @property
    def may_be_told(self) -> bool:
        """Whether invalidations may go through, and commands that serve no look-up, as metrics."""
        return self._closed or self._recovering

    @property
    def is_away(self) -> bool:
        """Whether the backend is known to be unusable: neither closed nor in doubt."""
        return not self._closed and self.verdict.is_set()

    @property
    def state(self) -> str:
        """Return closed, open, or probing."""
        if self._closed:
            return "closed"
        return "open" if self.verdict.is_set() and not self._probing else "probing"

    @property
    def seconds_to_probe(self) -> float:
        """Seconds until the next probe; 0 when closed or due."""
        return 0.0 if self._closed else max(0.0, self._retry_at - self.clock())

    def _pause(self) -> None:
        pause = min(FIRST_PAUSE_SECONDS * 2**self._pauses_in_a_row, LONGEST_PAUSE_SECONDS)
        self._pauses_in_a_row += 1
        self._retry_at = self.clock() + pause * (1 - PAUSE_JITTER * self._random())
