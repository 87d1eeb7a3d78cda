"""The standing topology as a fleet: requests enter by nginx, over TLS."""

import http.client
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final, Self

from redis import Redis

from tests.fleet.background_process import BackgroundProcess
from tests.fleet.entrance import ANSWER_SECONDS, Entrance
from tests.fleet.fleet import Fleet
from tests.fleet.instance import Instance
from tests.fleet.mint import Mint
from tests.servers.server import HOST
from tests.standing.servers import AUTHORITY, ProductionServer
from tests.standing.topology import Topology

PATIENT: Final = {"USERCACHE_REDIS_TIMEOUT_SECONDS": "1"}
"""Four times the default: twenty processes on two cores are slow for a moment, and not away."""
AS_NGINX_SENDS = {"X-Forwarded-Proto": "https"}


class StandingInstance(Instance):
    """One of those behind nginx; asked past it where every server has to know something."""

    web: ProductionServer
    headers: Mapping[str, str] = AS_NGINX_SENDS

    def __init__(self, web: ProductionServer) -> None:
        """Take the server, which runs."""
        super().__init__()
        self.web = web

    def lose(self) -> None:
        """Kill it, whatever it is doing."""
        self.is_doomed = True
        self.web.kill()
        self.leave_rotation()

    def replace(self) -> None:
        """Start it again."""
        self.web.start()
        self.join_rotation()


class Site(Entrance):
    """nginx, which chooses the server."""

    def __init__(self, topology: Topology, instances: Sequence[StandingInstance]) -> None:
        """Trust the topology's own authority."""
        super().__init__()
        self._port = topology.nginx.port
        self._context = ssl.create_default_context(cafile=str(topology.directory / AUTHORITY))
        self._instances = instances

    @property
    def is_cut_off(self) -> bool:
        """Whether one of the servers could not reach Redis: any may have answered."""
        return any(instance.is_cut_off for instance in self._instances)

    def is_excused(self, generation: int, method: str) -> bool:
        """Return whether the request may have been with a server that was killed.

        nginx asks another one then, unless asking twice could do something twice.
        """
        return method == "POST" and any(instance.is_doomed for instance in self._instances)

    def open_connection(self) -> http.client.HTTPConnection:
        """Return a connection over TLS."""
        return http.client.HTTPSConnection(
            HOST, self._port, timeout=ANSWER_SECONDS, context=self._context
        )


class StandingFleet(Fleet):
    """`with StandingFleet(directory) as fleet: …`."""

    load_niceness = 10
    instances: list[StandingInstance]

    def __init__(self, directory: Path) -> None:
        """Keep all files in `directory`."""
        super().__init__()
        self._directory = directory
        self._stack = ExitStack()

    @property
    def database_url(self) -> str:
        """The URL of whichever PostgreSQL is the primary."""
        return self.topology.database_url

    def pick(self, random: Random) -> Entrance:
        """Enter by nginx."""
        self.site.enter()
        return self.site

    def flush(self) -> None:
        """Let every primary of the cluster forget everything."""
        self.topology.cluster.flush()

    def forget(self, pk: int) -> None:
        """Let the cluster forget a user."""
        for client, key in self._find(pk):
            client.delete(key)

    def is_cached(self, pk: int) -> bool:
        """Return whether the cluster has a user."""
        return any(True for _ in self._find(pk))

    def heal(self) -> None:
        """Start what a scenario has ended."""
        self.topology.restore()

    def __enter__(self) -> Self:
        """Start the topology and the background process, and add the users."""
        with ExitStack() as stack:
            self.topology = Topology(self._directory, stack, PATIENT)
            self.environment = self.topology.environment
            self.mint = Mint(self.environment["JWT_SIGNING_KEY"])
            self.instances = [StandingInstance(web) for web in self.topology.instances]
            self.site = Site(self.topology, self.instances)
            self.relays = self.topology.relays
            self.add_users()
            folder = self._directory / "background"
            folder.mkdir()
            self.background = stack.enter_context(BackgroundProcess(folder, self.environment))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop everything."""
        self._stack.close()

    def _find(self, pk: int) -> Iterator[tuple[Redis, bytes]]:
        for node in self.topology.cluster.primaries():
            with node.client() as client:
                for key in client.scan_iter(f"*user:id:{pk}"):
                    yield client, key
