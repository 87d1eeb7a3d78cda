"""The application that each of granian's workers serves, and how a worker ends."""

import atexit
import os
import signal
import sys
import time
from multiprocessing.util import Finalize
from threading import Thread
from typing import Final

from hiremebahamas import wsgi
from hiremebahamas.environment import read_threads
from hiremebahamas.server.application import Application
from hiremebahamas.server.draining import DRAIN_SIGNAL, stop_accepting
from hiremebahamas.server.overload import read_queue_max, read_queue_seconds, refuse

PARENT_CHECK_SECONDS: Final = 1.0


def end_with(parent: int) -> None:
    """Wait until the parent is gone, then end this process as on SIGTERM."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def drain(*_signal: object) -> None:
    """Accept no new connections, and keep none open."""
    # In this order, or a client that reconnects at once could be accepted by nobody.
    stop_accepting()
    application.end_connections()


_threads: Final = read_threads()
application: Final = Application(
    wsgi.application,
    wsgi.complete(refuse),
    threads=_threads,
    waiting=read_queue_max(_threads),
    wait_seconds=read_queue_seconds(),
)
signal.signal(DRAIN_SIGNAL, drain)
# The name operators see: after `python -m granian` it would be __main__.py.
sys.argv[:] = ["granian"]
# granian's workers are multiprocessing's, which end without the interpreter's exit handlers: their
# last counts would never be flushed.
Finalize(None, atexit._run_exitfuncs, exitpriority=0)
# A killed granian leaves its workers behind, on the port that the next one needs.
Thread(target=end_with, args=[os.getppid()], name="parent-watch", daemon=True).start()
