"""One web server of the fleet, behind the load balancer, with a connection of its own to Redis."""

import http.client
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tests.fleet.processes import FleetWebServer
from tests.servers.server import HOST
from tests.servers.tcp_proxy import TcpProxy
from tests.waiting import wait_until

ANSWER_SECONDS = 60.0
"""Longer than any timeout of the product's: a request that waits longer has failed."""


class Instance:
    """A web server that can be cut off, killed or restarted alone."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        redis_port: int,
        *,
        has_redis: bool = True,
    ) -> None:
        """Prepare it; `with` starts it."""
        self.proxy = TcpProxy(redis_port)
        self.web = FleetWebServer(
            directory, {**environment, **redis_url(self.proxy, has_redis=has_redis)}
        )
        self.generation = 0
        """Goes up with each new worker: connections to an older one are dead."""
        self.is_doomed = False
        """Whether it was told to die, so that requests to it may fail."""
        self.is_cut_off = False
        """Whether it could not reach Redis at some time of the present scenario."""
        self._is_in_rotation = True
        self._visitors = 0
        self._connections: list[http.client.HTTPConnection] = []
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def enter(self) -> bool:
        """Begin a request, if it takes any now; if so, the caller owes a `leave()`."""
        with self._lock:
            self._visitors += self._is_in_rotation
            return self._is_in_rotation

    def leave(self) -> None:
        """End a request."""
        with self._lock:
            self._visitors -= 1

    def is_excused(self, generation: int) -> bool:
        """Say whether a request to this generation may be slow or fail: it was told to die."""
        return self.is_doomed or self.generation != generation

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that lasts until the server leaves the rotation."""
        connection = http.client.HTTPConnection(HOST, self.web.port, timeout=ANSWER_SECONDS)
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

    def restart(self, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """Restart it without a request to serve, with these in its environment from now on."""
        self.leave_rotation()
        self.web.restart(variables)
        self.join_rotation()

    def __enter__(self) -> Self:
        """Start the proxy and the server."""
        with ExitStack() as stack:
            stack.enter_context(self.proxy)
            stack.enter_context(self.web)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop both."""
        self._stack.close()


def redis_url(proxy: TcpProxy, *, has_redis: bool) -> dict[str, str]:
    """Return the variable that leads a process to Redis, by this proxy, or to none."""
    return {"REDIS_URL": f"redis://{HOST}:{proxy.port}/0" if has_redis else ""}
