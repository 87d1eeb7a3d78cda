"""Whether something can be read, asked without letting other threads in between.

Every way that Python has of asking gives the interpreter away for the time of the system call, and
in a busy process gets it back late. poll(2) that doesn't wait is over before another thread could
have begun, so it is called with the interpreter held: with four threads at work that is worth a
twelfth of all requests per second (`make bench BENCH="--only http"`).
"""

import ctypes
import select
from typing import Final


class _Polled(ctypes.Structure):
    """C's `struct pollfd`."""

    _fields_ = (
        ("fd", ctypes.c_int),
        ("events", ctypes.c_short),
        ("revents", ctypes.c_short),
    )


# PyDLL is what keeps the interpreter; CDLL would not.
_poll: Final = ctypes.PyDLL(None, use_errno=True).poll
_poll.argtypes = (ctypes.POINTER(_Polled), ctypes.c_ulong, ctypes.c_int)


class Readiness:
    """Call it to hear whether a descriptor can be read now, or has ended; all threads may.

    It may be a selector's own, which can be read when any of those that it watches can.
    """

    def __init__(self, descriptor: int) -> None:
        """Watch a descriptor; must not be called once that is closed."""
        self._polled = ctypes.pointer(_Polled(descriptor, select.POLLIN, 0))

    def __call__(self) -> bool:
        """Say whether a read would not wait: there is something, an end or an error."""
        return bool(_poll(self._polled, 1, 0))
