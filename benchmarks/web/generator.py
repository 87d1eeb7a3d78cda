"""A client on bare sockets that keeps a server busy; in a process of its own.

It asks again on each connection as soon as it has the answer, reads no more of that than it must,
and tells how much of a core it took itself: less than a tenth, and the rates are those that `wrk`
finds. Every duration is kept, so that percentiles are exact.
"""

import re
import selectors
import socket
import time
from array import array
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import cycle
from random import Random
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.measurement import percentile

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65536
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
SHOWN_BYTES: Final = 500
STATUS: Final = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
BLANK_LINE: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MILLISECONDS: Final = 1000


class Connection:
    """One kept-alive connection, with one request at a time under way."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        """Connect."""
        self.socket = socket.create_connection((HOST, port), CONNECT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._buffer = b""
        self.began = 0.0

    def ask(self) -> None:
        """Send the next request."""
        self._buffer = b""
        self.began = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def read(self) -> bool:
        """Take in what has come, and say whether it is a whole answer.

        Raises: BenchmarkError unless that is 200.
        """
        status = self.read_status()
        if status not in (None, HTTPStatus.OK):
            shown = self._buffer[:SHOWN_BYTES].decode(errors="replace")
            raise BenchmarkError(f"The server did not answer 200 but: {shown}")
        return status is not None

    def read_status(self) -> int | None:
        """Take in what has come, and return the status of a whole answer; 0 if it is none."""
        chunk = self.socket.recv(CHUNK_BYTES)
        self._buffer += chunk
        head, blank, body = self._buffer.partition(BLANK_LINE)
        length = LENGTH.search(head)
        if chunk and (not blank or (length and len(body) < int(length[1]))):
            return None
        status = STATUS.match(head)
        return int(status[1]) if status and length else 0


def format_request(path: str, token: str, *, method: str = "GET", body: str = "") -> str:
    """Return a whole request; without a token it has none."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body.encode())}"]
    return "\r\n".join((*lines, "", body))


def run(
    *, port: int, requests: Sequence[str], connections: int, seconds: float, seed: int
) -> dict[str, float]:
    """Keep so many connections busy for so long, and return what came of it.

    `requests`, `seconds`, `p50_ms`, `p99_ms`, and the `cpu` that this process took, in cores.
    """
    shuffled = [request.encode() for request in requests]
    Random(seed).shuffle(shuffled)
    endless = cycle(shuffled)
    durations = array("d")
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = Connection(port, endless)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        cpu_before, began = time.process_time(), time.perf_counter()
        for key in selector.get_map().values():
            key.data.ask()
        _exchange(selector, began + seconds, durations)
        elapsed = time.perf_counter() - began
        cpu = time.process_time() - cpu_before
        for key in selector.get_map().values():
            key.data.socket.close()
    return {
        "requests": len(durations),
        "seconds": elapsed,
        "p50_ms": percentile(durations, 50) * MILLISECONDS,
        "p99_ms": percentile(durations, 99) * MILLISECONDS,
        "cpu": cpu / elapsed,
    }


def _exchange(selector: selectors.BaseSelector, deadline: float, durations: "array[float]") -> None:
    under_way = len(selector.get_map())
    while under_way:
        ready = selector.select(ANSWER_SECONDS)
        if not ready:
            raise BenchmarkError(f"The server did not answer within {ANSWER_SECONDS:.0f} s.")
        for key, _ in ready:
            connection: Connection = key.data
            if not connection.read():
                continue
            now = time.perf_counter()
            durations.append(now - connection.began)
            if now < deadline:
                connection.ask()
            else:
                under_way -= 1
