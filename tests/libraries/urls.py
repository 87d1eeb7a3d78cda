"""A view for each way to sign in; each answers with the user's first name, or 401."""

from typing import Any, ClassVar

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.sessions import CookieMiddleware, SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import NinjaAPI
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from usercache.auth.asgi import authenticate
from usercache.auth.asgi_sockets import CachedTokenMiddleware
from usercache.auth.authtoken import CachedTokenAuthentication
from usercache.auth.channels import CachedSessionMiddleware
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.knox import CachedKnoxAuthentication
from usercache.auth.ninja import AsyncCachedBearer, CachedBearer

api = NinjaAPI()


@api.get("/sync", auth=CachedBearer())
def by_ninja(request: Any) -> str:
    assert request.user == request.auth
    return str(request.user.first_name)


@api.get("/async", auth=AsyncCachedBearer())
async def by_async_ninja(request: Any) -> str:
    assert request.user == request.auth
    return str(request.user.first_name)


async def by_header(request: HttpRequest) -> HttpResponse:
    try:
        user = await authenticate(request.headers.get("Authorization"))
    except AuthenticationFailed:
        user = None
    return HttpResponse(user.first_name if user else "", status=200 if user else 401)


def by_drf(kind: Any) -> Any:
    def view(request: Request) -> Response:
        assert request.auth is not None
        return Response(getattr(request.user, "first_name", ""))

    for decorate in (permission_classes([IsAuthenticated]), authentication_classes([kind])):
        view = decorate(view)
    return api_view(["GET"])(view)


async def by_session(request: HttpRequest) -> HttpResponse:
    user = await request.auser()
    name = getattr(user, "first_name", "")
    return HttpResponse(name, status=200 if user.is_authenticated else 401)


async def consume(scope: Any, _receive: Any, send: Any) -> None:
    """Accept a WebSocket, and say who it is."""
    await send({"type": "websocket.accept"})
    name = scope["user"].first_name if scope["user"].is_authenticated else ""
    await send({"type": "websocket.send", "text": name})


class Echo(AsyncWebsocketConsumer):
    """Answer each text with itself, and note whose connection has ended."""

    ended: ClassVar[list[str]] = []

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        send: Any = self.send  # Channels has no types
        await send(text_data=text_data)

    async def disconnect(self, code: int) -> None:
        self.ended.append(self.scope["user"].username)


_echo: Any = Echo
_by_session: Any = CachedSessionMiddleware
_with_cookies: Any = CookieMiddleware
_with_sessions: Any = SessionMiddleware
token_socket = CachedTokenMiddleware(consume)
echo_socket = CachedTokenMiddleware(_echo.as_asgi())
session_socket = _with_cookies(_with_sessions(_by_session(consume)))

urlpatterns = [
    path("ninja/", api.urls),
    path("header", by_header),
    path("session", by_session),
    path("jwt", by_drf(CachedJWTAuthentication)),
    path("authtoken", by_drf(CachedTokenAuthentication)),
    path("knox", by_drf(CachedKnoxAuthentication)),
]
