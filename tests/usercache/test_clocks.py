"""What bounds a staleness goes on while the machine is suspended."""

import inspect
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from usercache.backends.memory import MemoryBackend
from usercache.clocks import boot_time
from usercache.l1.cache import ClientCache
from usercache.l1.listener import Listener


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Python has no such clock")
def test_clock_goes_on_while_the_machine_sleeps() -> None:
    """It is the kernel's that counts suspensions; `time.monotonic()` doesn't."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = boot_time()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize("counts", [ClientCache, Listener, MemoryBackend])
def test_ages_are_counted_by_it(counts: Callable[..., Any]) -> None:
    """The window in which memory may be served, and how long each record may, with Redis or not."""
    assert inspect.signature(counts).parameters["clock"].default is boot_time
