"""What a process holds, second by second, and whether it grows."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

MEMORY: Final = "memory, MB"
FILES: Final = "file descriptors"
THREADS: Final = "threads"
TO_POSTGRESQL: Final = "connections to PostgreSQL"
TO_REDIS: Final = "connections to Redis"
OF_PROCESSES: Final = (MEMORY, FILES, THREADS)
WARM_SHARE: Final = 0.25
"""Of the run, in which caches and pools fill."""
GROWTH_MOST: Final = 1.1
"""From the second quarter of the run to the last."""
SLACK: Final = {MEMORY: 8.0, FILES: 8.0, THREADS: 4.0, TO_POSTGRESQL: 4.0, TO_REDIS: 8.0}
"""So much more is no growth: what a single busy moment adds."""
MEGABYTE: Final = 1 << 20


@dataclass
class Samples:
    """Times, and by what was sampled and where, the values at them."""

    seconds: list[float] = field(default_factory=list)
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, second: float, values: Mapping[str, Mapping[str, float]]) -> None:
        """Add what was found at this second."""
        self.seconds.append(second)
        for what, places in values.items():
            for place, value in places.items():
                self.values.setdefault(what, {}).setdefault(place, []).append(value)

    def growth(self) -> list[tuple[str, str, float, float]]:
        """Return what and where, and the medians of the second quarter and of the last."""
        return [
            (what, place, *_compare(values))
            for what, places in self.values.items()
            for place, values in places.items()
        ]

    def grown(self) -> list[str]:
        """Say what has grown."""
        return [
            f"{what} of {place}: {before:.0f} in the second quarter, {after:.0f} in the last"
            for what, place, before, after in self.growth()
            if after > max(before * GROWTH_MOST, before + SLACK[what])
        ]


def look_at(pid: int) -> dict[str, float]:
    """Return what a process and its children hold. Source: proc(5)."""
    found = dict.fromkeys(OF_PROCESSES, 0.0)
    for process in (pid, *_children(pid)):
        folder = Path(f"/proc/{process}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        found[MEMORY] += int(status["VmRSS"].split()[0]) * 1024 / MEGABYTE
        found[THREADS] += int(status["Threads"])
        found[FILES] += len(os.listdir(folder / "fd"))  # noqa: PTH208  # a count, of a folder that changes
    return found


def _children(pid: int) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(word) for word in words]


def _compare(values: Sequence[float]) -> tuple[float, float]:
    start, end = int(len(values) * WARM_SHARE), int(len(values) * (1 - WARM_SHARE))
    second = values[start : 2 * start] or values
    return median(second), median(values[end:] or values)
