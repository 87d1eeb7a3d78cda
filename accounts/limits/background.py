"""Tasks that run after the answer, on a thread of their own."""

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from django.db import connections

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 100


class BackgroundTasks:
    """Runs tasks one after the other; of more than a hundred at once, the later are dropped.

    `failure` begins the log line of a task that raises: "A message can't be sent".
    """

    def __init__(self, name: str, failure: str) -> None:
        """Start no thread yet."""
        self._name = name
        self._failure = failure
        self.reset()
        os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """Begin as a new process, which has no thread of its parent's."""
        self._lock = threading.Lock()
        self._waiting = 0
        self._executor: ThreadPoolExecutor | None = None

    def submit(self, task: Callable[[], object]) -> None:
        """Run the task soon, after those before it."""
        with self._lock:
            if self._waiting >= MAX_WAITING:
                logger.error("Too many tasks wait for the %s; one was dropped.", self._name)
                return
            self._waiting += 1
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix=self._name)
            running = self._executor.submit(_run, task)
        # Without the lock: of a task that is done already, this calls _finish() at once.
        running.add_done_callback(self._finish)

    def _finish(self, done: "Future[None]") -> None:
        with self._lock:
            self._waiting -= 1
        error = done.exception()
        if error is not None:
            # Its message may hold personal data: a recipient, a row.
            logger.error("%s: %s", self._failure, type(error).__name__)


def _run(task: Callable[[], object]) -> None:
    try:
        task()
    finally:
        connections.close_all()  # this thread's
