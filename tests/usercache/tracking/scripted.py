"""A tracking connection whose answers a test makes up."""

import socket
from collections import deque
from collections.abc import Callable, Iterator

from redis.exceptions import RedisError

from usercache.l1.listener import Answer, Changes

BEGAN = 1000.0
HEARTBEAT_SECONDS, WINDOW_SECONDS = 0.5, 2.0
"""What docs/caveats.md promises, and not what the code says."""


A_MOMENT = 0.001
Said = Changes | Answer | RedisError


class ScriptedConnection:
    """a tracking connection that says what it is told to, in one piece."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.settimeout(0)
        self._script = deque[Said]()
        self.beats = 0
        self.is_closed = False
        self.is_amid_message = False
        self.at_take: Callable[[], object] = bool

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._here.fileno()

    def send_heartbeat(self) -> None:
        """Count it."""
        self.beats += 1

    def say(self, *said: Said) -> None:
        """Let the listener hear this, or wake it up with nothing."""
        self._script.extend(said)
        self._there.send(b"x")

    def take(self) -> Iterator[Changes | Answer]:
        """Say what there is to say."""
        while True:
            try:
                self._here.recv(1)
            except BlockingIOError:
                return
            while self._script:
                said = self._script.popleft()
                if isinstance(said, RedisError):
                    raise said
                self.at_take()
                yield said

    @property
    def has_said_all(self) -> bool:
        """Say whether the listener has taken everything."""
        return not self._script

    def is_hung_up(self) -> bool:
        """Say whether it was closed."""
        return self.is_closed

    def close(self) -> None:
        """Note it."""
        self.is_closed = True
        self._here.close()
        self._there.close()
