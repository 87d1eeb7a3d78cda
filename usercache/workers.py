"""Background threads that survive their own errors."""

import logging
import threading
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

RESTART_SECONDS: Final = 1.0
"""Pause between an unexpected error of a worker and its next attempt."""
JOIN_SECONDS: Final = 1.0
"""How long the end of a process waits for a worker."""


class Worker:
    """A background thread for as long as its process lives.

    `work` is called until it returns. If it raises, the error is logged with its traceback and
    passed to `note_error`, and `work` is called again after a pause. The thread doesn't keep the
    process alive.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        note_error: Callable[[Exception], object],
        restart_seconds: float = RESTART_SECONDS,
        *,
        called: threading.Event | None = None,
    ) -> None:
        """Start no thread yet. `work` must return soon after `ended` is set, and `called` with it.

        `called` is what `work` waits for, if there is such an event.
        """
        self.name = name
        self._work = work
        self._note_error = note_error
        self._restart_seconds = restart_seconds
        self._logged = ""
        self._thread: threading.Thread | None = None
        self.ended = threading.Event()
        self._called = called or self.ended

    def start(self) -> None:
        """Start the thread, unless it was started before.

        Raises:
            RuntimeError: no thread can be started; another call may try again.
        """
        if self._thread is None and not self.ended.is_set():
            thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            thread.start()
            self._thread = thread

    def end(self) -> None:
        """Signal the end, and wait for the thread up to JOIN_SECONDS."""
        self.ended.set()
        self._called.set()
        if self._thread is not None:
            self._thread.join(JOIN_SECONDS)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self.ended.is_set():
            try:
                self._work()
            except Exception as error:  # noqa: BLE001  # logged below; a thread has no caller to raise to
                self._report(error)
                self.ended.wait(self._restart_seconds)
            else:
                return

    def _report(self, error: Exception) -> None:
        self._note_error(error)
        told = repr(error)
        if told != self._logged:  # each second, perhaps, but logged once
            self._logged = told
            logger.error("%s failed and goes on.", self.name, exc_info=error)
