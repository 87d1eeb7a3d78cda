"""System calls that never wait, made without letting other threads in between.

Python gives the interpreter away for the time of every system call, and in a busy process gets it
back late. A call that doesn't wait is over before another thread could have begun, so it is made
with the interpreter held.
"""

import ctypes
import os
import select
import socket
from collections.abc import Callable
from functools import partial
from typing import Final

# PyDLL is what keeps the interpreter; CDLL would not.
_poll: Final = ctypes.PyDLL(None).poll
_recv: Final = ctypes.PyDLL(None, use_errno=True).recv
_recv.restype = ctypes.c_ssize_t
_ONE: Final = ctypes.c_ulong(1)
_BUFFER_BYTES: Final = 16_384


class _Polled(ctypes.Structure):
    """C's `struct pollfd`."""

    _fields_ = (
        ("fd", ctypes.c_int),
        ("events", ctypes.c_short),
        ("revents", ctypes.c_short),
    )


def watch(descriptor: int) -> Callable[[], object]:
    """Return what says by its truth whether the descriptor can be read now, or has ended.

    All threads may call it, for as long as the descriptor is open. That may be a selector's own,
    which can be read when any of those that it watches can.
    """
    # A partial, and no argtypes: half a microsecond a call instead of more than one.
    return partial(_poll, ctypes.byref(_Polled(descriptor, select.POLLIN, 0)), _ONE, 0)


class Receiver:
    """Take what has come on a socket; for one thread at a time, while the socket is open."""

    def __init__(self, descriptor: int) -> None:
        """Keep a buffer for it."""
        self._descriptor = descriptor
        self._buffer = ctypes.create_string_buffer(_BUFFER_BYTES)

    def __call__(self, size: int) -> bytes:
        """Return up to so many bytes, none at the end.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection is broken.
        """
        wanted = ctypes.c_size_t(min(size, _BUFFER_BYTES))
        count = _recv(self._descriptor, self._buffer, wanted, socket.MSG_DONTWAIT)
        if count < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))  # of the subclass that the number stands for
        return ctypes.string_at(self._buffer, count)
