"""The refresh token of a browser app, in a cookie that no script reads: Note [Refresh cookie].

Note [Refresh cookie]
A client asks for it by the header X-Refresh-Cookie at whatever gives it tokens. The answer then has
the access token alone, so a script injected into the page can use the session while the page is
open, and take nothing away that lasts.

The cookie is HttpOnly, Secure, SameSite=Strict, has no Domain, and is sent to the two paths that
read it and to no other. For that its name begins with `__Secure-`: `__Host-` would want the path /.
So a page on a sibling host can plant a cookie of this name for the parent domain; where a request
has two of them, neither counts.

A browser sends the cookie no matter which page asks, and pages of the same site are no strangers to
SameSite. So those two paths, too, want the header: no form can set it, nor a script of another
origin before a preflight, which only the origins of CORS_ALLOWED_ORIGINS pass. Not the header
Origin, which would have to be compared with our own name, as the proxies before us tell it. At a
log-in it does the same: no other page can log its reader in as somebody else.
"""

from typing import Any, Final, cast

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from accounts.errors import InvalidRefreshToken, RefreshHeaderRequired

HEADER: Final = "X-Refresh-Cookie"
"""Its presence counts, and not its value."""
NAME: Final = "refresh_token"
SECURE_PREFIX: Final = "__Secure-"


def is_asked_for(request: HttpRequest) -> bool:
    """Return whether this client keeps its refresh token in the cookie."""
    return HEADER in request.headers


def set_cookie(response: HttpResponseBase, refresh_token: str) -> None:
    """Give the client its next refresh token."""
    response.set_cookie(
        get_name(),
        refresh_token,
        max_age=settings.AUTH_SESSION_IDLE_SECONDS,
        path=_get_path(),
        secure=settings.AUTH_REFRESH_COOKIE_SECURE,
        httponly=True,
        samesite=cast(Any, settings.AUTH_REFRESH_COOKIE_SAMESITE),
    )


def delete_cookie(response: HttpResponseBase) -> None:
    """Let the client forget it."""
    same_site = cast(Any, settings.AUTH_REFRESH_COOKIE_SAMESITE)
    response.delete_cookie(get_name(), path=_get_path(), samesite=same_site)


def read_cookie(request: HttpRequest) -> str:
    """Return the refresh token.

    Raises: RefreshHeaderRequired; InvalidRefreshToken if there is none, or more than one.
    """
    if not is_asked_for(request):
        raise RefreshHeaderRequired
    name = get_name()
    pairs = request.META.get("HTTP_COOKIE", "").split(";")
    if [pair.partition("=")[0].strip() for pair in pairs].count(name) != 1:
        raise InvalidRefreshToken
    return request.COOKIES[name]


def get_name() -> str:
    """Return the cookie's name, which has a browser refuse it where it isn't Secure."""
    return SECURE_PREFIX + NAME if settings.AUTH_REFRESH_COOKIE_SECURE else NAME


def _get_path() -> str:
    # What the two paths have in common.
    return reverse("refresh-by-cookie").rpartition("/")[0]
