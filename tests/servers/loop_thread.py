"""One event loop in one thread, for all proxies of the process."""

import threading

from tests.servers.event_loop import WAIT_SECONDS, EventLoop


class LoopThread:
    """An event loop that runs from its first user's `acquire()` to the last one's `release()`."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._users = 0
        self._loop: EventLoop | None = None
        self._thread = threading.Thread()

    def acquire(self) -> EventLoop:
        """Return the running loop."""
        with self._lock:
            self._users += 1
            if self._loop is None:
                self._loop = EventLoop()
                # A daemon: a test that forgets its proxy must not keep the run from ending.
                self._thread = threading.Thread(target=self._loop.run, daemon=True)
                self._thread.start()
            return self._loop

    def release(self) -> None:
        """Need the loop no longer; with its last user the thread ends."""
        with self._lock:
            self._users -= 1
            if self._loop is not None and not self._users:
                self._loop.call(self._loop.stop)
                self._thread.join(WAIT_SECONDS)
                self._loop = None
