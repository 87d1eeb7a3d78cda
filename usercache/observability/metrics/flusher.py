"""Flush a process's metrics and its state to Redis, on a thread of its own."""

import time
from collections.abc import Callable
from typing import Final

from usercache.observability.metrics.recorder import Recorder
from usercache.observability.metrics.state import REPORT_SECONDS, ProcessState
from usercache.observability.metrics.store import MetricsStore
from usercache.workers import Worker

LONGEST_PAUSE_SECONDS: Final = 1.0
"""Between two foldings, however seldom metrics are flushed: look-ups wait in bounded memory."""


class Flusher:
    """Fold look-ups once a second, and flush every so many seconds; only fold without `store`."""

    def __init__(
        self,
        recorder: Recorder,
        store: MetricsStore | None,
        describe: Callable[[], ProcessState],
        every_seconds: float,
        note_error: Callable[[Exception], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._store = store
        self._describe = describe
        self._every_seconds = every_seconds
        self._clock = clock
        self._told: ProcessState | None = None
        self._told_at = 0.0
        self._worker = Worker("usercache-metrics", self._run, note_error)

    def start(self) -> None:
        """Start the thread; raises `RuntimeError` where there can't be one."""
        self._worker.start()

    def end(self) -> None:
        """Flush what is left and stop; called at the normal end of a process."""
        self._worker.end()
        if self._store is not None:
            self._send(self._store, None)
            if self._told is not None:
                self._store.sign_off(self._told)

    def flush(self) -> None:
        """Send what was counted so far, and the state where it changed or is due."""
        if self._store is None:
            self._recorder.fold()
            return
        state = self._describe()
        is_due = state != self._told or self._clock() - self._told_at >= REPORT_SECONDS
        if self._send(self._store, state if is_due else None) and is_due:
            self._told, self._told_at = state, self._clock()

    def _send(self, store: MetricsStore, state: ProcessState | None) -> bool:
        # Several batches only after an outage. The state goes with the first.
        while (batch := self._recorder.next_batch()) or state:
            if not store.flush(batch, state, self._told):
                return False
            state = None
            if batch is not None:
                self._recorder.acknowledge(batch)
        return True

    def _run(self) -> None:
        pause = min(self._every_seconds, LONGEST_PAUSE_SECONDS)
        due_at = self._clock() + self._every_seconds
        while not self._worker.ended.wait(pause):
            if self._clock() + pause / 2 < due_at:
                self._recorder.fold()
                continue
            self.flush()
            due_at = self._clock() + self._every_seconds
