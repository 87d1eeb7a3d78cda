"""What the servers' own metrics say of all processes together."""

import re
import urllib.request
from contextlib import suppress
from typing import Final

from tests.fleet.fleet import Fleet
from tests.fleet.instance import Instance
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker
from tests.servers.server import HOST

ANSWER_SECONDS: Final = 10
UNREADABLE: Final = re.compile(
    r'^usercache_unreadable_records_total\{.*reason="(\w+)".*\} ([0-9.]+)$', re.MULTILINE
)
LOOKUPS: Final = re.compile(r'^usercache_lookups_total\{result="(\w+)"\} ([0-9.]+)$', re.MULTILINE)
MISS: Final = "miss"
WINDOW_SECONDS: Final = 2.0
"""Twice the time after which each process tells its counts."""
LEAST_LOOKUPS: Final = 100
"""In a window; fewer say nothing of a rate."""


def count_unreadable(fleet: Fleet) -> dict[str, float]:
    """Return how many records were not believed, by reason."""
    counts = dict[str, float]()
    for reason, count in UNREADABLE.findall(read_metrics(fleet)):
        counts[reason] = counts.get(reason, 0) + float(count)
    assert counts, "The metrics have no counts of unreadable records."
    return counts


def read_metrics(fleet: Fleet) -> str:
    """Return what the first server says that answers. Raises: OSError if none does."""
    for instance in fleet.instances[:-1]:
        with suppress(OSError):
            return _read_metrics(fleet, instance)
    return _read_metrics(fleet, fleet.instances[-1])


def _read_metrics(fleet: Fleet, instance: Instance) -> str:
    token = fleet.environment["USERCACHE_METRICS_TOKEN"]
    request = urllib.request.Request(
        f"http://{HOST}:{instance.web.port}/metrics",
        headers={**instance.headers, "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:
        text: str = response.read().decode()
        return text


class HitRate(Worker):
    """Notes which part of the look-ups the cache answered, of all processes, every two seconds."""

    def __init__(self, visitor: Visitor) -> None:
        """Begin once the scenario is warm."""
        super().__init__(visitor)
        self._before: dict[str, float] | None = None
        self._is_warm = False

    def step(self) -> None:
        """Compare the counters with those of two seconds ago; of longer, if nobody could tell."""
        self.state.ended.wait(WINDOW_SECONDS)
        try:
            counts = {name: float(n) for name, n in LOOKUPS.findall(read_metrics(self.fleet))}
        except OSError:
            return
        if MISS not in counts:  # Redis is away, which adds the processes up
            return
        before, self._before = self._before, counts
        if before is None or not self.state.is_warm:
            return
        if not self._is_warm:  # the window that ends here began before
            self._is_warm = True
            return
        grown = {name: count - before[name] for name, count in counts.items()}
        total = sum(grown.values())
        if total >= LEAST_LOOKUPS and min(grown.values()) >= 0:  # else the counters were lost
            self.tally.hit_rates.append(1 - grown[MISS] / total)
