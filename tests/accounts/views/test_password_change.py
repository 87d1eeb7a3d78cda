"""Changing the password: the old one is asked for, and everything older dies."""

import pytest
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.services.sessions import start_session
from tests.cast import NEW_PASSWORD, PASSWORD

CHANGE = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_older_tokens_die_and_a_new_pair_comes_back(as_alice: APIClient, alice: User) -> None:
    """With the user warm in the cache, the next request with the old token is refused."""
    refresh_token = start_session(user=alice).refresh_token
    assert as_alice.get("/auth/verify").status_code == 200
    response = as_alice.post("/auth/change-password", CHANGE)
    assert response.status_code == 200
    assert set(response.json()) == {"access_token", "refresh_token", "token_type"}
    refused = as_alice.get("/auth/verify")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")
    anybody = APIClient()
    assert anybody.post("/auth/refresh", {"refresh_token": refresh_token}).status_code == 401
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['access_token']}")
    assert anybody.get("/auth/verify").status_code == 200
    new = {"refresh_token": response.json()["refresh_token"]}
    assert anybody.post("/auth/refresh", new).status_code == 200
    assert LoginSession.objects.count() == 1
    assert User.objects.get().check_password(NEW_PASSWORD)


def test_wrong_current_password_is_a_400_on_the_field(as_alice: APIClient) -> None:
    """And changes nothing: the token still works."""
    response = as_alice.post("/auth/change-password", CHANGE | {"current_password": "wrong"})
    assert response.status_code == 400
    assert set(response.json()) == {"current_password"}
    assert as_alice.get("/auth/verify").status_code == 200


@pytest.mark.parametrize("new_password", ["short", "password", "alice@example.com", "x" * 129])
def test_weak_new_password_is_a_400_on_the_field(as_alice: APIClient, new_password: str) -> None:
    """By the rules of registration."""
    response = as_alice.post("/auth/change-password", CHANGE | {"new_password": new_password})
    assert response.status_code == 400
    assert set(response.json()) == {"new_password"}
