"""The clock that bounds the age of entries in process memory."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

MILLISECONDS: Final = 1000
"""In a second."""

boot_time: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)
"""Seconds that never decrease, and count suspension of the machine.

`time.monotonic()` doesn't: a laptop or virtual machine that resumes hours later would serve entries
from before. Neither counts a pause by the hypervisor.
"""
