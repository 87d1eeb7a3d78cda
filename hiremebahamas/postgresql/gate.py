"""Bounds on how long, and how many, threads of this process wait for PostgreSQL.

Note [A PostgreSQL that hangs]
------------------------------
A server whose processes are stopped, or whose network is cut, answers nothing, and none of its own
timeouts will fire. Its kernel still acknowledges packets, so TCP's timeouts don't fire either. So
the client keeps the bound: each wait of a thread, for a connection of the pool or for the answer to
a statement, has a deadline. After it the connection is closed and the gate shuts: until a probe, on
a thread of its own, gets an answer, each request that needs the database is refused at once. A
request that needs no database never comes here.

All threads of a web process might wait for the same hung server, and none would be left to serve
cached users. So if all the others are waiting, the last thread waits a fifth of the time. Four
waits without an answer within a second are as good a sign as one without an answer in five.

The server itself cancels a statement that is merely slow first (statement_timeout), which is an
answer. If a wait times out although the server is up, the gate opens with the first probe.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

import psycopg

logger = logging.getLogger(__name__)

PROBE_PAUSE_SECONDS: Final = 0.5
LAST_THREAD_SHARE: Final = 0.2
"""The share of a wait's bound for the last thread that could serve other requests."""


class DatabaseHangsError(psycopg.OperationalError):
    """The server has not answered in time, or is known not to answer."""


class Bounds(NamedTuple):
    """How long a process may wait."""

    seconds: float | None
    """For each wait; None for no bound."""
    threads: int = 0
    """Threads that serve requests; 0 if none must be kept free."""


class Gate:
    """Bound the waits of all threads, and refuse them while the server doesn't answer.

    `is_alive` queries the server, within a bound of its own.
    """

    def __init__(
        self,
        bounds: Bounds,
        is_alive: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """Begin open."""
        self.bounds = bounds
        self._is_alive = is_alive
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._is_shut = False
        self._waiting = 0
        self._own = threading.local()

    @property
    def is_shut(self) -> bool:
        """Whether the server is known not to answer."""
        return self._is_shut

    @contextmanager
    def waiting(self) -> Iterator[float | None]:
        """Yield the seconds that this thread may wait inside the block; nested blocks share them.

        Raises: DatabaseHangsError at once while the server doesn't answer.
        """
        deadline: float | None = getattr(self._own, "deadline", None)
        if deadline is not None:
            yield max(0.0, deadline - self._clock())
            return
        seconds = self._enter()
        try:
            if seconds is not None:
                self._own.deadline = self._clock() + seconds
            yield seconds
        finally:
            self._own.deadline = None
            with self._lock:
                self._waiting -= 1

    def shut(self) -> None:
        """Refuse every wait until a probe gets an answer."""
        with self._lock:
            if self._is_shut:
                return
            self._is_shut = True
        logger.error("PostgreSQL doesn't answer. What needs it is refused until it does.")
        prober = threading.Thread(target=self._probe, name="database-probe", daemon=True)
        try:
            prober.start()
        except RuntimeError:  # no thread can be started, and nothing else would open the gate
            self._is_shut = False
            logger.exception("PostgreSQL can't be probed; each request waits for it again.")

    def _enter(self) -> float | None:
        with self._lock:
            if self._is_shut:
                raise DatabaseHangsError("PostgreSQL doesn't answer.")
            self._waiting += 1
            is_last = 1 < self.bounds.threads <= self._waiting
        if is_last and self.bounds.seconds is not None:
            return self.bounds.seconds * LAST_THREAD_SHARE
        return self.bounds.seconds

    def _probe(self) -> None:
        attempts = 1
        while not self._is_alive():
            attempts += 1
            self._pause(PROBE_PAUSE_SECONDS)
        with self._lock:
            self._is_shut = False
        logger.warning("PostgreSQL answers again, at probe %d.", attempts)


class Process:
    """What kind of process this is, and its gates: one for each alias of DATABASES."""

    def __init__(self) -> None:
        """Start as a command; `serves_requests` is set later."""
        self.serves_requests = False
        self._gates: dict[str, Gate] = {}

    def get_gate(self, alias: str, make: Callable[[], Gate]) -> Gate:
        """Return the alias's gate, made on first use."""
        return self._gates.get(alias) or self._gates.setdefault(alias, make())

    def forget_gates(self) -> None:
        """Start as a new process: a forked child has neither its parent's waits nor its probe."""
        self._gates = {}


RUNTIME: Final = Process()
os.register_at_fork(after_in_child=RUNTIME.forget_gates)
