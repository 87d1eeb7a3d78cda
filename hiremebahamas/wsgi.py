"""The entry point for WSGI servers: `hiremebahamas.wsgi:application`."""

import os
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiremebahamas.settings")

CHARSETS = ("utf-8", "utf8", "us-ascii")
CHUNK_BYTES = 64 * 1024
DISCARD_MAX_BYTES = 16 * 1024 * 1024
REFUSAL = b'{"detail": "Send UTF-8.", "code": "unsupported_media_type"}'

django_application = get_wsgi_application()


def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Hand the request to Django, unless it comes in another charset than UTF-8.

    Django takes any name that Python has a codec for, and fails, before a middleware could help,
    with those that aren't text: rot13, base64, zlib.
    """
    if _is_utf8(environ.get("CONTENT_TYPE", "")):
        response = django_application(environ, start_response)
        _discard_rest(environ)
        return response
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(REFUSAL)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [REFUSAL]


def _discard_rest(environ: "WSGIEnvironment") -> None:
    # A body that was refused unread: many clients send all of it before they listen, and would see
    # a broken connection instead of the reason.
    for _ in range(DISCARD_MAX_BYTES // CHUNK_BYTES):
        if not environ["wsgi.input"].read(CHUNK_BYTES):
            return


def _is_utf8(content_type: str) -> bool:
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:  # malformed, or too long
        return False
    return parameters.get("charset", CHARSETS[0]).lower() in CHARSETS
