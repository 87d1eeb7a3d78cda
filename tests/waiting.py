"""How tests wait: for the thing itself, never for a while."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 30
POLL_SECONDS = 0.01


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; fail, naming what didn't happen, after 30 seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"Not in {PATIENCE_SECONDS} s: {what}."
        time.sleep(POLL_SECONDS)
