"""What Django tells browsers of every answer, on the answers that are given before Django.

Those are refusals by the WSGI applications in front of it, answers to gateways and, where there are
other origins, to preflights.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware

from hiremebahamas.content_security import HEADER as POLICY_HEADER
from hiremebahamas.content_security import STRICT_POLICY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MARK: Final = "x-content-type-options"
"""SecurityMiddleware sets it on every answer that it sees."""
HTTPS: Final = "https"

Header = tuple[str, str]


class SecuredAnswers:
    """A WSGI application that adds the headers to answers of the one behind it that lack them."""

    def __init__(self, application: "WSGIApplication") -> None:
        """Stand before an application."""
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer."""

        def start_secured(status: str, headers: list[Header], *rest: Any) -> Any:
            if not any(name.lower() == MARK for name, _ in headers):
                given = {name.lower() for name, _ in headers}
                added = make_headers(is_secure=_is_secure(environ))
                headers = [*headers, *(it for it in added if it[0].lower() not in given)]
            return start_response(status, headers, *rest)

        return self._application(environ, start_secured)


@cache
def make_headers(*, is_secure: bool) -> tuple[Header, ...]:
    """Return what SecurityMiddleware sets, by its own settings, and the strict policy."""
    request, response = HttpRequest(), HttpResponse()
    request.is_secure = lambda: is_secure  # type: ignore[method-assign]
    SecurityMiddleware(lambda _: response).process_response(request, response)
    del response.headers["Content-Type"]
    return (*response.headers.items(), (POLICY_HEADER, STRICT_POLICY))


def _is_secure(environ: "WSGIEnvironment") -> bool:
    request = HttpRequest()
    request.META = environ
    return environ.get("wsgi.url_scheme") == HTTPS or request.is_secure()
