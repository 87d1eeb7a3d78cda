"""Authenticate django-ninja's operations by their access tokens."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from ninja.security import HttpBearer
from rest_framework.exceptions import AuthenticationFailed

from usercache.auth.asgi import authenticate_token
from usercache.auth.jwt import find_authentication

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User


class CachedBearer(HttpBearer):
    """`NinjaAPI(auth=CachedBearer())`: `request.auth` and `request.user` are the token's user.

    Without a valid token of an active user, ninja answers 401.
    """

    def authenticate(self, request: HttpRequest, token: str) -> "User | None":
        """Return the token's user, None to refuse it."""
        authentication = find_authentication()
        try:
            validated = authentication.get_validated_token(token)
            return _give(request, authentication.get_user(validated))
        except AuthenticationFailed:
            return None


class AsyncCachedBearer(HttpBearer):
    """The same for async operations, on the event loop while token and user are in memory."""

    async def authenticate(self, request: HttpRequest, token: str) -> "User | None":
        """Return the token's user, None to refuse it."""
        try:
            return _give(request, await authenticate_token(token))
        except AuthenticationFailed:
            return None


def _give(request: HttpRequest, user: "User") -> "User":
    request.user = user
    return user
