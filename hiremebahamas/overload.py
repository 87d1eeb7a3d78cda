"""Answer 503 to what a process can't serve in time, and go on serving the rest.

Note [Overload]
---------------
granian puts every request of its connections into a queue without an end or a deadline
(`--backpressure` bounds the connections of a worker, idle ones included). At four times the
capacity each client would wait for all those before it, and many would have given up by the time
they are served. So a worker has more threads than serve. WEB_THREADS serve; WEB_QUEUE_MAX each hold
a request that waits for its turn, up to WEB_QUEUE_SECONDS; what more comes is refused, in a small
part of the time that it would take.

Whether the process lives and is ready, and whether a token is good, has places of its own and is
never refused: it takes next to nothing, and a load balancer that gets no answer would send the same
load to the next instance.

It takes next to nothing as long as nobody else makes it wait. A request with a body waits for its
client, who may send it a byte at a time, so it is one of the others. And while the database hangs,
readiness takes a second: it has one place, which all who ask share with the one question.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from hiremebahamas.variables import read_float, read_int

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READY: Final = "/health/ready"
LIGHT: Final = frozenset(("/auth/forward", "/auth/verify", "/health/live", READY))
"""The paths that are never refused."""
LIGHT_BELOW: Final = "/auth/forward/"
"""What begins the others: Envoy appends the path of the request that it asks about."""
RETRY_SECONDS: Final = 1
WAITING_PER_THREAD: Final = 8
WAITING_MOST: Final = 1024
WAIT_SECONDS: Final = 1.0
WAIT_SECONDS_MOST: Final = 30.0
_BODY: Final = (
    b'{"detail": "Too much is going on just now. Try again in a moment.", "code": "busy"}'
)
_HEADERS: Final = (
    ("Content-Type", "application/json"),
    ("Content-Length", str(len(_BODY))),
    ("Cache-Control", "no-store"),
    ("Retry-After", str(RETRY_SECONDS)),
)


class BoundedRequests:
    """A WSGI application that serves so many requests at once, and lets so many others wait."""

    def __init__(
        self, application: "WSGIApplication", *, threads: int, waiting: int, wait_seconds: float
    ) -> None:
        """Stand before an application; `wait_seconds` is the longest wait of a request."""
        self._application = application
        self._places = threading.Semaphore(threads)
        self._light_places = threading.Semaphore(threads)
        self._ready_place = threading.Semaphore(1)
        self._lock = threading.Lock()
        self._waiting_most = waiting
        self._wait_seconds = wait_seconds
        self._waiting = 0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer as the application does, or 503 if too many others are before this request."""
        if _is_light(environ):
            is_ready = environ["PATH_INFO"] == READY
            with self._ready_place if is_ready else self._light_places:
                return self._application(environ, start_response)
        if not self._take_place():
            start_response("503 Service Unavailable", list(_HEADERS))
            return [_BODY]
        try:
            return self._application(environ, start_response)
        finally:
            self._places.release()

    def _take_place(self) -> bool:
        # Nobody overtakes those that wait.
        if not self._waiting and self._places.acquire(blocking=False):
            return True
        with self._lock:
            if self._waiting >= self._waiting_most:
                return False
            self._waiting += 1
        try:
            return self._places.acquire(timeout=self._wait_seconds)
        finally:
            with self._lock:
                self._waiting -= 1


def count_threads(threads: int, waiting: int) -> int:
    """Return how many threads a process needs: some serve, some wait; one is ready, one refuses."""
    return 2 * threads + waiting + 2


def _is_light(environ: "WSGIEnvironment") -> bool:
    path: str = environ["PATH_INFO"]
    has_body = (
        environ.get("CONTENT_LENGTH") not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ
    )
    return (path in LIGHT or path.startswith(LIGHT_BELOW)) and not has_body


def read_queue_max(threads: int) -> int:
    """Return how many requests of a process may wait for one of its threads.

    Raises: ImproperlyConfigured.
    """
    return read_int("WEB_QUEUE_MAX", threads * WAITING_PER_THREAD, low=0, high=WAITING_MOST)


def read_queue_seconds() -> float:
    """Return how long one of them may wait.

    Raises: ImproperlyConfigured.
    """
    return read_float("WEB_QUEUE_SECONDS", WAIT_SECONDS, low=0, high=WAIT_SECONDS_MOST)
