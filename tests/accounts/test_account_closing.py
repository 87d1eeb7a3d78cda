"""Closing one's account deactivates it; the row stays, and so do the names."""

import pytest
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.sessions import start_session
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_every_token_dies(as_alice: APIClient, alice: User) -> None:
    """With the user warm in the cache, the very next request is refused."""
    refresh_token = start_session(user=alice).refresh_token
    assert as_alice.get("/auth/verify").status_code == 200
    response = as_alice.delete("/auth/account", {"password": PASSWORD})
    assert (response.status_code, response.content) == (204, b"")
    assert as_alice.get("/auth/verify").status_code == 401
    anybody = APIClient()
    assert anybody.post("/auth/refresh", {"refresh_token": refresh_token}).status_code == 401
    credentials = {"email": alice.email, "password": PASSWORD}
    assert anybody.post("/auth/login", credentials).status_code == 401
    assert not User.objects.get(pk=alice.pk).is_active
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("body", [None, {}, {"password": None}, {"password": "wrong"}], ids=str)
def test_password_is_asked_for(as_alice: APIClient, body: dict[str, str] | None) -> None:
    """A 400 on the field, and the account lives on."""
    response = as_alice.delete("/auth/account", body)
    assert response.status_code == 400
    assert set(response.json()) == {"password"}
    assert as_alice.get("/auth/verify").status_code == 200
