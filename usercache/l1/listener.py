"""The thread that keeps a client-side cache current: messages of changes, and heartbeats."""

import logging
import random
import select
import selectors
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from enum import Enum, auto
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from usercache.clocks import boot_time
from usercache.events import ERRORS_PREFIX, Events
from usercache.l1.cache import ClientCache
from usercache.workers import Worker

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 0.5
SILENCE_SECONDS: Final = 2.0
"""The validity window: how long L1 serves after sending a heartbeat that was answered."""
PAUSE_SECONDS: Final = 1.0
"""Between two attempts to connect, less a random part, so that processes don't act in step."""


class Changes(NamedTuple):
    """Changes that a server reports: the keys, None for all of them."""

    keys: list[str] | None


class Answer(Enum):
    """The answers to our commands."""

    TRACKING = auto()
    HEARTBEAT = auto()


class ReportingConnection(Protocol):
    """A connection on which a server reports what changes; it raises the client's errors."""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a message arrives."""

    def send_heartbeat(self) -> None:
        """Send a command whose answer follows every message sent before."""

    def take(self) -> Iterator[Changes | Answer]:
        """Yield the messages that have arrived, in order, without waiting."""

    @property
    def is_amid_message(self) -> bool:
        """Whether a message has arrived in part."""

    def close(self) -> None:
        """Close the connection."""


class Listener:
    """Keep reporting connections for the life of the process, while they are wanted.

    `connect` opens the connections, `are_current` returns whether they lead to the present
    servers, and `is_wanted` whether the cache would be used. `errors` are the client's. They are
    counted, never raised.
    """

    def __init__(
        self,
        l1: ClientCache,
        events: Events,
        *,
        connect: Callable[[], Iterable[ReportingConnection]],
        is_wanted: Callable[[], bool],
        errors: tuple[type[Exception], ...],
        are_current: Callable[[Sequence[Any]], bool] = lambda _: True,
        clock: Callable[[], float] = boot_time,
        name: str = "usercache-listener",
    ) -> None:
        """Start and open nothing yet; the thread does, and handles its failures."""
        self._l1 = l1
        self._events = events
        self._connect = connect
        self._are_current = are_current
        self._is_wanted = is_wanted
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError)
        self._clock = clock
        self._selector: selectors.BaseSelector | None = None
        self._has_unread: Callable[[], object]  # set with the selector
        self._bell: socket.socket | None = None
        self._told = ""
        self._worker = Worker(name, self._run, events.note_unexpected)

    def start(self) -> None:
        """Start the thread; raises `RuntimeError` where there can't be one."""
        self._worker.start()

    def end(self) -> None:
        """Close the connections and stop the thread."""
        self._worker.ended.set()
        if self._bell is not None:
            with suppress(OSError):  # the thread has closed it
                self._bell.shutdown(socket.SHUT_RDWR)  # also a forked child's copy
        self._worker.end()

    def _run(self) -> None:
        selector = self._selector or self._open_selector()
        alarm, self._bell = socket.socketpair()
        selector.register(alarm, selectors.EVENT_READ)
        try:
            while not self._worker.ended.is_set():
                if self._is_wanted():
                    self._listen_once(selector)
                self._worker.ended.wait(
                    PAUSE_SECONDS * (1 - random.random() / 2)  # noqa: S311  # no secret
                )
        finally:
            selector.unregister(alarm)
            alarm.close()
            self._bell.close()

    def _open_selector(self) -> selectors.BaseSelector:
        # One for the life of the process, never closed: requests poll it for unread messages.
        selector = self._selector = selectors.DefaultSelector()
        self._has_unread = partial(selector.select, 0)
        if isinstance(selector, getattr(selectors, "EpollSelector", ())):
            # An epoll on the selector's own descriptor answers the same at half the cost.
            watcher = select.epoll()
            watcher.register(selector, select.EPOLLIN)
            self._has_unread = partial(watcher.poll, 0, 1)
        return selector

    def _listen_once(self, selector: selectors.BaseSelector) -> None:
        connections = list[ReportingConnection]()
        try:
            connections += self._connect()
            self._listen(selector, connections)
        except self._errors as error:
            self._note(error)
        finally:
            self._l1.suspend()
            for connection in connections:
                # It failed before it was registered, and has perhaps no descriptor any more.
                with suppress(KeyError, ValueError):
                    selector.unregister(connection)
                connection.close()

    def _note(self, error: Exception) -> None:
        name = type(error).__name__
        self._events.count(f"{ERRORS_PREFIX}listening_{name}")
        if name != self._told:  # it may recur each second, and is logged once
            self._told = name
            logger.warning("The client-side cache is off (%s: %s).", name, error)

    def _listen(
        self, selector: selectors.BaseSelector, connections: Sequence[ReportingConnection]
    ) -> None:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
        self._l1.watch(self._has_unread)
        heartbeat = Heartbeat(connections, self._clock)
        while not self._worker.ended.is_set() and self._is_wanted():
            if heartbeat.is_due:
                if not self._are_current(connections):
                    return
                heartbeat.beat()
            selector.select(heartbeat.seconds_to_wait)
            self._take(connections, heartbeat)
            if heartbeat.seen_alive_at is not None:
                self._told = ""
                self._l1.extend_validity(heartbeat.seen_alive_at + SILENCE_SECONDS)

    def _take(self, connections: Sequence[ReportingConnection], heartbeat: "Heartbeat") -> None:
        self._l1.is_being_told = True
        for connection in connections:
            for told in connection.take():
                if told is Answer.HEARTBEAT:
                    heartbeat.note_answer(connection)
                elif told is Answer.TRACKING:
                    continue
                elif told.keys is None:
                    self._l1.invalidate_all()
                else:
                    self._l1.invalidate(told.keys)
        # The rest of a message has two seconds: it precedes the answer to a heartbeat.
        self._l1.is_being_told = any(connection.is_amid_message for connection in connections)


class Heartbeat:
    """Send heartbeats on all tracking connections at once, and keep the last that all answered.

    The heartbeat of `usercache/backends/resilient.py` can't replace it: only an answer on the
    tracking connection itself follows all earlier messages on it.
    """

    def __init__(
        self, connections: Sequence[ReportingConnection], clock: Callable[[], float]
    ) -> None:
        """Be due at once."""
        self._connections = connections
        self._clock = clock
        self._beaten_at = clock() - HEARTBEAT_SECONDS
        self._unanswered = set[ReportingConnection]()
        self.seen_alive_at: float | None = None
        """When the last heartbeat that all answered was sent; None before the first."""

    @property
    def is_due(self) -> bool:
        """Whether to send a heartbeat; not while an answer is awaited.

        Raises:
            TimeoutError: one has been awaited for two seconds.
        """
        is_over = not self.seconds_to_wait
        if is_over and self._unanswered:
            raise TimeoutError("a connection has been silent for too long.")
        return is_over

    @property
    def seconds_to_wait(self) -> float:
        """Seconds to the next heartbeat or, while an answer is awaited, to its timeout."""
        seconds = SILENCE_SECONDS if self._unanswered else HEARTBEAT_SECONDS
        return max(0.0, self._beaten_at + seconds - self._clock())

    def beat(self) -> None:
        """Send a heartbeat on every connection."""
        self._beaten_at = self._clock()
        self._unanswered = set(self._connections)
        for connection in self._connections:
            connection.send_heartbeat()

    def note_answer(self, connection: ReportingConnection) -> None:
        """Note that a connection has answered."""
        self._unanswered.discard(connection)
        if not self._unanswered:
            self.seen_alive_at = self._beaten_at
