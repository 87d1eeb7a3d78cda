"""A client that asks so many times a second, whether it is answered or not: an open loop."""

import selectors
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from random import Random
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.measurement import percentile
from benchmarks.web.generator import ANSWER_SECONDS, MILLISECONDS, Connection

REFUSALS: Final = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
OTHER: Final = "other"


@dataclass
class Caller:
    """What is asked at one rate, on connections of its own."""

    name: str
    rate: float
    free: list[Connection]
    due: float = 0.0
    unsent: int = 0
    """Requests that found each connection waiting for an answer."""

    def ask_until(self, now: float) -> None:
        """Send what is due."""
        while self.due <= now:
            self.due += 1 / self.rate
            if self.free:
                self.free.pop().ask()
            else:
                self.unsent += 1


def run_crowd(
    *,
    port: int,
    requests: dict[str, Sequence[str]],
    rates: dict[str, float],
    connections: dict[str, int],
    seconds: float,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Ask each kind of request at its rate for so long, and return what came of it, by kind.

    `ok`, `refused`, `other` and `unsent` per second, `ok_p99_ms`, `refused_p99_ms`.
    """
    durations = defaultdict[tuple[str, str], list[float]](list)
    with selectors.DefaultSelector() as selector:
        callers = []
        for name, rate in rates.items():
            endless = _shuffle(requests[name], seed)
            caller = Caller(
                name, rate, [Connection(port, endless) for _ in range(connections[name])]
            )
            callers.append(caller)
            for connection in caller.free:
                selector.register(connection.socket, selectors.EVENT_READ, (caller, connection))
        began = time.perf_counter()
        for caller in callers:
            caller.due = began
        while (now := time.perf_counter()) < began + seconds:
            for caller in callers:
                caller.ask_until(now)
            _take(
                selector, max(0.0, min(it.due for it in callers) - time.perf_counter()), durations
            )
        total = sum(connections.values())
        while sum(len(it.free) for it in callers) < total:
            if not _take(selector, ANSWER_SECONDS, durations):
                raise BenchmarkError(f"The server did not answer within {ANSWER_SECONDS:.0f} s.")
        for key in selector.get_map().values():
            key.data[1].socket.close()
    return {it.name: _tell(it, durations, seconds) for it in callers}


def _shuffle(requests: Sequence[str], seed: int) -> Iterator[bytes]:
    shuffled = [request.encode() for request in requests]
    Random(seed).shuffle(shuffled)
    return cycle(shuffled)


def _take(
    selector: selectors.BaseSelector, seconds: float, durations: dict[tuple[str, str], list[float]]
) -> bool:
    ready = selector.select(seconds)
    for key, _ in ready:
        caller, connection = key.data
        status = connection.read_status()
        if status is None:
            continue
        what = "ok" if status == HTTPStatus.OK else "refused" if status in REFUSALS else OTHER
        if not status:
            raise BenchmarkError("The server closed a connection instead of answering.")
        durations[caller.name, what].append(time.perf_counter() - connection.began)
        caller.free.append(connection)
    return bool(ready)


def _tell(
    caller: Caller, durations: dict[tuple[str, str], list[float]], seconds: float
) -> dict[str, float]:
    found = {what: durations[caller.name, what] for what in ("ok", "refused", OTHER)}
    told = {what: len(took) / seconds for what, took in found.items()}
    told["unsent"] = caller.unsent / seconds
    for what in ("ok", "refused"):
        took = found[what]
        told[f"{what}_p99_ms"] = percentile(took, 99) * MILLISECONDS if took else 0.0
    return told
