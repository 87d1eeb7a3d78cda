"""Questions to a database that may hang, asked without hanging with it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

from django.db import Error as AnyDatabaseError
from django.db import OperationalError, connections

T = TypeVar("T")

WAIT_SECONDS: Final = 1.0
"""What a monitoring client waits for, more than any healthy database takes."""


class DatabaseHangsError(OperationalError):
    """The database has not answered in time."""


class BoundedQuery(Generic[T]):
    """Ask on a thread with a connection of its own, and wait for the answer for so long only.

    One daemon thread at a time, however long the database hangs: callers that come later wait for
    the same answer, and no longer than the first. So while the database hangs, it is a second for
    all of them together.
    """

    def __init__(
        self,
        ask: Callable[[], T],
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._deadline = 0.0
        self._lock = threading.Lock()
        self._answer: Future[T] | None = None

    def __call__(self) -> T:
        """Return the answer; raise what the question raised, or that there was none in time."""
        with self._lock:
            if self._answer is None or self._answer.done():
                self._answer = Future()
                self._deadline = self._clock() + self._wait_seconds
                threading.Thread(
                    target=self._run, args=(self._answer,), name="usercache-query", daemon=True
                ).start()
            answer, left = self._answer, self._deadline - self._clock()
        try:
            return answer.result(max(0.0, left))
        except TimeoutError:
            raise DatabaseHangsError(
                f"The database has not answered in {self._wait_seconds:g} s."
            ) from None

    def _run(self, answer: Future[T]) -> None:
        try:
            answer.set_result(self._ask())
        except AnyDatabaseError as error:
            answer.set_exception(error)
        finally:
            if not answer.done():
                answer.cancel()
            connections.close_all()
