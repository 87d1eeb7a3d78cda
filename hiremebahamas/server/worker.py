"""What each of granian's workers serves: the product; and how it ends."""

import atexit
import os
import signal
import sys
import time
from multiprocessing.util import Finalize
from threading import Thread
from typing import Final

from hiremebahamas.wsgi import application

__all__ = ["application"]

PARENT_CHECK_SECONDS: Final = 1.0


def end_with(parent: int) -> None:
    """Ask this process to end, as on SIGTERM, once its parent is gone; blocks until then."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


# What operators see of this process: after `python -m granian` it would be __main__.py.
sys.argv[:] = ["granian"]
# granian's workers are multiprocessing's, which end without the interpreter's own exit handlers:
# what they had counted last would never be delivered.
Finalize(None, atexit._run_exitfuncs, exitpriority=0)
# A granian that is killed leaves them behind, on a port that its successor wants.
Thread(target=end_with, args=[os.getppid()], name="parent-watch", daemon=True).start()
