"""Slow work leaves threads for the rest."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.errors import Busy
from accounts.limits.workload import Workload, slow_work
from accounts.models import User
from tests.accounts.endpoints import CREDENTIALS, PASSWORDS, REGISTRATION
from tests.accounts.pictures.test_avatars import picture
from tests.cast import PASSWORD
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db


def upload(client: APIClient) -> Any:
    form = {"file": SimpleUploadedFile("me.png", picture("PNG"))}
    return client.post("/auth/upload-avatar", form, format="multipart")


SLOW: list[Callable[[APIClient], Any]] = [
    lambda client: client.post("/auth/login", CREDENTIALS),
    lambda client: client.post("/auth/register", REGISTRATION),
    lambda client: client.post("/auth/change-password", PASSWORDS),
    lambda client: client.delete("/auth/account", {"password": PASSWORD}),
    lambda client: client.get("/users?search=chef"),
    upload,
]


@pytest.mark.parametrize("send", SLOW)
def test_what_is_slow_is_refused_while_enough_of_it_runs(
    as_alice: APIClient, settings: Settings, send: Callable[[APIClient], Any]
) -> None:
    """With a 503 at once, and counted against nobody; what is quick goes on."""
    settings.AUTH_LIMITS = {
        action: dict.fromkeys(scopes, (1, 3600)) for action, scopes in settings.AUTH_LIMITS.items()
    }
    with ExitStack() as stack:
        for _ in range(settings.AUTH_SLOW_REQUESTS_MAX):
            stack.enter_context(slow_work())
        for _ in range(3):
            refused = send(as_alice)
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            assert refused.headers["Retry-After"] == "1"
        assert as_alice.get("/auth/verify").status_code == 200
        assert as_alice.get("/health/live").status_code == 200
    assert send(as_alice).status_code in (200, 201, 204)


def test_admin_log_in_is_slow_work(client: Client, dora: User, settings: Settings) -> None:
    """As a page, and with the time after which to try again."""
    form = {"username": dora.email, "password": PASSWORD}
    settings.AUTH_SLOW_REQUESTS_MAX = 1
    with slow_work():
        refused = client.post("/admin/login/", form)
        assert client.get("/admin/login/").status_code == 200
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.headers["Content-Type"].startswith("text/html")
    assert client.post("/admin/login/", form).status_code == 302


def test_there_are_never_more_than_that(settings: Settings) -> None:
    """Of eight at once two get in, however they end; then there is room again."""
    settings.AUTH_SLOW_REQUESTS_MAX = 2
    workload, counts = Workload(), list[int]()

    def work(number: int) -> None:
        with workload.slow_work():
            counts.append(workload._inside)
            if number % 2:
                raise ZeroDivisionError

    run_together([partial(work, number) for number in range(8)])
    assert 1 <= max(counts) <= 2
    with workload.slow_work(), workload.slow_work(), pytest.raises(Busy), workload.slow_work():
        pass
    assert workload._inside == 0


def test_settings_leave_half_of_the_threads(settings: Settings) -> None:
    """Unless told otherwise, two of four."""
    assert settings.AUTH_SLOW_REQUESTS_MAX == 2
