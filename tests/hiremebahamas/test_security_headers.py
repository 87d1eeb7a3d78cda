"""Every answer of Django's tells browsers to be careful with it."""

import pytest
from django.test import Client
from pytest_django import Settings

from tests.hiremebahamas.test_environment import PRODUCTION, show_settings

YEAR_SECONDS = 365 * 24 * 60 * 60


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
