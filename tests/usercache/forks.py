"""How tests fork."""

import os
import signal
from collections.abc import Callable

CHILD_SECONDS = 20


def fork(task: Callable[[], object]) -> int:
    """Run the task in a forked child, which says by its exit whether it came to its end."""
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        try:
            task()
            os._exit(0)
        finally:
            os._exit(1)
    return child
