"""Where requests enter the fleet: one of its web servers, or the proxy in front of them."""

import http.client
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

from tests.waiting import wait_until

ANSWER_SECONDS = 60.0
"""Longer than any timeout of the product's: a request that waits longer has failed."""


class Entrance(ABC):
    """A server that answers requests, and may be taken out of rotation."""

    headers: Mapping[str, str] = MappingProxyType({})
    """What each request brings along."""

    def __init__(self) -> None:
        """Be in rotation."""
        self.generation = 0
        """Goes up with each new worker: connections to an older one are dead."""
        self.is_doomed = False
        """Whether it was told to die, so that requests to it may fail."""
        self._is_in_rotation = True
        self._visitors = 0
        self._connections: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()

    @property
    @abstractmethod
    def is_cut_off(self) -> bool:
        """Whether what answers could not reach Redis at some time of the present scenario."""

    @abstractmethod
    def open_connection(self) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""

    def enter(self) -> bool:
        """Begin a request, if it takes any now; if so, the caller owes a `leave()`."""
        with self._lock:
            self._visitors += self._is_in_rotation
            return self._is_in_rotation

    def leave(self) -> None:
        """End a request."""
        with self._lock:
            self._visitors -= 1

    def is_excused(self, generation: int, method: str) -> bool:
        """Return whether such a request to this generation may be slow or fail."""
        return self.is_doomed or self.generation != generation

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that lasts until the server leaves the rotation."""
        connection = self.open_connection()
        with self._lock:
            self._connections.append(connection)
        return connection

    def leave_rotation(self) -> None:
        """Take no more requests, wait for those that it has, and hang up."""
        with self._lock:
            self._is_in_rotation = False
        wait_until(lambda: self._visitors == 0, "the requests to this server have ended")
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def join_rotation(self) -> None:
        """Take requests again, on new connections."""
        self.generation += 1
        self.is_doomed = False
        with self._lock:
            self._is_in_rotation = True
