"""The product's entry point in a process that can be told to die after its next commit.

It dies as by kill -9, at the worst moment: the row is committed, nobody is told. The file that
`FLEET_MORTAL` names is the order; the process removes it, so that its successor lives.
"""

import os
import signal
from pathlib import Path

from hiremebahamas.wsgi import application
from usercache.store import Store

__all__ = ["application"]

ORDER = Path(os.environ["FLEET_MORTAL"])

lower_barriers = Store.lower_barriers


def lower_barriers_or_die(*arguments: object) -> object:
    """Die if ordered, else do as the product does."""
    if ORDER.exists():
        ORDER.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return lower_barriers(*arguments)  # type: ignore[arg-type]  # handed through


Store.lower_barriers = lower_barriers_or_die  # type: ignore[assignment,method-assign]
