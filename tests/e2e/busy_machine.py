"""A machine that has something else to do: busy loops that end by themselves."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOOPS_PER_PROCESSOR = 2
LONGEST_SECONDS = 120
"""None outlives this, however the test ends."""
PROGRAM = f"""
import time
end = time.monotonic() + {LONGEST_SECONDS}
while time.monotonic() < end:
    pass
"""


@contextmanager
def busy_machine() -> Iterator[None]:
    """Keep every processor busy twice, at the priority of everybody else."""
    loops = [
        subprocess.Popen([sys.executable, "-c", PROGRAM])
        for _ in range(LOOPS_PER_PROCESSOR * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
