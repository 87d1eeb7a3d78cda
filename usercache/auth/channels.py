"""Authenticate Channels' connections by a session; `asgi_sockets.py` does by a token."""

from typing import Any

from channels.auth import AuthMiddleware
from channels.db import database_sync_to_async

from usercache.auth.sessions import find_user


class CachedSessionMiddleware(AuthMiddleware):
    """Channels' AuthMiddleware, whose user comes from the cache; as `sessions.py` for requests."""

    async def resolve_scope(self, scope: Any) -> None:
        """Let the user be that of the session; Channels' own code decides on one not believed."""
        user = await database_sync_to_async(find_user)(scope["session"])
        if user is None:
            await super().resolve_scope(scope)  # type: ignore[no-untyped-call]  # likewise
        else:
            scope["user"]._wrapped = user
