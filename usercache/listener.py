"""The thread that keeps the near tier true: it hears what changes, and beats its heart."""

import logging
import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from usercache import nonblocking
from usercache.lines import Line
from usercache.near import NearTier
from usercache.stats import ERRORS_PREFIX, Stats

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 0.5
SILENCE_SECONDS: Final = 2.0
"""How long the near tier serves after a heartbeat was sent that was answered, and no longer."""
PAUSE_SECONDS: Final = 1.0
"""Between two tries to connect, less a random part, so that processes don't come in step."""
JOIN_SECONDS: Final = 1.0
"""How long the end of a process may wait for a try to connect that is under way."""


class Listener:
    """Listen on a line to every primary, and connect again for as long as the process lives.

    `connect` makes the lines, `are_current` says whether they still are those to listen on, and
    `is_wanted` whether the tier would be used. Lines that fail are counted, never raised.
    """

    def __init__(
        self,
        near: NearTier,
        stats: Stats,
        *,
        connect: Callable[[], Iterable[Line]],
        are_current: Callable[[Sequence[Line]], bool],
        is_wanted: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread, which doesn't keep the process alive."""
        self._near = near
        self._stats = stats
        self._connect = connect
        self._are_current = are_current
        self._is_wanted = is_wanted
        self._clock = clock
        self._ended = threading.Event()
        self._alarm, self._bell = socket.socketpair()
        # One for good, never closed: requests ask it whether something is unread.
        self._selector = selectors.DefaultSelector()
        # gevent's selectors have no descriptor.
        self._has_unread: Callable[[], object] = (
            nonblocking.watch(self._selector.fileno())
            if hasattr(self._selector, "fileno")
            else lambda: self._selector.select(0)
        )
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="usercache-listener", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Hang up and stop."""
        self._ended.set()
        self._bell.close()
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        self._selector.register(self._alarm, selectors.EVENT_READ)
        while not self._ended.is_set():
            if self._is_wanted():
                self._listen_once()
            self._ended.wait(PAUSE_SECONDS * (1 - random.random() / 2))  # noqa: S311  # no secret
        self._alarm.close()

    def _listen_once(self) -> None:
        lines = list[Line]()
        try:
            lines += self._connect()
            self._listen(lines)
        except RedisError as error:
            self._note(error)
        finally:
            self._near.suspend()
            for line in lines:
                with suppress(KeyError):  # it failed before it was listened to
                    self._selector.unregister(line)
                line.close()

    def _note(self, error: RedisError) -> None:
        name = type(error).__name__
        self._stats.count(f"{ERRORS_PREFIX}listening_{name}")
        if name != self._told:  # each second, perhaps, but said once
            self._told = name
            logger.warning("The near tier is off (%s: %s).", name, error)

    def _listen(self, lines: Sequence[Line]) -> None:
        for line in lines:
            self._selector.register(line, selectors.EVENT_READ)
        self._near.watch(self._has_unread)
        heart = Heart(lines, self._clock)
        while not self._ended.is_set() and self._is_wanted():
            if heart.is_due:
                if not self._are_current(lines):
                    return
                heart.beat()
            self._selector.select(heart.seconds_to_wait)
            self._take(lines, heart)
            if heart.seen_alive_at is not None:
                self._told = ""
                self._near.extend_lease(heart.seen_alive_at + SILENCE_SECONDS)

    def _take(self, lines: Sequence[Line], heart: "Heart") -> None:
        self._near.is_being_told = True
        for line in lines:
            for changes in line.take():
                if changes is None:
                    heart.note_answer(line)
                elif changes.keys is None:
                    self._near.forget_all()
                else:
                    self._near.forget(changes.keys)
        self._near.is_being_told = False


class Heart:
    """Beat on every line at once, and tell the last beat that all have answered."""

    def __init__(self, lines: Sequence[Line], clock: Callable[[], float]) -> None:
        """Be due at once."""
        self._lines = lines
        self._clock = clock
        self._beaten_at = clock() - HEARTBEAT_SECONDS
        self._unanswered = set[Line]()
        self.seen_alive_at: float | None = None
        """When the last beat was sent that every line has answered; None before the first."""

    @property
    def is_due(self) -> bool:
        """Say whether to beat; not while an answer is awaited.

        Raises:
            redis.TimeoutError: one has been awaited for two seconds.
        """
        is_over = not self.seconds_to_wait
        if is_over and self._unanswered:
            raise RedisTimeoutError("A line has been silent for too long.")
        return is_over

    @property
    def seconds_to_wait(self) -> float:
        """Say how long it is to the next beat or, while an answer is awaited, to giving it up."""
        patience = SILENCE_SECONDS if self._unanswered else HEARTBEAT_SECONDS
        return max(0.0, self._beaten_at + patience - self._clock())

    def beat(self) -> None:
        """Ask every line for a sign of life."""
        self._beaten_at = self._clock()
        self._unanswered = set(self._lines)
        for line in self._lines:
            line.send_heartbeat()

    def note_answer(self, line: Line) -> None:
        """Note that a line has answered."""
        self._unanswered.discard(line)
        if not self._unanswered:
            self.seen_alive_at = self._beaten_at
