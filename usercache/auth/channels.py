"""Authenticate Channels' connections: `scope["user"]` by an access token or a session."""

from typing import Any

from channels.auth import AuthMiddleware
from channels.db import database_sync_to_async
from channels.middleware import BaseMiddleware
from django.contrib.auth.models import AnonymousUser
from rest_framework.exceptions import AuthenticationFailed

from usercache.auth.asgi import authenticate, header_of
from usercache.auth.sessions import find_user


class CachedTokenMiddleware(BaseMiddleware):
    """Let `scope["user"]` be the user of the Authorization header; AnonymousUser without one."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Find the user, and hand the connection on."""
        try:
            user = await authenticate(header_of(scope))
        except AuthenticationFailed:
            user = None
        scope = {**scope, "user": user or AnonymousUser()}
        return await super().__call__(scope, receive, send)  # type: ignore[no-untyped-call]  # no types there


class CachedSessionMiddleware(AuthMiddleware):
    """Channels' AuthMiddleware, whose user comes from the cache; as `sessions.py` for requests."""

    async def resolve_scope(self, scope: Any) -> None:
        """Let the user be that of the session; Channels' own code decides on one not believed."""
        user = await database_sync_to_async(find_user)(scope["session"])
        if user is None:
            await super().resolve_scope(scope)  # type: ignore[no-untyped-call]  # likewise
        else:
            scope["user"]._wrapped = user
