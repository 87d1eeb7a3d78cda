"""What is slow by nature leaves a thread free for the rest: Note [Slow work].

Note [Slow work]
Hashing a password, decoding a picture and searching the directory take a thread for 30 ms or more,
and asking a provider for as long as it takes to answer.
Sixty-four at once would occupy every thread of a process, and a request that takes one millisecond
would wait for all of them. So fewer requests than threads may do such work at the same time; the
others are refused at once, since waiting would take a thread as well.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from accounts.errors import Busy


class Workload:
    """Counts the requests inside; `with workload.slow_work(): …`."""

    def __init__(self) -> None:
        """Start with nobody inside."""
        self._lock = threading.Lock()
        self._inside = 0

    @contextmanager
    def slow_work(self) -> Iterator[None]:
        """Be one of AUTH_SLOW_REQUESTS_MAX in this process.

        Raises: Busy if there are so many already.
        """
        with self._lock:
            if self._inside >= settings.AUTH_SLOW_REQUESTS_MAX:
                raise Busy
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1


slow_work = Workload().slow_work
