"""Sessions, CSRF, log-in and messages for the pages that use them: those of the admin site."""

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from hiremebahamas.errors import ADMIN_PATH

HEALTH_PATH: Final = "/health/cache"
"""Staff may read it with their session of the admin site."""
SESSION_PATHS: Final = (ADMIN_PATH, HEALTH_PATH)

Handler = Callable[[HttpRequest], HttpResponse]


def session_pages_middleware(get_response: Handler) -> Handler:
    """Skip every middleware that MIDDLEWARE lists after this one, except on SESSION_PATHS.

    They stay in MIDDLEWARE as Django's own, so that its checks find them. An access token needs
    none of them, and they take a seventh of the time of its request.
    """
    call_view = _find_view_handler(get_response)

    def choose_handler(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(SESSION_PATHS):
            return get_response(request)
        return call_view(request)

    return choose_handler


def _find_view_handler(handler: Any) -> Handler:
    # Django wraps each middleware, and the method that calls the view, by functools.wraps().
    while hasattr(handler.__wrapped__, "get_response"):
        handler = handler.__wrapped__.get_response
    found: Handler = handler
    return found
