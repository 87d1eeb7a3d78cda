"""A database that is farther away than it is: through a proxy that holds everything back."""

import time
from statistics import median
from typing import Final, Self
from urllib.parse import urlsplit

import psycopg

from tests.servers.tcp_proxy import TcpProxy

MILLISECONDS: Final = 1000
TRIPS: Final = 50


class Distance:
    """The way to PostgreSQL: straight, or through a proxy with a delay each way."""

    def __init__(self, port: int) -> None:
        """Take PostgreSQL's own port; straight at first."""
        self._port = port
        self._proxy = TcpProxy(port)
        self.is_direct = True

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self._port if self.is_direct else self._proxy.port

    def set_round_trip(self, milliseconds: float) -> None:
        """Hold back what goes through the proxy by half of it in each direction."""
        self._proxy.delay(milliseconds / 2 / MILLISECONDS)

    def measure(self, url: str) -> float:
        """Return how many milliseconds a `SELECT 1` takes on this way."""
        address = urlsplit(url)
        way = url.replace(f":{address.port}/", f":{self.port}/")
        times = []
        with psycopg.connect(way, autocommit=True) as connection:
            for _ in range(TRIPS):
                began = time.perf_counter()
                connection.execute("SELECT 1")
                times.append((time.perf_counter() - began) * MILLISECONDS)
        return median(times)

    def __enter__(self) -> Self:
        """Open the proxy."""
        self._proxy.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self._proxy.__exit__(*exception)
