"""Give the admin site a host of its own, where ADMIN_HOST names one.

Pages of one host may read each other, and send what each other's cookies allow. So no page of the
API's host is one of the admin site's, nor the other way round.
"""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

from hiremebahamas.errors import ADMIN_PATH, not_found

SHARED: Final = ("/static/", "/health/", "/metrics", "/favicon.ico")
"""Without a cookie, or for staff and programs alike."""

Handler = Callable[[HttpRequest], HttpResponse]


def admin_host_middleware(get_response: Handler) -> Handler:
    """Answer 404 to the admin site on other hosts, and to all but the admin site on its own.

    Raises: MiddlewareNotUsed where it has none of its own.
    """
    if not settings.ADMIN_HOST:
        raise MiddlewareNotUsed

    def separate(request: HttpRequest) -> HttpResponse:
        host, _ = split_domain_port(request.get_host())
        is_there = host == settings.ADMIN_HOST
        if request.path.startswith(SHARED) or request.path.startswith(ADMIN_PATH) == is_there:
            return get_response(request)
        return not_found(request)

    return separate
