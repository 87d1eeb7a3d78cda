"""A WebSocket whose user is refused: what its client, its application and its server are told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from accounts.models import User
from usercache.auth import asgi_sockets
from usercache.auth.asgi_sockets import UNAUTHORIZED, serve_watched
from usercache.auth.open_sockets import SOCKETS, Admission

Application = Callable[[Any, Any, Any], Awaitable[None]]
QUESTION = {"type": "websocket.receive", "text": "question"}
ANSWER = {"type": "websocket.send", "text": "answer"}
GOODBYE = {"type": "websocket.disconnect", "code": 1000}
CLOSE = {"type": "websocket.close", "code": 1000}
ADMISSION = Admission(User(pk=1), lambda _user: True)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse a socket by calling what it gave; no thread looks at it."""
    given = list[Any]()
    monkeypatch.setattr(SOCKETS._worker, "start", lambda: None)
    watch = SOCKETS.watch

    def note(admission: Admission, refuse: Any) -> Any:
        given.append(refuse)
        return watch(admission, refuse)

    monkeypatch.setattr(SOCKETS, "watch", note)
    return given


async def serve(application: Application, incoming: list[Any]) -> list[Any]:
    """Return what was sent to the client, who sends this and then nothing more."""
    sent = list[Any]()

    async def receive() -> Any:
        return incoming.pop(0) if incoming else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await serve_watched(application, {}, receive, send, ADMISSION)
    assert len(SOCKETS) == 0
    return sent


def test_refused_socket(watched: list[Any]) -> None:
    """Its client gets the code, once; its application hears of it, and may send in vain."""
    heard = list[Any]()

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        heard.append(await receive())
        await send(ANSWER)
        watched[0]()
        watched[0]()
        heard.append(await receive())
        await send(ANSWER)

    sent = asyncio.run(serve(application, [QUESTION]))
    close = {"type": "websocket.close", "code": UNAUTHORIZED, "reason": "Sign in again."}
    assert sent == [ANSWER, close]
    assert heard == [QUESTION, {"type": "websocket.disconnect", "code": UNAUTHORIZED}]


def test_application_that_does_not_listen(
    watched: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is cancelled a moment later."""
    monkeypatch.setattr(asgi_sockets, "GRACE_SECONDS", 0.0)
    was_cancelled = list[bool]()

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        watched[0]()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.append(True)
            raise

    asyncio.run(serve(application, []))
    assert was_cancelled == [True]


def test_socket_that_has_ended_is_not_closed(watched: list[Any]) -> None:
    """The thread may come a moment too late; the server no longer knows the connection."""

    async def application(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    async def refuse_late() -> list[Any]:
        sent = await serve(application, [GOODBYE])
        watched[0]()
        for _ in range(2):  # what it gives the loop to do is done
            await asyncio.sleep(0)
        return sent

    failures = list[Any]()

    async def run() -> list[Any]:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))
        return await refuse_late()

    assert asyncio.run(run()) == []
    assert failures == []


@pytest.mark.parametrize("is_client", [True, False], ids=["client", "application"])
def test_socket_that_is_closed_already(watched: list[Any], *, is_client: bool) -> None:
    """Isn't closed again while its application tidies up: to a server that is an error."""

    async def application(_scope: Any, receive: Any, send: Any) -> None:
        await (receive() if is_client else send(CLOSE))
        watched[0]()
        for _ in range(2):  # what it gives the loop to do is done
            await asyncio.sleep(0)

    assert asyncio.run(serve(application, [GOODBYE])) == ([] if is_client else [CLOSE])


def test_error_of_the_application(watched: list[Any]) -> None:
    """Reaches the server, also one that looks like our own end."""

    async def application(_scope: Any, _receive: Any, _send: Any) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(serve(application, []))
