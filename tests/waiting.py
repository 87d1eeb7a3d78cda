"""How tests wait: for the thing itself, never for a while."""

import time
from collections.abc import Callable

PATIENCE_SECONDS = 30
POLL_SECONDS = 0.01


def wait_until(
    condition: Callable[[], object], what: str, patience_seconds: float = PATIENCE_SECONDS
) -> None:
    """Poll until the condition holds; fail, naming what didn't happen, after 30 seconds."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"Not in {patience_seconds:.0f} s: {what}."
        time.sleep(POLL_SECONDS)
