"""The WSGI entry point: what reaches Django, and what clients hear when it reads no body."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.errors import RequestTooLarge
from accounts.views.parsers import MULTIPART_MAX_BYTES
from hiremebahamas.wsgi import (
    BODY_MAX_BYTES,
    CHUNKED_MAX_BYTES,
    CONTENT_TYPE_MAX_LENGTH,
    DISCARD_MAX_BYTES,
    application,
)

pytestmark = pytest.mark.django_db


def call(body: bytes = b"", **environ: Any) -> tuple[str, Any, io.BytesIO]:
    """Return status, decoded body and what is left of the request's body."""
    status, _, decoded, stream = ask(body, **environ)
    return status, decoded, stream


def ask(body: bytes = b"", **environ: Any) -> tuple[str, dict[str, str], Any, io.BytesIO]:
    """Return the headers as well."""
    stream = io.BytesIO(body)
    told: list[Any] = []
    request = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/auth/verify",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": stream,
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }

    def start_response(status: str, *rest: object) -> Callable[[bytes], object]:
        told.extend((status, *rest))
        return io.BytesIO().write

    response = application(request | environ, start_response)
    text = b"".join(response)
    close = getattr(response, "close", None)
    if close is not None:
        close()
    return told[0], dict(told[1]), json.loads(text), stream


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"', "us-ascii"])
def test_utf8_reaches_django(charset: str) -> None:
    """In all its spellings."""
    status, _, _ = call(CONTENT_TYPE=f"application/json; charset={charset}")
    assert status.startswith("401")


@pytest.mark.parametrize(
    "content_type",
    [f"text/plain; charset={name}" for name in ("rot13", "base64", "zlib", "utf-16", "x", "")],
)
def test_other_charsets_are_a_415(content_type: str) -> None:
    """Django would answer some of them 500, before any code of ours runs."""
    status, body, _ = call(CONTENT_TYPE=content_type, QUERY_STRING="a=b")
    assert status == "415 Unsupported Media Type"
    assert body["code"] == "unsupported_media_type"


def test_refusals_before_django_have_its_headers() -> None:
    """A browser guesses the type of none of them, and no page embeds them."""
    _, headers, _, _ = ask(CONTENT_TYPE="text/plain; charset=rot13")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_long_content_type_is_a_415() -> None:
    """Python's parser of its parameters takes seconds for what fits into one header."""
    long = "application/json" + ";a=b" * CONTENT_TYPE_MAX_LENGTH
    status, body, _ = call(CONTENT_TYPE=f"{long}; charset=utf-8")
    assert (status[:3], body["code"]) == ("415", "unsupported_media_type")


@pytest.mark.parametrize("path", ["/admin/login/", "/auth/verify", "/nope"])
def test_body_that_no_view_reads_is_a_413(path: str) -> None:
    """Before Django, which writes a form's files to the disk, whatever their size."""
    status, body, rest = call(bytes(BODY_MAX_BYTES + 1), PATH_INFO=path)
    assert (status[:3], body["code"]) == ("413", RequestTooLarge.default_code)
    assert body["detail"] == RequestTooLarge.default_detail
    assert rest.read() == b""
    assert BODY_MAX_BYTES == MULTIPART_MAX_BYTES


def test_refused_body_is_read_all_the_same() -> None:
    """Or the client, still sending, would see a broken connection instead of the reason."""
    status, _, rest = call(bytes(1024 * 1024))
    assert status.startswith("401")
    assert rest.read() == b""


def test_nobody_is_read_for_ever() -> None:
    """Sixteen megabytes are enough."""
    _, _, rest = call(bytes(DISCARD_MAX_BYTES + 1))
    assert rest.read() == b"\x00"


CHUNKED = {
    "CONTENT_LENGTH": "",
    "CONTENT_TYPE": "application/json",
    "HTTP_TRANSFER_ENCODING": "chunked",
    "PATH_INFO": "/auth/login",
}
UNDONE = {"wsgi.input_terminated": True}


def test_body_in_chunks_is_read() -> None:
    """Where the server undoes the chunks; all of it."""
    status, body, _ = call(b'{"email": "a@b.example", "frist_name": 1}', **CHUNKED, **UNDONE)
    assert status.startswith("400")
    assert set(body) == {"password", "frist_name"}


@pytest.mark.parametrize("excess", [0, 1, 9_000_000])
def test_body_in_chunks_is_bounded(excess: int) -> None:
    """As others are; what is too much isn't kept, but is read to its end."""
    status, body, rest = call(bytes(CHUNKED_MAX_BYTES + excess), **CHUNKED, **UNDONE)
    assert (status[:3], body["code"]) == ("413", "request_too_large")
    assert rest.read() == b""
    # Or a form that is too large would be cut off, and taken for one that isn't.
    assert CHUNKED_MAX_BYTES == BODY_MAX_BYTES + 1


def test_chunks_are_a_411_where_nobody_undoes_them() -> None:
    """Unread: they are no body."""
    status, body, rest = call(b"0\r\n\r\n", **CHUNKED)
    assert (status, body["code"]) == ("411 Length Required", "length_required")
    assert rest.read() == b"0\r\n\r\n"
