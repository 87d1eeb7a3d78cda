"""WebSockets without Channels, which are closed within a second of a deactivation or a log-out."""

import os

import django
from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.http import HttpRequest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiremebahamas.settings")
django.setup()

from accounts.api_keys import authentication as api_keys  # noqa: E402  # after Django is set up
from usercache.auth.asgi import admit, header_of  # noqa: E402
from usercache.auth.asgi_sockets import CachedTokenMiddleware  # noqa: E402
from usercache.auth.open_sockets import Admission  # noqa: E402


async def echo(scope, receive, send):
    await receive()
    if not scope["user"].is_authenticated:
        await send({"type": "websocket.close", "code": 3000})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def admit_any(scope):
    return await admit(scope) or await sync_to_async(admit_key)(scope)


def admit_key(scope):
    request = HttpRequest()
    client, _ = scope["client"]
    header = (header_of(scope) or b"").decode("latin-1")
    request.META = {"HTTP_AUTHORIZATION": header, "REMOTE_ADDR": client}
    close_old_connections()  # as Django does around its own requests
    try:
        found = api_keys.ApiKeyAuthentication().authenticate(request)
    finally:
        close_old_connections()
    if found is None:
        return None
    user, key = found
    return Admission(user, lambda user: api_keys.is_good(key, user), key.expires_at)


application = CachedTokenMiddleware(echo, admit_any)
