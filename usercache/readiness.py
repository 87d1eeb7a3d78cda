"""Whether something can be read, asked without letting other threads in between.

Every way that Python has of asking gives the interpreter away for the time of the system call, and
in a busy process gets it back late. poll(2) that doesn't wait is over before another thread could
have begun, so it is called with the interpreter held.
"""

import ctypes
import select
from collections.abc import Callable
from functools import partial
from typing import Final


class _Polled(ctypes.Structure):
    """C's `struct pollfd`."""

    _fields_ = (
        ("fd", ctypes.c_int),
        ("events", ctypes.c_short),
        ("revents", ctypes.c_short),
    )


# PyDLL is what keeps the interpreter; CDLL would not.
_poll: Final = ctypes.PyDLL(None).poll
_ONE: Final = ctypes.c_ulong(1)


def watch(descriptor: int) -> Callable[[], object]:
    """Return what says by its truth whether the descriptor can be read now, or has ended.

    All threads may call it, for as long as the descriptor is open. That may be a selector's own,
    which can be read when any of those that it watches can.
    """
    # A partial, and no argtypes: half a microsecond a call instead of more than one.
    return partial(_poll, ctypes.byref(_Polled(descriptor, select.POLLIN, 0)), _ONE, 0)
