"""Logging in: always from the database, and nobody learns who has an account."""

from collections import Counter
from collections.abc import Callable

import pytest
from django.contrib.auth import authenticate
from django.http import HttpRequest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.errors import InvalidCredentials
from accounts.models import LoginSession, User
from accounts.passwords.hashers import Argon2PasswordHasher
from accounts.services import account
from accounts.services.account import log_in
from accounts.services.administration import deactivate_user, revoke_tokens
from accounts.services.sessions import start_session
from tests.cast import PASSWORD, Cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the computations of Argon2, which are what a login costs."""
    counts: Counter[str] = Counter()
    for name in ("encode", "verify"):
        original = getattr(Argon2PasswordHasher, name)

        def counted(*args: object, original: Callable[..., object] = original) -> object:
            counts["argon2"] += 1
            return original(*args)

        monkeypatch.setattr(Argon2PasswordHasher, name, counted)
    return counts


def test_login_returns_tokens_and_the_user(anybody: APIClient, alice: User) -> None:
    """200 with a pair that works, by any spelling of the email; last_login is noted."""
    response = anybody.post("/auth/login", {"email": " ALICE@example.com", "password": PASSWORD})
    assert response.status_code == 200
    body = response.json()
    assert body["token_type"] == "bearer"
    assert body["user"]["id"] == alice.pk
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert anybody.get("/auth/verify").json() == {"valid": True, "user_id": alice.pk}
    alice.refresh_from_db()
    assert alice.last_login is not None


def test_refusals_are_one_in_body_and_work(
    anybody: APIClient,
    alice: User,
    charlie: User,
    work: Counter[str],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Wrong password, unknown, inactive: the same 401, after one hash and three statements."""
    bodies = set()
    for email, password in (
        (alice.email, "wrong"),
        ("nobody@example.com", PASSWORD),
        (charlie.email, PASSWORD),
        (charlie.email, "wrong"),
    ):
        work.clear()
        with django_assert_num_queries(3):  # the user; their id, and the event, for the log
            response = anybody.post("/auth/login", {"email": email, "password": password})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert work == {"argon2": 1}
        assert response.json()["code"] == "invalid_credentials"
        bodies.add(response.content)
    assert len(bodies) == 1


def test_inactive_user_gets_no_session(charlie: User) -> None:
    """A caller that forgets to check gets an error, not a pair of tokens."""
    with pytest.raises(ValueError, match="not active"):
        start_session(user=charlie)
    assert not LoginSession.objects.exists()


def test_good_login_is_one_hash_too(anybody: APIClient, alice: User, work: Counter[str]) -> None:
    """So that the answer alone tells, not the time to it."""
    anybody.post("/auth/login", {"email": alice.email, "password": PASSWORD})
    assert work == {"argon2": 1}


def test_an_old_token_in_the_header_does_not_matter(anybody: APIClient, alice: User) -> None:
    """A client whose access token has run out can log in without dropping it first."""
    anybody.credentials(HTTP_AUTHORIZATION="Bearer expired")
    response = anybody.post("/auth/login", {"email": alice.email, "password": PASSWORD})
    assert response.status_code == 200


def test_account_without_password_cannot_log_in(anybody: APIClient, cast: Cast) -> None:
    """Nor is it told apart."""
    cast.make("eve", password="!unusable")
    response = anybody.post("/auth/login", {"email": "eve@example.com", "password": PASSWORD})
    assert response.json()["code"] == "invalid_credentials"


@pytest.mark.parametrize("act", [deactivate_user, revoke_tokens])
def test_what_happens_after_the_password_check_counts(
    monkeypatch: pytest.MonkeyPatch, alice: User, act: Callable[..., User]
) -> None:
    """Who is locked out between the check of the password and the new session gets none."""

    def check_and_lock_out(request: HttpRequest, **credentials: str) -> object:
        found = authenticate(request, **credentials)
        act(user_id=alice.pk)
        return found

    monkeypatch.setattr(account, "authenticate", check_and_lock_out)
    with pytest.raises(InvalidCredentials):
        log_in(request=HttpRequest(), email=alice.email, password=PASSWORD)
    assert not LoginSession.objects.exists()


def test_login_sweeps_expired_sessions_of_the_same_user(
    anybody: APIClient, alice: User, bob: User
) -> None:
    """And only those."""
    for user in (alice, alice, bob):
        start_session(user=user)
    expired = LoginSession.objects.filter(user=alice).first()
    assert expired is not None
    LoginSession.objects.filter(pk=expired.pk).update(expires_at=expired.created_at)
    LoginSession.objects.filter(user=bob).update(expires_at=expired.created_at)
    anybody.post("/auth/login", {"email": alice.email, "password": PASSWORD})
    assert not LoginSession.objects.filter(pk=expired.pk).exists()
    assert LoginSession.objects.filter(user=alice).count() == 2
    assert LoginSession.objects.filter(user=bob).count() == 1
