"""Every answer says what browsers may load and run on it: our own files, and nothing inline."""

import pytest
from django.test import Client
from pytest_django import Settings

from hiremebahamas.content_security import HEADER

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def policy_of(path: str, **headers: str) -> str:
    client = Client(raise_request_exception=False)
    return str(client.get(path, headers=headers).headers.get(HEADER))


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/auth/verify", "/admin/login/", "/nope", "/api/schema"])
def test_answers_are_under_the_strict_policy(path: str) -> None:
    """The admin site's and errors, too, also where Django refuses before any view."""
    assert policy_of(path) == STRICT
    assert policy_of(path, host="evil.example") == STRICT


def test_the_pages_of_the_schema_loosen_it_for_themselves() -> None:
    """By what they need and no more: neither runs a script that isn't a file of ours."""
    swagger = STRICT.replace("img-src 'self'", "img-src 'self' data:")
    assert policy_of("/api/docs") == swagger
    redoc = swagger.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    assert policy_of("/api/redoc") == f"{redoc}; worker-src blob:"


@pytest.mark.parametrize("is_debug", [True, False])
def test_only_a_developer_s_page_about_an_exception_has_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, is_debug: bool
) -> None:
    """Django's own is all inline."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError

    settings.DEBUG = is_debug
    monkeypatch.setattr("hiremebahamas.api_docs.render_schema", fail)
    assert policy_of("/api/schema") == ("None" if is_debug else STRICT)
