"""How tests wait: for the thing itself, never for a while."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

WAIT_SECONDS = int(os.environ.get("TESTS_WAIT_SECONDS", "120"))
"""More than anything takes on a machine that is busy with something else. `tests.mutants` sets
less: there, what is waited for may never come."""
POLL_SECONDS = 0.01


T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, wait_seconds: float = WAIT_SECONDS) -> T:
    """Poll until the condition holds, and return its value; fail after `wait_seconds`."""
    deadline = time.monotonic() + wait_seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"Not in {wait_seconds:.0f} s: {what}."
        time.sleep(POLL_SECONDS)
    return value
