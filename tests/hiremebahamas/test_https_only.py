"""What is asked by HTTP: pages lead to HTTPS, and nothing else is answered."""

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.cast import token_of


@pytest.fixture
def client(settings: Settings) -> Client:
    """Come to a server that insists on HTTPS."""
    settings.SECURE_SSL_REDIRECT = True
    return Client()


@pytest.mark.parametrize("path", ["/", "/admin/", "/admin/login/", "/api/docs", "/static/x.css"])
def test_pages_lead_to_https(client: Client, path: str) -> None:
    """A browser's user types a name without it."""
    response = client.get(path)
    assert (response.status_code, response.headers["Location"]) == (
        301,
        f"https://testserver{path}",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/auth/profile", "/users", "/api/schema", "/nope"])
def test_programs_are_refused(client: Client, alice: User, path: str) -> None:
    """Or they would send their tokens for all to read, each time, without anybody's knowing."""
    bearer = {"Authorization": f"Bearer {token_of(alice)}"}
    response = client.get(path, headers=bearer)
    assert (response.status_code, response.json()["code"]) == (403, "https_required")
    assert client.get(path, headers=bearer, secure=True).status_code in (200, 404)


def test_probes_are_answered(client: Client) -> None:
    """They come past the proxy that ends TLS."""
    assert client.get("/health/live").status_code == 200
