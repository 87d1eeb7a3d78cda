"""The user of the access token."""

from typing import Any, cast
from uuid import UUID

from rest_framework.request import Request

from accounts.models import User
from accounts.tokens.claims import SESSION_CLAIM


def get_viewer(request: Request) -> User:
    """Return the user behind the access token, read-only as the settings say.

    For views that require an access token.
    """
    return cast(User, request.user)


def get_session_id(request: Request) -> UUID | None:
    """Return the id of the session that the access token is of; an API key is of none."""
    claims: Any = request.auth
    try:
        return UUID(claims.get(SESSION_CLAIM))
    except (AttributeError, TypeError, ValueError):
        return None
