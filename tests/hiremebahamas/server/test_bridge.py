"""A request of granian's as WSGI has it."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest

from hiremebahamas.server.bridge import Answer, make_environ, receive_small_body
from tests.hiremebahamas.server.test_application import Protocol, scope_of
from tests.waiting import WAIT_SECONDS
from usercache.memory_only import MustWaitError, memory_only


class Headers:
    """granian's, which lists the names also of those that it can't read."""

    def __init__(self, pairs: list[tuple[str, str]], *names: str) -> None:
        self._pairs = pairs
        self._names = names or tuple(name for name, _ in pairs)

    def keys(self) -> tuple[str, ...]:
        return self._names

    def items(self) -> list[tuple[str, str]]:
        return self._pairs


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_names(loop: asyncio.AbstractEventLoop) -> None:
    """Each under WSGI's name; addresses without brackets."""
    scope = scope_of("/", content_type="text/plain", x_forwarded_proto="https")
    environ = make_environ(scope, Protocol(), loop)  # type: ignore[arg-type]
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert environ["HTTP_X_FORWARDED_PROTO"] == "https"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("::1", "8000")
    assert environ["REMOTE_ADDR"] == "203.0.113.7"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_path_is_bytes_in_latin_1(loop: asyncio.AbstractEventLoop) -> None:
    """As PEP 3333 has it: Django decodes it."""
    environ = make_environ(scope_of("/é"), Protocol(), loop)  # type: ignore[arg-type]
    assert environ["PATH_INFO"] == "/Ã©"


def test_underscores_forge_no_header(loop: asyncio.AbstractEventLoop) -> None:
    """`X_Forwarded_Proto` isn't the proxy's `X-Forwarded-Proto`."""
    scope = scope_of("/")
    scope.headers |= {"x_forwarded_proto": "https", "content_length": "7"}
    environ = make_environ(scope, Protocol(), loop)  # type: ignore[arg-type]
    assert not {"HTTP_X_FORWARDED_PROTO", "CONTENT_LENGTH", "HTTP_CONTENT_LENGTH"} & set(environ)


def test_repeated_headers_are_one(loop: asyncio.AbstractEventLoop) -> None:
    """Joined by commas; cookies by semicolons, since there are commas in them."""
    scope = scope_of("/")
    pairs = [("accept", "a"), ("accept", "b"), ("cookie", "c=1"), ("cookie", "d=2")]
    scope.headers = Headers(pairs)
    environ = make_environ(scope, Protocol(), loop)  # type: ignore[arg-type]
    assert environ["HTTP_ACCEPT"] == "a,b"
    assert environ["HTTP_COOKIE"] == "c=1; d=2"


def test_unreadable_header_is_there(loop: asyncio.AbstractEventLoop) -> None:
    """Empty: a client with `X-Forwarded-For: é` comes through a proxy all the same."""
    scope = scope_of("/")
    scope.headers = Headers([("accept", "a")], "accept", "x-forwarded-for")
    environ = make_environ(scope, Protocol(), loop)  # type: ignore[arg-type]
    assert (environ["HTTP_ACCEPT"], environ["HTTP_X_FORWARDED_FOR"]) == ("a", "")


@pytest.mark.parametrize("length", ["0", "7"])
def test_event_loop_waits_for_no_body(loop: asyncio.AbstractEventLoop, length: str) -> None:
    """It would wait for itself, and every client with it; where there is none, nothing waits."""
    scope = scope_of("/", "GET", content_length=length)
    body = make_environ(scope, Protocol(), loop)["wsgi.input"]  # type: ignore[arg-type]
    waits = contextlib.nullcontext() if length == "0" else pytest.raises(MustWaitError)
    with memory_only(), waits:
        assert body.read(1) == b""


@pytest.mark.parametrize("parts", [(), (b"abc",), (b"a", b"bc\n", b"d" * 100_000)])
def test_thread_reads_what_the_loop_receives(parts: tuple[bytes, ...]) -> None:
    """Whole and by lines, and again at its end."""

    async def play() -> bytes:
        loop = asyncio.get_running_loop()
        scope = scope_of("/", transfer_encoding="chunked")
        stream = make_environ(scope, Protocol(*parts), loop)["wsgi.input"]  # type: ignore[arg-type]
        line = await asyncio.to_thread(stream.readline)
        rest = await asyncio.to_thread(stream.read, 1_000_000)
        assert not await asyncio.to_thread(stream.read, 10)
        return bytes(line + rest)

    assert asyncio.run(play()) == b"".join(parts)


def test_small_body_is_there_before_a_thread_reads() -> None:
    """Read on the loop's own thread, where nothing may wait."""

    async def play() -> bytes:
        loop = asyncio.get_running_loop()
        scope = scope_of("/", content_length="5")
        environ = make_environ(scope, Protocol(b"ab", b"cde"), loop)  # type: ignore[arg-type]
        await receive_small_body(environ)
        with memory_only():
            return bytes(environ["wsgi.input"].read())

    assert asyncio.run(play()) == b"abcde"


def test_small_body_that_stalls_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what has come."""
    monkeypatch.setattr("hiremebahamas.server.bridge.CHUNK_SECONDS", 0.01)

    class Stalled(Protocol):
        async def __anext__(self) -> bytes:
            return await super().__anext__() or await asyncio.Future()

    async def play() -> bytes:
        scope = scope_of("/", content_length="7")
        environ = make_environ(scope, Stalled(b"ab"), asyncio.get_running_loop())  # type: ignore[arg-type]
        await receive_small_body(environ)
        return bytes(environ["wsgi.input"].read())

    assert asyncio.run(play()) == b"ab"


def test_stalled_body_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its thread nor its connection is held for ever."""
    ended = threading.Event()
    monkeypatch.setattr("hiremebahamas.server.bridge.CHUNK_SECONDS", 0.01)

    class Stalled(Protocol):
        async def __anext__(self) -> bytes:
            try:
                return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
            finally:
                ended.set()

    async def play() -> bytes:
        scope = scope_of("/", content_length="7")
        environ = make_environ(scope, Stalled(), asyncio.get_running_loop())  # type: ignore[arg-type]
        read = bytes(await asyncio.to_thread(environ["wsgi.input"].read, 7))
        assert await asyncio.to_thread(ended.wait, WAIT_SECONDS)
        return read

    assert asyncio.run(play()) == b""


def test_body_of_an_answer_is_closed() -> None:
    """Also where it can't be sent; on the thread that made it."""

    class Content(list[bytes]):
        closed_by: str = ""

        def close(self) -> None:
            self.closed_by = threading.current_thread().name

    content = Content([b"a", b"b"])
    answer, protocol = Answer(), Protocol()
    answer.start("404 Not Found", [("A", "b")])
    answer.send(protocol, content, ("C", "d"))  # type: ignore[arg-type]
    assert (protocol.status, protocol.body) == (404, b"ab")
    assert protocol.headers == {"A": "b", "C": "d"}
    assert content.closed_by == threading.current_thread().name
