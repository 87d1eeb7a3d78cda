"""Calls functions when sockets are ready or a time has come, all in the thread that runs it."""

import heapq
import select
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count
from selectors import EVENT_READ, EVENT_WRITE
from typing import Final

WAIT_SECONDS: Final = 60.0

Function = Callable[[], None]


class Timer:
    """A function that will be called, unless somebody cancels it."""

    def __init__(self, function: Function) -> None:
        """Take what is to be called."""
        self.function = function
        self.is_cancelled = False

    def cancel(self) -> None:
        """Have it not called."""
        self.is_cancelled = True


class EventLoop:
    """Rounds of: wait until any socket is ready, then serve every one that is, in their order.

    What is ready is served before anything that becomes ready afterwards. asyncio's loop does that
    too, but its timers are rounded up to milliseconds, and it costs more for each chunk.
    All but `call()` are for the functions that it calls.
    """

    def __init__(self) -> None:
        """Prepare it; `run()` runs it."""
        self._selector = _PreciseSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._calls: deque[tuple[Function, Future[None]]] = deque()
        self._is_stopped = False
        self._bell, self._bell_rope = socket.socketpair()
        self.on_readable(self._bell, self._answer)

    def run(self) -> None:
        """Serve until `stop()`; then close it."""
        while not self._is_stopped:
            for key, events in self._selector.select(self._get_wait()):
                for event in (EVENT_READ, EVENT_WRITE):
                    # Absent if somebody who was served before in this round took it away.
                    if events & event and (function := key.data.get(event)):
                        function()
            self._call_due()
        self._selector.close()
        self._bell.close()
        self._bell_rope.close()

    def stop(self) -> None:
        """End `run()` after this round."""
        self._is_stopped = True

    def call(self, function: Function) -> None:
        """Have a function called in the loop's thread, from another one; return when it was.

        Raises: OSError if the function does; TimeoutError after 5 seconds.
        """
        done: Future[None] = Future()
        self._calls.append((function, done))
        self._bell_rope.send(b"!")
        done.result(WAIT_SECONDS)

    def call_later(self, seconds: float, function: Function) -> Timer:
        """Call a function once so many seconds have passed."""
        timer = Timer(function)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), timer))
        return timer

    def on_readable(self, side: socket.socket, function: Function | None) -> None:
        """Call this, and nothing else, in every round in which the socket can be read."""
        self._watch(side, EVENT_READ, function)

    def on_writable(self, side: socket.socket, function: Function | None) -> None:
        """Call this, and nothing else, in every round in which the socket can be written to."""
        self._watch(side, EVENT_WRITE, function)

    def invalidate(self, side: socket.socket) -> None:
        """Call nothing for this socket, which may be closed then."""
        if side.fileno() >= 0:
            self.on_readable(side, None)
            self.on_writable(side, None)

    def _watch(self, side: socket.socket, event: int, function: Function | None) -> None:
        key = self._selector.get_map().get(side)
        functions = key.data if key else {}
        before = sum(functions)
        if function:
            functions[event] = function
        else:
            functions.pop(event, None)
        if sum(functions) == before:
            return
        if not before:
            self._selector.register(side, event, functions)
        elif functions:
            self._selector.modify(side, sum(functions), functions)
        else:
            self._selector.unregister(side)

    def _answer(self) -> None:
        self._bell.recv(1)
        function, done = self._calls.popleft()
        try:
            done.set_result(function())
        except OSError as error:
            done.set_exception(error)

    def _get_wait(self) -> float | None:
        while self._timers and self._timers[0][-1].is_cancelled:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def _call_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[-1]
            if not timer.is_cancelled:
                timer.function()


class _PreciseSelector(selectors.DefaultSelector):
    """Wait for fractions of a millisecond, which epoll rounds up."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            if not select.select([self.fileno()], [], [], timeout)[0]:
                return []
            timeout = 0.0
        return super().select(timeout)
