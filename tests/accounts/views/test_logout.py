"""Logging out ends one session."""

import pytest
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.services.sessions import refresh_session, start_session

pytestmark = pytest.mark.django_db


def test_logout_ends_the_session_and_no_other(anybody: APIClient, alice: User) -> None:
    """Its refresh token is dead; the other device stays logged in."""
    phone, laptop = (start_session(user=alice).refresh_token for _ in range(2))
    response = anybody.post("/auth/logout", {"refresh_token": phone})
    assert (response.status_code, response.json()) == (200, {"detail": "Logged out."})
    assert anybody.post("/auth/refresh", {"refresh_token": phone}).status_code == 401
    assert anybody.post("/auth/refresh", {"refresh_token": laptop}).status_code == 200


def test_any_token_of_the_session_will_do(anybody: APIClient, alice: User) -> None:
    """Also one that a second tab has replaced in the meantime."""
    token = start_session(user=alice).refresh_token
    refresh_session(refresh_token=token)
    assert anybody.post("/auth/logout", {"refresh_token": token}).status_code == 200
    assert not LoginSession.objects.exists()


def test_logging_out_twice_is_no_error(anybody: APIClient, alice: User) -> None:
    """What was wanted is the case."""
    token = start_session(user=alice).refresh_token
    for _ in range(2):
        assert anybody.post("/auth/logout", {"refresh_token": token}).status_code == 200
