"""Threads that may not wait, such as one that answers from memory and hands on all the rest."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class MustWaitError(BaseException):
    """The answer is not in process memory, and this thread may not wait for it.

    No Exception: Django and REST framework answer each of those.
    """


class _Thread(threading.local):
    may_wait = True


_thread: Final = _Thread()


@contextmanager
def memory_only() -> Iterator[None]:
    """Have this thread's look-ups, invalidations and scripts raise MustWaitError, and do no I/O."""
    _thread.may_wait = False
    try:
        yield
    finally:
        _thread.may_wait = True


def check_may_wait() -> None:
    """Raise MustWaitError inside `memory_only()`."""
    if not _thread.may_wait:
        raise MustWaitError
