"""A name for each request: in its answer, and in each line that is logged on its behalf.

A proxy names it (`X-Request-Id`), so that its log and ours can be read side by side; a request that
comes without a name, or with one that isn't plain, gets one here.
"""

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER: Final = "X-Request-Id"
VARIABLE: Final = "HTTP_X_REQUEST_ID"
ID_BYTES: Final = 16
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_current: Final[ContextVar[str]] = ContextVar("request_id", default="")


class NamedRequests:
    """A WSGI application that names each request, and answers as the one behind it does."""

    def __init__(self, application: "WSGIApplication") -> None:
        """Stand before an application."""
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer, with the name among the headers."""
        given = environ.get(VARIABLE, "")
        request_id = given if _PLAIN.fullmatch(given) else os.urandom(ID_BYTES).hex()

        def start_named(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, (HEADER, request_id)], *rest)

        token = _current.set(request_id)
        try:
            return self._application(environ, start_named)
        finally:
            _current.reset(token)


def get_request_id() -> str:
    """Return the name of the request that this thread answers; "" outside of one."""
    return _current.get()
