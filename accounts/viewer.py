"""The user of the access token."""

from typing import cast

from rest_framework.request import Request

from accounts.models import User


def get_viewer(request: Request) -> User:
    """Return the user behind the access token, read-only as the settings say.

    For views that require an access token.
    """
    return cast(User, request.user)
