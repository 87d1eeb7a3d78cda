"""The product's entry point in a process that can be told to die after its next commit.

It dies as by kill -9, at the worst point: the row is committed, nobody is told. The file that
`FLEET_MORTAL` names is the order; the process removes it, so that its successor lives.
"""

import os
import signal
from pathlib import Path

from hiremebahamas.server.worker import application
from usercache.lookup import Store

__all__ = ["application"]

ORDER = Path(os.environ["FLEET_MORTAL"])

clear_markers = Store.clear_markers


def clear_markers_or_die(*arguments: object) -> object:
    """Die if ordered, else do as the product does."""
    if ORDER.exists():
        ORDER.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return clear_markers(*arguments)  # type: ignore[arg-type]  # handed through


Store.clear_markers = clear_markers_or_die  # type: ignore[assignment,method-assign]
