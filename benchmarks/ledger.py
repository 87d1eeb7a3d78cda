"""What has been acknowledged, for all processes to see: a file of numbers in memory."""

import mmap
import threading
from array import array
from pathlib import Path
from typing import Final

NUMBER_TYPE: Final = "i"


def create(path: Path, *, processes: int, users: int) -> None:
    """Begin with nothing acknowledged."""
    path.write_bytes(array(NUMBER_TYPE, [0]).tobytes() * processes * users)


class Ledger:
    """The newest acknowledged version of each user; a process writes its own line of the file."""

    def __init__(self, path: Path, *, users: int, process: int) -> None:
        """Share the file with the other processes."""
        with path.open("r+b") as file:
            numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast(NUMBER_TYPE)
        self._lines = [numbers[at : at + users] for at in range(0, len(numbers), users)]
        self._own = self._lines[process]
        self._lock = threading.Lock()

    def newest(self, user: int) -> int:
        """Return the newest version that any process has acknowledged."""
        return max(line[user] for line in self._lines)

    def acknowledge(self, user: int, version: int) -> None:
        """Say that this version is committed; a late word of an older one changes nothing."""
        with self._lock:
            self._own[user] = max(self._own[user], version)
