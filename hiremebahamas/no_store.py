"""Let browsers and proxies store no answer, unless a view allows it."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

HEADER: Final = "Cache-Control"


def no_store_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Set `Cache-Control: no-store` where a view has not decided.

    An answer may be personal when the request had no token (a log-in), and when it is an error. So
    a view must say what may be stored, rather than what may not.
    """

    def forbid_storing(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault(HEADER, "no-store")
        return response

    return forbid_storing
