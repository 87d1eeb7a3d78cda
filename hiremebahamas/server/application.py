"""What each of granian's workers does with a request: answer it at once, or have a thread do it.

Note [Answered on the event loop]
---------------------------------
A request that is handed to a thread waits until the kernel and the interpreter let that thread run,
and with several threads the hundredth slowest answer takes many times the median. Most requests
need nothing but memory: whose token this is, their profile. So they run on the event loop's own
thread, through the very application that the threads run. Inside `memory_only()` a look-up
that would have to ask Redis or the database raises `MustWaitError`; Django itself refuses queries
where an event loop runs, with `SynchronousOnlyOperation`. Then a thread does it from its beginning.

Only a request that has changed nothing before it waits can begin twice: GET of the paths in
`MEMORY_PATHS`, with an access token or none. Not with an API key, whose use is written down.
"""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from django.core.exceptions import SynchronousOnlyOperation

from hiremebahamas.server.bridge import Answer, make_environ, receive_small_body
from hiremebahamas.server.overload import READY, Places, has_body, is_light
from usercache.memory_only import MustWaitError, memory_only
from usercache.runtime import get_store

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

MEMORY_PATHS: Final = re.compile(
    r"/auth/(forward|profile|verify)|/health/live|/users/([0-9]+|lookup)"
)
MEMORY_CREDENTIALS: Final = ("", "bearer")
"""What the Authorization header of such a request begins with, in lower case."""
LAST_ANSWER: Final = ("Connection", "close")


class Application:
    """An RSGI application in front of a WSGI application, and of one that refuses."""

    def __init__(
        self,
        application: "WSGIApplication",
        refusal: "WSGIApplication",
        *,
        threads: int,
        waiting: int,
        wait_seconds: float,
    ) -> None:
        """Serve with so many threads; see Note [Overload] for what waits, and how long."""
        self.memory_paths = MEMORY_PATHS
        self._application = application
        self._refusal = refusal
        self._places = Places(serving=threads, waiting=waiting, wait_seconds=wait_seconds)
        self._threads = ThreadPoolExecutor(threads, "request")
        self._light_threads = ThreadPoolExecutor(threads, "light-request")
        self._ready_thread = ThreadPoolExecutor(1, "ready-request")
        self._last_headers: tuple[tuple[str, str], ...] = ()

    def end_connections(self) -> None:
        """Have each client reconnect for its next request, from now on."""
        self._last_headers = (LAST_ANSWER,)

    async def __rsgi__(self, scope: "Scope", protocol: "HTTPProtocol") -> None:
        """Answer a request."""
        loop = asyncio.get_running_loop()
        environ = make_environ(scope, protocol, loop)
        if self._may_be_in_memory(environ) and self._answer_from_memory(environ, protocol):
            return
        await receive_small_body(environ)
        answer = partial(self._answer, self._application, environ, protocol)
        if is_light(environ):
            is_ready = environ["PATH_INFO"] == READY
            await loop.run_in_executor(
                self._ready_thread if is_ready else self._light_threads, answer
            )
        elif await self._places.take():
            try:
                await loop.run_in_executor(self._threads, answer)
            finally:
                self._places.release()
        else:
            self._answer(self._refusal, environ, protocol)

    def _may_be_in_memory(self, environ: "WSGIEnvironment") -> bool:
        # Where each look-up asks Redis, all would begin twice.
        return may_begin_twice(environ, self.memory_paths) and get_store().present_l1 is not None

    def _answer(
        self, application: "WSGIApplication", environ: "WSGIEnvironment", protocol: "HTTPProtocol"
    ) -> None:
        answer = Answer()
        body = application(environ, answer.start)
        answer.send(protocol, body, *self._last_headers)

    def _answer_from_memory(self, environ: "WSGIEnvironment", protocol: "HTTPProtocol") -> bool:
        try:
            with memory_only():
                # A copy, so that a thread begins with what the client sent.
                self._answer(self._application, environ.copy(), protocol)
        except (MustWaitError, SynchronousOnlyOperation):
            return False
        return True


def may_begin_twice(environ: "WSGIEnvironment", paths: re.Pattern[str] = MEMORY_PATHS) -> bool:
    """Return whether memory may have all that a request needs, and it changes nothing."""
    return (
        environ["REQUEST_METHOD"] == "GET"
        and paths.fullmatch(environ["PATH_INFO"]) is not None
        and environ.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower() in MEMORY_CREDENTIALS
        and not has_body(environ)  # it would have to be waited for
    )
