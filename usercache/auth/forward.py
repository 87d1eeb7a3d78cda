r"""Tell a gateway which user a request is from, for services behind it that aren't Django.

nginx (`auth_request`), Traefik (`forwardAuth`) and Envoy (`ext_authz`) ask before they pass a
request on, and add the headers of a 200 to it. `ForwardAuth` answers in front of Django's handler,
in a twentieth of a view's time, from the same verified tokens and cached users.

Note [Identity headers]
-----------------------
`X-User-Id: 7`, `X-User-Version: 12` where there is USERCACHE_VERSION_FIELD, and, for each column of
`USERCACHE_FORWARD_FIELDS`, as in `X-User-Is-Admin: True`; values are percent-encoded.
`X-User-Signature: t=1763971200,v1=9f86d0…` has the time in seconds since 1970 and an HMAC-SHA256,
keyed with `USERCACHE_FORWARD_SIGNING_KEY`, over that time and the other headers, sorted by name:
`1763971200\nx-user-id:7\nx-user-is-admin:True`. A service that checks it needs no trust in what is
between it and this server.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, quote

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections
from rest_framework.exceptions import APIException, AuthenticationFailed

from usercache.auth.jwt import find_authentication
from usercache.conf import conf
from usercache.versions import version_of
from usercache.versions.header import HEADER as VERSION_HEADER
from usercache.versions.header import RETRY_SECONDS, read_version

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from django.contrib.auth.models import _User as User

PATH: Final = "/auth/forward"
HEADER_PREFIX: Final = "X-User-"
ID_HEADER: Final = f"{HEADER_PREFIX}Id"
SIGNATURE_HEADER: Final = f"{HEADER_PREFIX}Signature"
_COMMON: Final = (("Cache-Control", "no-store"), ("Content-Type", "application/json"))

Headers = list[tuple[str, str]]
Finder = Callable[["WSGIEnvironment"], "User | None"]
"""Returns the user of a request's credentials, None if they are of another kind; raises DRF's
exceptions, which are answered by their status and code."""


class ForwardAuth:
    """A WSGI application that answers one path, and hands all other requests on.

    200 with the identity headers, 401 without a valid token, 403 if the user lacks a permission of
    the query (`/auth/forward?permission=jobs.add_job`), 503 while the database is needed and away,
    or doesn't have the version that the request names (`X-User-Version`).
    Requests without an access token are shown to `others` in turn, which know further credentials.
    Paths below are answered as well: Envoy appends that of the request. Any method will do.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        path: str = PATH,
        *,
        others: Sequence[Finder] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Stand before an application.

        Raises:
            ImproperlyConfigured: USERCACHE_FORWARD_SIGNING_KEY is not set.
        """
        if not conf.USERCACHE_FORWARD_SIGNING_KEY:
            raise ImproperlyConfigured(
                "ForwardAuth needs USERCACHE_FORWARD_SIGNING_KEY: without a signature, a service "
                "can't tell its headers from a client's."
            )
        self._application = application
        self._path = path
        self._below = f"{path}/"
        self._others = others
        self._clock = clock
        self._authentication = find_authentication()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer the path, or hand the request on."""
        path: str = environ["PATH_INFO"]
        if path != self._path and not path.startswith(self._below):
            return self._application(environ, start_response)
        status, headers, body = self._answer(environ)
        start_response(f"{status.value} {status.phrase}", [*_COMMON, *headers])
        return [body]

    def _answer(self, environ: "WSGIEnvironment") -> tuple[HTTPStatus, Headers, bytes]:
        try:
            user = self._find_user(environ)
            if not _is_permitted(user, environ.get("QUERY_STRING", "")):
                return _refuse(HTTPStatus.FORBIDDEN, "permission_denied", [])
            return HTTPStatus.OK, self._describe(user), b""
        except AuthenticationFailed as error:
            realm = self._authentication.www_authenticate_realm
            challenge = [("WWW-Authenticate", f'Bearer realm="{realm}"')]
            return _refuse(HTTPStatus.UNAUTHORIZED, _code_of(error), challenge)
        except APIException as error:  # of one of the others, or of the version
            return _refuse(HTTPStatus(error.status_code), _code_of(error), _wait_of(error))
        except AnyDatabaseError:
            wait = [("Retry-After", str(RETRY_SECONDS))]
            return _refuse(HTTPStatus.SERVICE_UNAVAILABLE, "database_unavailable", wait)
        finally:
            close_old_connections()  # as Django does at the end of its own requests

    def _find_user(self, environ: "WSGIEnvironment") -> "User":
        header = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        raw_token = self._authentication.get_raw_token(header)
        if raw_token is None:
            for find in self._others:
                if (user := find(environ)) is not None:
                    return user
            raise AuthenticationFailed(code="not_authenticated")
        token = self._authentication.get_validated_token(raw_token)
        return self._authentication.get_user_at(token, read_version(environ))

    def _describe(self, user: "User") -> Headers:
        headers = {ID_HEADER: quote(str(user.pk))}
        if conf.USERCACHE_VERSION_FIELD:
            headers[VERSION_HEADER] = str(version_of(user))
        for name in conf.USERCACHE_FORWARD_FIELDS:
            headers[header_name(name)] = quote(str(getattr(user, name)))
        headers[SIGNATURE_HEADER] = sign(
            headers, conf.USERCACHE_FORWARD_SIGNING_KEY, int(self._clock())
        )
        return list(headers.items())


def header_name(column: str) -> str:
    """Return the header of a column: `X-User-Is-Admin`."""
    return HEADER_PREFIX + column.replace("_", "-").title()


def sign(headers: Mapping[str, str], key: str, seconds: int) -> str:
    """Return the signature header's value; see Note [Identity headers]."""
    lines = (f"{name.lower()}:{headers[name]}" for name in sorted(headers, key=str.lower))
    signed = "\n".join((str(seconds), *lines))
    digest = hmac.new(key.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def _is_permitted(user: "User", query: str) -> bool:
    # Each of them, so that a query of the client's, which Envoy appends, can only ask for more.
    return not query or all(map(user.has_perm, parse_qs(query).get("permission", ())))


def _refuse(status: HTTPStatus, code: str, headers: Headers) -> tuple[HTTPStatus, Headers, bytes]:
    return status, headers, json.dumps({"detail": status.phrase, "code": code}).encode()


def _wait_of(error: APIException) -> Headers:
    seconds = getattr(error, "wait", None)  # as DRF's own handler reads it
    return [("Retry-After", str(seconds))] if seconds else []


def _code_of(error: APIException) -> str:
    detail: Any = error.detail  # simplejwt's is a dictionary
    return str(detail["code"] if isinstance(detail, dict) else detail.code)
