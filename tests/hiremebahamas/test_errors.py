"""Errors are JSON with a detail and a code, wherever they arise."""

from typing import Any

import pytest
from django.core.exceptions import (
    SuspiciousOperation,
    SynchronousOnlyOperation,
    ValidationError,
)
from django.db import InterfaceError, OperationalError
from django.test import Client
from pytest_django import Settings
from rest_framework import exceptions
from rest_framework.test import APIClient

from accounts.models import User
from hiremebahamas.errors import handle_exception
from usercache.memory_only import MustWaitError, memory_only


def answer(exc: Exception) -> tuple[int, Any]:
    response = handle_exception(exc, {})
    assert response is not None
    return response.status_code, response.data


def test_query_where_an_event_loop_runs() -> None:
    """It is for a thread where one takes over; anywhere else it is an error of ours: a 500."""
    error = SynchronousOnlyOperation()
    assert handle_exception(error, {}) is None
    with memory_only(), pytest.raises(MustWaitError):
        handle_exception(error, {})


@pytest.mark.parametrize("is_debug", [True, False])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
@pytest.mark.parametrize("path", ["/nope", "/auth/login/", "/users/", "/static/x", "/%00"])
def test_unknown_path_is_a_404_in_json(
    settings: Settings, is_debug: bool, method: str, path: str
) -> None:
    """In development too, and for every method."""
    settings.DEBUG = is_debug
    response = getattr(Client(enforce_csrf_checks=True), method)(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.django_db
def test_the_admin_site_answers_in_html(dora: User) -> None:
    """It is for people."""
    client = Client()
    client.force_login(dora)
    response = client.get("/admin/nope/")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_foreign_host_is_a_400_in_json() -> None:
    """Refused before any view."""
    response = Client().get("/auth/verify", headers={"host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_foreign_host_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Django would write twenty lines for each request of a scanner."""
    Client().get("/auth/verify", headers={"host": "evil.example"})
    assert caplog.records == []


def test_our_own_failure_is_a_500_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """That says nothing of what went wrong."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("accounts.views.sessions.log_in", fail)
    client = APIClient(raise_request_exception=False)
    response = client.post("/auth/login", {"email": "a@example.com", "password": "x"})
    assert (response.status_code, response.json()["code"]) == (500, "server_error")
    assert b"secret" not in response.content


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_lost_database_is_a_503(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """Which a client may try again, and which says nothing of the server's address."""

    def fail(*args: object, **kwargs: object) -> None:
        raise error("connection to server at 10.0.0.7 failed")

    monkeypatch.setattr("accounts.views.sessions.log_in", fail)
    response = APIClient().post("/auth/login", {"email": "a@example.com", "password": "x"})
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert b"10.0.0.7" not in response.content


def test_validation_errors_are_lists_per_field() -> None:
    """Django's and DRF's alike; what belongs to no field has a name, too."""
    assert answer(ValidationError({"file": "bad"})) == (400, {"file": ["bad"]})
    assert answer(ValidationError("bad")) == (400, {"non_field_errors": ["bad"]})
    assert answer(exceptions.ValidationError("bad")) == (400, {"non_field_errors": ["bad"]})
    assert answer(exceptions.ValidationError({"a": ["b"]})) == (400, {"a": ["b"]})


def test_suspicious_requests_are_a_400() -> None:
    """Whatever Django found suspicious."""
    status_code, body = answer(SuspiciousOperation("x"))
    assert (status_code, body["code"]) == (400, "bad_request")


def test_what_nobody_foresaw_is_not_hidden() -> None:
    """It goes on to Django, which logs it and answers 500."""
    assert handle_exception(KeyError("x"), {}) is None
