"""Lead pages to HTTPS, and programs nowhere.

A program that asks by HTTP has sent its token for all to read. If it were led to HTTPS, nobody
would notice, and it would do so each time.
"""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, JsonResponse

from hiremebahamas.errors import ADMIN_PATH

PAGES: Final = frozenset(("/", "/api/docs", "/api/redoc", "/favicon.ico"))
BELOW: Final = (ADMIN_PATH, "/static/")
DETAIL: Final = "Ask this server by HTTPS."
CODE: Final = "https_required"

Handler = Callable[[HttpRequest], HttpResponse]


def https_only_middleware(get_response: Handler) -> Handler:
    """Refuse what SecurityMiddleware, after this one, would redirect, unless it is a page.

    Raises: MiddlewareNotUsed where that redirects nothing.
    """
    if not settings.SECURE_SSL_REDIRECT:
        raise MiddlewareNotUsed
    exempt = [re.compile(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]

    def insist(request: HttpRequest) -> HttpResponse:
        path = request.path
        if (
            request.is_secure()
            or path in PAGES
            or path.startswith(BELOW)
            or any(pattern.search(path.lstrip("/")) for pattern in exempt)
        ):
            return get_response(request)
        return JsonResponse({"detail": DETAIL, "code": CODE}, status=HTTPStatus.FORBIDDEN)

    return insist
