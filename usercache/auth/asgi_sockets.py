"""`scope["user"]` by an access token, and WebSockets that are closed once it is refused.

For Channels and for bare ASGI applications; Note [Open sockets].
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from rest_framework.exceptions import AuthenticationFailed

from usercache.auth.asgi import admit
from usercache.auth.open_sockets import SOCKETS, Admission

UNAUTHORIZED: Final = 3000
"""The code that a WebSocket is closed with. Source: IANA's registry of WebSocket close codes."""
GRACE_SECONDS: Final = 5.0
"""How long an application may take to end after its WebSocket was closed; then it is cancelled."""
_CLOSE: Final = {"type": "websocket.close", "code": UNAUTHORIZED, "reason": "Sign in again."}
_DISCONNECT: Final = {"type": "websocket.disconnect", "code": UNAUTHORIZED}

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[object]]
Admit = Callable[[Scope], Awaitable[Admission | None]]
"""Returns None for a scope without credentials that it knows; raises AuthenticationFailed."""


class CachedTokenMiddleware:
    """Let `scope["user"]` be the user of the Authorization header; AnonymousUser without one.

    A WebSocket is closed within a second once a request with its token would be refused. `admit`
    takes the place of the token, for other credentials.
    """

    def __init__(self, inner: Application, admit: Admit = admit) -> None:
        """Stand before an application."""
        self.inner = inner
        self._admit = admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the user, hand the connection on, and watch it if it is a WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self.inner(scope, receive, send)
            return
        try:
            admission = await self._admit(scope)
        except AuthenticationFailed:
            admission = None
        user = AnonymousUser() if admission is None else admission.user
        scope = {**scope, "user": user}
        if admission is None or scope["type"] != "websocket":
            await self.inner(scope, receive, send)
        else:
            await serve_watched(self.inner, scope, receive, send, admission)


async def serve_watched(
    application: Application, scope: Scope, receive: Receive, send: Send, admission: Admission
) -> None:
    """Run the application of a WebSocket, and close it once its user is refused.

    The application then receives `websocket.disconnect`, as if the client had gone.
    """
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)
    try:
        async with limit:
            socket = _Socket(receive, send, limit)
            with SOCKETS.watch(admission, partial(_tell, loop, socket.refuse)):
                try:
                    await application(scope, socket.receive, socket.send)
                    await socket.end()
                finally:
                    socket.is_over = True
    except TimeoutError:
        if not limit.expired():  # the application's own
            raise


def _tell(loop: asyncio.AbstractEventLoop, refuse: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # the loop has ended, and its sockets with it
        loop.call_soon_threadsafe(refuse)


class _Socket:
    """A WebSocket as its application sees it."""

    def __init__(self, receive: Receive, send: Send, limit: asyncio.Timeout) -> None:
        self._receive = receive
        self._send = send
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._refused = self._loop.create_future()
        self._closing: asyncio.Task[None] | None = None
        self.is_over = False
        """Whether nothing is left to close: the application has ended or closed it, or the client
        has gone."""

    def refuse(self) -> None:
        """Close it, once; the application has a few seconds to end."""
        if self._closing is None and not self.is_over:
            self._closing = self._loop.create_task(self._close())
            self._refused.set_result(None)
            self._limit.reschedule(self._loop.time() + GRACE_SECONDS)

    async def receive(self) -> Any:
        """Return the next message, at the latest that it was closed."""
        incoming = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait({incoming, self._refused}, return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                return _DISCONNECT
            message = incoming.result()
            self.is_over |= message["type"] == _DISCONNECT["type"]
            return message
        finally:
            incoming.cancel()

    async def send(self, message: Any) -> None:
        """Send a message, unless it was closed."""
        if self._closing is None:
            self.is_over |= message["type"] == _CLOSE["type"]
            await self._send(message)

    async def end(self) -> None:
        """Wait until it is closed, if it is being closed."""
        if self._closing is not None:
            await self._closing

    async def _close(self) -> None:
        with suppress(OSError):  # the client has gone
            await self._send(_CLOSE)
