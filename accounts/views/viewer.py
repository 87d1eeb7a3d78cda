"""Who is asking."""

from typing import cast

from rest_framework.request import Request

from accounts.models import User


def get_viewer(request: Request) -> User:
    """Return the user behind the access token, read-only since it comes from the cache.

    For views that let nobody else in.
    """
    return cast(User, request.user)
