"""Answer 503 to what a process can't serve in time, and go on serving the rest.

Note [Overload]
---------------
The connections of a worker are bounded (`--backpressure`, idle ones included), and each may have
one request under way. If all of those waited for a thread, each client would wait at four times the
capacity for all that came before it, and many would have given up by the time they are served. So
of the requests that need a thread WEB_THREADS are served at once, and WEB_QUEUE_MAX wait for their
turn, up to WEB_QUEUE_SECONDS; what more comes is refused on the event loop, in a small part of the
time that it would take.

What is answered from memory never waits for a thread, and is never refused: all connections of a
worker together ask for less than half a second of it. Whether the process is ready, and whether a
token is good that isn't in memory, has threads of its own: a load balancer that gets no answer
would send the same load to the next instance. It takes next to nothing as long as nobody else makes
it wait. A request with a body waits for its client, who may send it a byte at a time, so it is one
of the others. And while the database hangs, readiness takes a second: it has one thread, and all
who ask wait for that.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from hiremebahamas.variables import read_float, read_int

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

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


def is_light(environ: "WSGIEnvironment") -> bool:
    """Return whether a request has threads of its own."""
    path: str = environ["PATH_INFO"]
    return (path in LIGHT or path.startswith(LIGHT_BELOW)) and not has_body(environ)


def has_body(environ: "WSGIEnvironment") -> bool:
    """Return whether a client sends more than headers."""
    length = environ.get("CONTENT_LENGTH")
    return length not in (None, "", "0") or "HTTP_TRANSFER_ENCODING" in environ


def refuse(_environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
    """Answer 503; a WSGI application."""
    start_response("503 Service Unavailable", list(_HEADERS))
    return [_BODY]


class Places:
    """So many requests that are served at once, and so many others that wait; of one event loop."""

    def __init__(self, *, serving: int, waiting: int, wait_seconds: float) -> None:
        """Begin with every place free; `wait_seconds` is the longest wait."""
        self._free = asyncio.Semaphore(serving)
        self._waiting_most = waiting
        self._wait_seconds = wait_seconds
        self._waiting = 0

    async def take(self) -> bool:
        """Take a place, waiting for it behind the others; False if there is none in time."""
        if not self._free.locked():
            return await self._free.acquire()
        if self._waiting >= self._waiting_most:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await self._free.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def release(self) -> None:
        """Give a place to the next that waits."""
        self._free.release()


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
