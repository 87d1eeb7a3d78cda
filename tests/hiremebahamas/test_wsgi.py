"""The WSGI entry point: what reaches Django, and what clients hear when it reads no body."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.views.parsers import MULTIPART_MAX_BYTES
from hiremebahamas.wsgi import CHUNKED_MAX_BYTES, DISCARD_MAX_BYTES, application

pytestmark = pytest.mark.django_db


def call(body: bytes = b"", **environ: Any) -> tuple[str, Any, io.BytesIO]:
    """Return status, decoded body and what is left of the request's body."""
    stream = io.BytesIO(body)
    statuses: list[str] = []
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
        statuses.append(status)
        return io.BytesIO().write

    response = application(request | environ, start_response)
    text = b"".join(response)
    close = getattr(response, "close", None)
    if close is not None:
        close()
    return statuses[0], json.loads(text), stream


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
    assert CHUNKED_MAX_BYTES == MULTIPART_MAX_BYTES + 1


def test_chunks_are_a_411_where_nobody_undoes_them() -> None:
    """Unread: they are no body."""
    status, body, rest = call(b"0\r\n\r\n", **CHUNKED)
    assert (status, body["code"]) == ("411 Length Required", "length_required")
    assert rest.read() == b"0\r\n\r\n"
