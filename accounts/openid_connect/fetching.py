"""Requests to providers, bounded in time and size: Note [Asking providers].

Note [Asking providers]
A provider may hang, send a byte a second, or never stop sending. Clients such as requests,
urllib3 and httpx bound each single read; here one deadline bounds the request from the connection
to the last byte, and what is read has a largest size. Only looking a name up takes as long as the
machine's resolver lets it. No redirect is followed, and no compressed answer is unpacked: what is
asked is what the discovery document of a configured issuer names, and nothing else.

Every such request is `slow_work()`, and one that failed keeps this process from asking the
provider again for a few seconds: while it hangs, other requests find threads.
"""

import io
import socket
import ssl
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode, urlsplit

import msgspec

from accounts.openid_connect.providers import is_safe_url

MAX_BYTES: Final = 256 * 1024
BAD_REQUEST: Final = 400
SHORTEST_SECONDS: Final = 0.001
"""Zero would mean: don't block."""


class FetchError(Exception):
    """There is no answer, or none that can be used. Its text is for the log: no secret."""


class Answer(NamedTuple):
    """A status, and what the body's JSON says; nothing for an error's body that is none."""

    status: int
    body: dict[str, Any]


class Deadline:
    """A moment by which all is done."""

    def __init__(self, seconds: float) -> None:
        """Begin now."""
        self._end = time.monotonic() + seconds

    def seconds_left(self) -> float:
        """Return how long there is.

        Raises: FetchError if there is no time left.
        """
        left = self._end - time.monotonic()
        if left < SHORTEST_SECONDS:
            raise FetchError("it took too long")
        return left


def fetch(
    url: str,
    deadline: Deadline,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Return the answer to a GET or, with a form, to a POST.

    Raises: FetchError.
    """
    if not is_safe_url(url):
        raise FetchError("the URL isn't HTTPS")
    connection = _make_connection(url, deadline)
    try:
        return _ask(connection, url, deadline, form, dict(headers or {}))
    except (OSError, HTTPException) as error:
        raise FetchError(type(error).__name__) from None  # its text may have what was sent
    finally:
        connection.close()


def _make_connection(url: str, deadline: Deadline) -> HTTPConnection:
    parts = urlsplit(url)
    host = str(parts.hostname)
    if parts.scheme == "http":
        return HTTPConnection(host, parts.port, timeout=deadline.seconds_left())
    context = ssl.create_default_context()
    return HTTPSConnection(host, parts.port, timeout=deadline.seconds_left(), context=context)


def _ask(
    connection: HTTPConnection,
    url: str,
    deadline: Deadline,
    form: Mapping[str, str] | None,
    headers: dict[str, str],
) -> Answer:
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    headers |= {"Accept": "application/json"}
    body = None
    if form is not None:
        body = urlencode(form)
        headers |= {"Content-Type": "application/x-www-form-urlencoded"}
    method = "GET" if body is None else "POST"
    connection.connect()
    connection.sock.settimeout(deadline.seconds_left())
    connection.request(method, target, body, headers)
    reader = cast(socket.socket, _BoundedSocket(connection.sock, deadline))
    with HTTPResponse(reader, method=method) as response:
        response.begin()
        content = response.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FetchError("the answer is too large")
    return Answer(response.status, _parse(response.status, content))


def _parse(status: int, content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if status >= BAD_REQUEST:
            return {}
        raise FetchError("the answer is no JSON object") from None


class _BoundedSocket:
    # What HTTPResponse reads from: each read gets the time that is left, and no more.

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._reader = _Reader(sock, deadline)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader)


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.seconds_left())
        return self._sock.recv_into(buffer)
