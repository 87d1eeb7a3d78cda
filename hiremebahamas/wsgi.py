"""The entry point for WSGI servers: `hiremebahamas.wsgi:application`."""

import io
import os
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

from hiremebahamas.postgresql.gate import RUNTIME
from hiremebahamas.request_ids import NamedRequests
from hiremebahamas.security_headers import SecuredAnswers

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiremebahamas.settings")

CHARSETS = ("utf-8", "utf8", "us-ascii")
CHUNK_BYTES = 64 * 1024
DISCARD_MAX_BYTES = 16 * 1024 * 1024
# The largest body that a view reads: a form with a picture.
BODY_MAX_BYTES = 6 * 1024 * 1024
# One byte more: a body that was cut off here is still refused by its size.
CHUNKED_MAX_BYTES = BODY_MAX_BYTES + 1
# The longest boundary has 70 characters.
CONTENT_TYPE_MAX_LENGTH = 512


class Refusal(NamedTuple):
    """An answer that is given before Django sees the request."""

    status: HTTPStatus
    body: bytes


NOT_UTF8 = Refusal(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    b'{"detail": "Send UTF-8.", "code": "unsupported_media_type"}',
)
NO_LENGTH = Refusal(
    HTTPStatus.LENGTH_REQUIRED,
    b'{"detail": "Send a Content-Length: this server reads no body in chunks.", '
    b'"code": "length_required"}',
)

TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    b'{"detail": "The request is too large. Send less.", "code": "request_too_large"}',
)

# Before the first connection: waits for the database are shorter here than in a command.
RUNTIME.serves_requests = True
django_application = get_wsgi_application()


def checked_application(
    environ: "WSGIEnvironment", start_response: "StartResponse"
) -> Iterable[bytes]:
    """Hand the request to Django, unless it comes in another charset than UTF-8.

    Django takes any name that Python has a codec for, and fails, before a middleware could help,
    with those that aren't text: rot13, base64, zlib.

    A body that no view would read is refused here: of a form, Django bounds the fields and not the
    files, and the admin site's forms are for everybody who has a cookie.

    A body in chunks is read here: it has no Content-Length, and Django takes that for an empty
    body. Where the server doesn't say that it undoes the chunks, as runserver doesn't, the request
    is refused, and the connection closed with the chunks unread.
    """
    body = environ["wsgi.input"]
    if not _is_utf8(environ.get("CONTENT_TYPE", "")):
        return _refuse(NOT_UTF8, start_response)
    if _read_length(environ) > BODY_MAX_BYTES:
        _discard_rest(body)
        return _refuse(TOO_LARGE, start_response)
    if "HTTP_TRANSFER_ENCODING" in environ:
        if not environ.get("wsgi.input_terminated"):
            return _refuse(NO_LENGTH, start_response)
        content = _read_chunks(body)
        environ["CONTENT_LENGTH"] = str(len(content))
        environ["wsgi.input"] = io.BytesIO(content)
    response = django_application(environ, start_response)
    _discard_rest(body)
    return response


def _refuse(refusal: Refusal, start_response: "StartResponse") -> Iterable[bytes]:
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    start_response(f"{refusal.status.value} {refusal.status.phrase}", headers)
    # No list, whose length runserver would announce, and then keep the connection.
    return (part for part in [refusal.body])


def _read_length(environ: "WSGIEnvironment") -> int:
    try:
        return int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:  # runserver passes anything on; Django takes it for no body
        return 0


def _read_chunks(body: "InputStream") -> bytes:
    content = bytearray()
    while missing := CHUNKED_MAX_BYTES - len(content):
        data = body.read(min(missing, CHUNK_BYTES))
        if not data:
            break
        content += data
    return bytes(content)


def _discard_rest(body: "InputStream") -> None:
    # A body that was refused unread: many clients send all of it before they listen, and would see
    # a broken connection instead of the reason.
    for _ in range(DISCARD_MAX_BYTES // CHUNK_BYTES):
        if not body.read(CHUNK_BYTES):
            return


def _is_utf8(content_type: str) -> bool:
    if len(content_type) > CONTENT_TYPE_MAX_LENGTH:  # its parameters take the square of its length
        return False
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:  # malformed, or too long
        return False
    return parameters.get("charset", CHARSETS[0]).lower() in CHARSETS


def _find_application() -> "WSGIApplication":
    if not settings.USERCACHE_FORWARD_SIGNING_KEY:
        return checked_application
    # After Django is set up.
    from accounts.api_keys.authentication import find_forwarded_user  # noqa: PLC0415
    from usercache.auth.forward import ForwardAuth  # noqa: PLC0415

    return ForwardAuth(checked_application, others=[find_forwarded_user])


def complete(inner: "WSGIApplication") -> "WSGIApplication":
    """Return an application whose answers have what each answer must have."""
    return NamedRequests(SecuredAnswers(inner))


application = complete(_find_application())
