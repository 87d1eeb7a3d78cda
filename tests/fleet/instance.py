"""One web server of the fleet, and the small fleet's, with a connection of its own to Redis."""

import http.client
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, Self

from tests.fleet.entrance import ANSWER_SECONDS, Entrance
from tests.fleet.processes import FleetWebServer
from tests.servers.server import HOST
from tests.servers.tcp_proxy import TcpProxy


class Web(Protocol):
    """The server process of an instance."""

    @property
    def port(self) -> int:
        """Where it listens on loopback."""

    def count_openings(self) -> int:
        """Count how often it stopped using Redis since it was started."""

    def restart(self, variables: Mapping[str, str]) -> None:
        """Stop it, and start it with these in its environment from now on."""


class Instance(Entrance):
    """A web server that can be asked alone."""

    is_cut_off = False
    web: Web

    def open_connection(self) -> http.client.HTTPConnection:
        """Return a connection past any proxy."""
        return http.client.HTTPConnection(HOST, self.web.port, timeout=ANSWER_SECONDS)

    def restart(self, variables: Mapping[str, str] = MappingProxyType({})) -> None:
        """Restart it without a request to serve, with these in its environment from now on."""
        self.leave_rotation()
        self.web.restart(variables)
        self.join_rotation()


class SmallInstance(Instance):
    """A web server that can be cut off, killed or restarted alone."""

    web: FleetWebServer

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        redis_port: int,
        *,
        has_redis: bool = True,
    ) -> None:
        """Prepare it; `with` starts it."""
        super().__init__()
        self.proxy = TcpProxy(redis_port)
        self.web = FleetWebServer(
            directory, {**environment, **redis_url(self.proxy, has_redis=has_redis)}
        )
        self._stack = ExitStack()

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
