"""No password hash and no token gets out: not in an answer, not in a log, not at another door."""

import logging
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from tests.accounts.pictures.test_avatars import picture
from tests.cast import NEW_PASSWORD, PASSWORD

pytestmark = pytest.mark.django_db


def test_no_secret_in_any_answer_or_log(
    anybody: APIClient, media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Through a whole life of an account, refusals included."""
    caplog.set_level(logging.DEBUG)
    answers: list[Any] = []
    secrets = {PASSWORD, NEW_PASSWORD}

    def call(method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        response = getattr(anybody, method)(path, *args, **kwargs)
        answers.append(response)
        body = response.json() if response.content else {}
        if "access_token" in body:
            anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
            secrets.update((body["access_token"], body["refresh_token"]))
        secrets.update(User.objects.values_list("password", flat=True))
        return body

    names = {"first_name": "Zoe", "last_name": "Rolle", "username": "zoe"}
    credentials = {"email": "zoe@example.com", "password": PASSWORD}
    call("post", "/auth/register", credentials | names)
    call("post", "/auth/login", credentials | {"password": NEW_PASSWORD})
    token = call("post", "/auth/login", credentials)["refresh_token"]
    call("post", "/auth/refresh", {"refresh_token": token})
    call("get", "/auth/verify")
    call("put", "/auth/profile", {"bio": "x", "phone": "x"})
    call("put", "/auth/profile", {"bio": "x"})
    form = {"file": SimpleUploadedFile("me.png", picture("PNG"))}
    call("post", "/auth/upload-avatar", form, format="multipart")
    call("get", "/users")
    call("get", f"/users/{User.objects.get().pk}")
    call("get", "/users/lookup", {"username": "zoe"})
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    call("post", "/auth/change-password", change | {"current_password": NEW_PASSWORD})
    token = call("post", "/auth/change-password", change)["refresh_token"]
    call("get", "/auth/sessions")
    call("post", "/auth/logout", {"refresh_token": token})
    call("post", "/auth/login", {"email": "zoe@example.com", "password": NEW_PASSWORD})
    call("delete", "/auth/account", {"password": PASSWORD})
    call("delete", "/auth/account", {"password": NEW_PASSWORD})
    assert [answer.status_code for answer in answers].count(204) == 1

    for secret in secrets:
        for answer in answers:
            if b'"access_token"' not in answer.content:
                assert secret.encode() not in answer.content
        assert secret not in caplog.text
    for answer in answers:
        assert b"argon2" not in answer.content
        assert b"token_version" not in answer.content
