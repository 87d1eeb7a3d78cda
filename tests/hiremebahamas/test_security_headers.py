"""Every answer tells browsers to be careful with it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from pytest_django import Settings

from hiremebahamas.content_security import HEADER, STRICT_POLICY
from hiremebahamas.security_headers import SecuredAnswers, make_headers
from tests.hiremebahamas.test_environment import PRODUCTION, show_settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

YEAR_SECONDS = 365 * 24 * 60 * 60
FROM_TLS = {"HTTP_X_FORWARDED_PROTO": "https"}


def test_production_insists_on_tls_for_a_year() -> None:
    """For subdomains, too."""
    shown = show_settings(**PRODUCTION)
    assert shown["SECURE_HSTS_SECONDS"] == YEAR_SECONDS
    assert shown["SECURE_HSTS_INCLUDE_SUBDOMAINS"] is True


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/auth/verify", "/admin/login/", "/nope", "/api/docs"])
def test_answers_have_the_headers(settings: Settings, path: str) -> None:
    """Refusals and pages: TLS, no guessing of types, and no path of ours told to other sites."""
    settings.SECURE_HSTS_SECONDS = YEAR_SECONDS
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    headers = Client().get(path, secure=True).headers
    assert headers["Strict-Transport-Security"].startswith(
        f"max-age={YEAR_SECONDS}; includeSubDomains"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.fixture
def production(settings: Settings) -> Iterator[None]:
    """Come from a proxy that ends TLS."""
    settings.SECURE_HSTS_SECONDS = YEAR_SECONDS
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    make_headers.cache_clear()
    yield
    make_headers.cache_clear()


def answer(given: list[tuple[str, str]], **environ: Any) -> list[tuple[str, str]]:
    """Return the headers of an answer that has `given`."""
    told: list[Any] = []

    def application(_environ: "WSGIEnvironment", start: "StartResponse") -> list[bytes]:
        start("200 OK", given)
        return []

    SecuredAnswers(application)(environ, lambda *args: told.extend(args))  # type: ignore[arg-type]
    headers: list[tuple[str, str]] = told[1]
    return headers


@pytest.mark.usefixtures("production")
def test_what_answers_before_django_has_them_too() -> None:
    """Each once; that of TLS only where there is TLS, for a browser ignores it without."""
    preflight = [("Vary", "origin"), ("content-security-policy", "none")]
    headers = answer([*preflight], **FROM_TLS)
    assert headers[:2] == preflight
    names = [name.lower() for name, _ in headers]
    assert len(set(names)) == len(names)
    found = dict(answer([], **FROM_TLS))
    assert found["Strict-Transport-Security"].startswith(f"max-age={YEAR_SECONDS}; includeSub")
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["Referrer-Policy"] == "same-origin"
    assert found[HEADER] == STRICT_POLICY
    assert "Strict-Transport-Security" not in dict(answer([]))


def test_django_s_answers_stay_as_they_are() -> None:
    """Also its page about an exception, which only developers see."""
    given = [("X-Content-Type-Options", "nosniff"), ("X", "1")]
    assert answer(list(given)) == given
