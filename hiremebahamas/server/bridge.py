"""RSGI's requests as WSGI's, and WSGI's answers as RSGI's.

granian passes each request to a coroutine of one event loop. Django's handler is WSGI: it takes a
dictionary and reads the body when it wants to. Source: PEP 3333; granian's RSGI specification, 1.6.
"""

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from hiremebahamas.server.overload import has_body
from usercache.memory_only import check_may_wait

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from granian._granian import RSGIHTTPProtocol as HTTPProtocol
    from granian.rsgi import Scope

CHUNK_SECONDS: Final = 30.0
"""How long a thread waits for the next part of a body."""
SMALL_MAX_BYTES: Final = 64 * 1024
"""The longest body that is received before a thread is taken."""
NAMES_MAX: Final = 256
"""Header names that are kept in their other spelling; clients may send any."""
_UNPREFIXED: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_CONSTANTS: Final = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


def make_environ(
    scope: "Scope", protocol: "HTTPProtocol", loop: asyncio.AbstractEventLoop
) -> "WSGIEnvironment":
    """Return a request as WSGI has it; its body is read on other threads than the loop's.

    Headers with an underscore in their name are left out: they would be taken for those with a
    hyphen, which a proxy sets.
    """
    path, server, client = scope.path, scope.server, scope.client
    host, _, port = server.rpartition(":")
    environ: WSGIEnvironment = {
        **_CONSTANTS,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": path if path.isascii() else path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "REMOTE_ADDR": client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.errors": sys.stderr,
    }
    for name, value in cast("Iterable[tuple[str, str]]", scope.headers.items()):
        variable = _variable_of(name)
        if variable in environ:
            # Cookies have commas within them. Source: RFC 6265, section 5.4.
            joint = "; " if name == "cookie" else ","
            environ[variable] += joint + value
        elif variable:
            environ[variable] = value
    if "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority or ""
    # A value that isn't ASCII is left out above, and its name must not be: a request with
    # X-Forwarded-For came through a proxy, whatever is in it.
    names = cast("Iterable[str]", scope.headers.keys())
    for name in names:
        if variable := _variable_of(name):
            environ.setdefault(variable, "")
    body = io.BufferedReader(Body(protocol, loop)) if has_body(environ) else io.BytesIO()
    environ["wsgi.input"] = body
    return environ


async def receive_small_body(environ: "WSGIEnvironment") -> None:
    """Receive a body here, if it is small: no thread waits for its client."""
    length = environ.get("CONTENT_LENGTH", "")
    if length.isdecimal() and 0 < int(length) <= SMALL_MAX_BYTES:
        await environ["wsgi.input"].raw.receive_all()


class Body(io.RawIOBase):
    """A request's body, which the event loop receives while a thread reads.

    It ends early if nothing comes for CHUNK_SECONDS: the request is then one that was cut off.
    """

    def __init__(self, protocol: "HTTPProtocol", loop: asyncio.AbstractEventLoop) -> None:
        """Read nothing yet: a client may be waiting until it is asked to send."""
        self._protocol = protocol
        self._loop = loop
        self._stream: AsyncIterator[bytes] | None = None
        self._rest = memoryview(b"")
        self._is_over = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what has come, waiting for it; 0 at the end."""
        if not self._rest and not self._is_over:
            self._rest = memoryview(self._receive())
            # granian's last part is empty.
            self._is_over = not self._rest
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    async def receive_all(self) -> None:
        """Receive it whole, within CHUNK_SECONDS; on the event loop."""
        parts = list[bytes]()
        with suppress(TimeoutError):
            async with asyncio.timeout(CHUNK_SECONDS):
                while part := await self._next_chunk():
                    parts.append(part)
        self._rest, self._is_over = memoryview(b"".join(parts)), True

    def _receive(self) -> bytes:
        check_may_wait()  # the loop's own thread would wait for itself
        receiving = asyncio.run_coroutine_threadsafe(self._next_chunk(), self._loop)
        try:
            return receiving.result(CHUNK_SECONDS)
        except TimeoutError:
            receiving.cancel()  # or the connection would be kept for the rest, for ever
            return b""

    async def _next_chunk(self) -> bytes:
        if self._stream is None:
            self._stream = aiter(cast("AsyncIterator[bytes]", self._protocol))
        return await anext(self._stream)


class Answer:
    """A WSGI application's answer on its way."""

    def __init__(self) -> None:
        """Begin without one."""
        self._status = 500
        self._headers: list[tuple[str, str]] = []

    def start(
        self, status: str, headers: list[tuple[str, str]], _error: object = None
    ) -> Callable[[bytes], object]:
        """Take its status and headers; WSGI's `start_response`."""
        self._status = int(status[:3])
        self._headers = headers
        return self._write

    def send(self, protocol: "HTTPProtocol", body: Iterable[bytes], *more: tuple[str, str]) -> None:
        """Send it whole, with more headers; ends the application's request."""
        try:
            content = b"".join(body)
            protocol.response_bytes(self._status, [*self._headers, *more], content)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _write(self, _data: bytes) -> object:
        raise NotImplementedError("Return the body: Django, and what is in front of it, does.")


@lru_cache(NAMES_MAX)
def _variable_of(header: str) -> str:
    if "_" in header:
        return ""
    return _UNPREFIXED.get(header) or f"HTTP_{header.upper().replace('-', '_')}"
