"""What was acknowledged when: the yardstick of staleness."""

import time
from typing import NamedTuple


class Acknowledgement(NamedTuple):
    """A version that is known to be committed, and since when."""

    version: int
    at: float


class Ledger:
    """Every acknowledged version of every user. One thread writes a user, all may read them."""

    def __init__(self) -> None:
        """Know nobody."""
        self._versions: dict[int, list[Acknowledgement]] = {}
        self._attempted: dict[int, int] = {}

    def add(self, pk: int) -> None:
        """Add a user at version 0."""
        self._versions[pk] = [Acknowledgement(0, time.monotonic())]
        self._attempted[pk] = 0

    def next_version(self, pk: int) -> int:
        """Return a version that nobody has tried to write yet."""
        self._attempted[pk] += 1
        return self._attempted[pk]

    def attempted(self, pk: int) -> int:
        """Return the newest version that somebody tried to write, acknowledged or not."""
        return self._attempted[pk]

    def acknowledge(self, pk: int, version: int) -> None:
        """Note that this version is committed, from now on."""
        if version > self.newest(pk):
            self._versions[pk].append(Acknowledgement(version, time.monotonic()))

    def newest(self, pk: int) -> int:
        """Return the version that a read that begins now must see, or a later one."""
        return self._versions[pk][-1].version

    def staleness(self, pk: int, shown: int, began: float) -> float:
        """Say for how many seconds `shown` was known to be outdated when the read began.

        Counted from the first newer version's acknowledgement, which is never less than from the
        newest's.
        """
        newer = next(entry for entry in self._versions[pk] if entry.version > shown)
        return began - newer.at
