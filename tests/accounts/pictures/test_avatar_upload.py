"""Uploading a picture: the file, the row and the cache agree, whatever goes wrong."""

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.pictures.avatars import _take_turn
from accounts.views.parsers import MULTIPART_MAX_BYTES
from tests.accounts.pictures.test_avatars import picture

pytestmark = pytest.mark.django_db


def upload(client: APIClient, data: bytes, name: str = "me.jpg") -> tuple[int, dict[str, str]]:
    form = {"file": SimpleUploadedFile(name, data, "text/html")}
    response = client.post("/auth/upload-avatar", form, format="multipart")
    return response.status_code, response.json()


def post_raw(client: APIClient, body: bytes, content_type: str) -> Any:
    # The stubs know text only.
    return client.generic("POST", "/auth/upload-avatar", cast(str, body), content_type)


def files(media: Path) -> list[str]:
    return [path.name for path in sorted(media.rglob("*")) if path.is_file()]


@pytest.mark.django_db(transaction=True)
def test_picture_is_stored_and_seen_at_once(as_alice: APIClient, media: Path) -> None:
    """With the user warm in the cache; under a name that nobody can choose or guess."""
    assert as_alice.get("/auth/profile").json()["avatar_url"] == ""
    status_code, body = upload(as_alice, picture("JPEG"), "../../evil.html")
    assert status_code == 200
    [name] = files(media)
    assert body == {"avatar_url": f"/media/avatars/{name}"}
    assert len(name) == len("0123456789abcdef0123456789abcdef.webp")
    assert as_alice.get("/auth/profile").json()["avatar_url"] == body["avatar_url"]
    assert User.objects.get().avatar_url == body["avatar_url"]


@pytest.mark.django_db(transaction=True)
def test_old_file_goes_with_the_new_one(as_alice: APIClient, media: Path) -> None:
    """One picture per user is kept."""
    _, first = upload(as_alice, picture("JPEG"))
    _, second = upload(as_alice, picture("PNG"))
    assert first != second
    assert files(media) == [Path(second["avatar_url"]).name]


@pytest.mark.django_db(transaction=True)
def test_foreign_urls_are_left_alone(as_alice: APIClient, alice: User, media: Path) -> None:
    """A picture that isn't ours is not deleted, whatever its name."""
    (media / "avatars").mkdir()
    (media / "avatars" / "x.webp").write_bytes(b"somebody else's")
    User.objects.update(avatar_url="https://example.com/x.webp")
    assert upload(as_alice, picture("JPEG"))[0] == 200
    assert "x.webp" in files(media)


@pytest.mark.django_db(transaction=True)
def test_failure_leaves_the_old_picture(
    as_alice: APIClient, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the row can't be written, the new file goes, and the old one stays."""
    _, first = upload(as_alice, picture("JPEG"))

    def fail(*args: object, **kwargs: object) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(User, "save", fail)
    with pytest.raises(DatabaseError):
        upload(as_alice, picture("PNG"))
    assert files(media) == [Path(first["avatar_url"]).name]
    assert as_alice.get("/auth/profile").json()["avatar_url"] == first["avatar_url"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errno.ENOSPC, (507, "storage_full")),
        (errno.EDQUOT, (507, "storage_full")),
        (errno.EACCES, (503, "storage_unavailable")),
        (errno.EROFS, (503, "storage_unavailable")),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_file_that_cannot_be_written_leaves_nothing(
    as_alice: APIClient,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: int,
    expected: tuple[int, str],
) -> None:
    """Not half of itself, and the old picture stays; the answer says why."""
    _, first = upload(as_alice, picture("JPEG"))
    chunks = ContentFile.chunks

    def write_half(file: "ContentFile[bytes]", size: int | None = None) -> Iterator[bytes]:
        yield next(iter(chunks(file, size)))[:100]
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(ContentFile, "chunks", write_half)
    answer = upload(as_alice, picture("PNG"))
    assert (answer[0], answer[1]["code"]) == expected
    assert files(media) == [Path(first["avatar_url"]).name]
    assert as_alice.get("/auth/profile").json()["avatar_url"] == first["avatar_url"]


def test_picture_that_waits_too_long_is_a_503(
    as_alice: APIClient, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the time after which to try again."""
    monkeypatch.setattr("accounts.pictures.avatars.TURN_SECONDS", 0.01)
    form = {"file": SimpleUploadedFile("me.jpg", picture("JPEG"))}
    with _take_turn():
        response = as_alice.post("/auth/upload-avatar", form, format="multipart")
    assert (response.status_code, response.json()["code"]) == (503, "busy")
    assert response.headers["Retry-After"] == "1"


def test_no_upload_needs_room_for_temporary_files(settings: Settings) -> None:
    """Django would put larger ones on a disk, which may be full."""
    assert settings.FILE_UPLOAD_MAX_MEMORY_SIZE == MULTIPART_MAX_BYTES


@pytest.mark.parametrize("data", [b"", b"text", picture("GIF"), picture("PNG")[:-9]], ids=len)
def test_bad_file_is_a_400_on_file(as_alice: APIClient, media: Path, data: bytes) -> None:
    """And stores nothing."""
    status_code, body = upload(as_alice, data)
    assert status_code == 400
    assert set(body) == {"file"}
    assert files(media) == []


def test_too_large_is_a_400_on_file_or_a_413(as_alice: APIClient, media: Path) -> None:
    """Over 5 MB the file is named; far over, the body isn't even read."""
    status_code, body = upload(as_alice, b"\xff\xd8\xff" + bytes(5 * 1024 * 1024))
    assert (status_code, set(body)) == (400, {"file"})
    status_code, body = upload(as_alice, bytes(MULTIPART_MAX_BYTES))
    assert (status_code, body["code"]) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({}, {"file"}),
        ({"file": "text"}, {"file"}),
        ({"picture": "x"}, {"file", "picture"}),
        ({"file": [io.BytesIO(picture("PNG")), io.BytesIO(picture("PNG"))]}, {"file"}),
        ({"file": io.BytesIO(picture("PNG")), "name": "x"}, {"name"}),
    ],
)
def test_bad_form_is_a_400_that_names_the_part(
    as_alice: APIClient, media: Path, form: dict[str, object], named: set[str]
) -> None:
    """Missing, not a file, misspelt, twice, or more than asked for."""
    response = as_alice.post("/auth/upload-avatar", form, format="multipart")
    assert response.status_code == 400
    assert set(response.json()) == named
    assert files(media) == []


@pytest.mark.parametrize(
    ("content_type", "body", "status_code"),
    [
        ("application/json", b'{"file": "x"}', 415),
        ("application/octet-stream", picture("PNG"), 415),
        ("image/png", picture("PNG"), 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=", b"x", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nnonsense", 400),
        ("multipart/form-data; boundary=x", b"", 400),
    ],
)
def test_other_bodies_are_refused(
    as_alice: APIClient, media: Path, content_type: str, body: bytes, status_code: int
) -> None:
    """With a 4xx that says what is wrong."""
    response = post_raw(as_alice, body, content_type)
    assert response.status_code == status_code


def test_thousands_of_parts_are_a_400(as_alice: APIClient) -> None:
    """Django's own limit on parts is answered in JSON."""
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    body = part * 2000 + b"--x--\r\n"
    content_type = "multipart/form-data; boundary=x"
    response = post_raw(as_alice, body, content_type)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_pictures_are_limited(
    as_alice: APIClient, media: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or one account that uploads without a pause would have log-ins refused as busy.

    What is refused isn't decoded.
    """
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"picture": {"account": (2, 3600)}}
    assert [upload(as_alice, picture("JPEG"))[0] for _ in range(2)] == [200, 200]
    monkeypatch.setattr(
        "accounts.views.profile.prepare_avatar", lambda _: pytest.fail("It was decoded.")
    )
    assert upload(as_alice, picture("JPEG"))[0] == 429
