"""Refresh tokens are good once, and one used twice ends its session."""

import threading
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.errors import SessionEnded, TokenReused
from accounts.models import LoginSession, User
from accounts.services.administration import (
    activate_user,
    deactivate_user,
    revoke_tokens,
    set_password,
)
from accounts.services.sessions import refresh_session, start_session
from accounts.tokens.claims import TokenPair, read_refresh_token
from tests.cast import NEW_PASSWORD
from tests.concurrency import WAIT_SECONDS, run_together, wait_for_lock_waiters

pytestmark = pytest.mark.django_db


def refresh(client: APIClient, token: str) -> Any:
    return client.post("/auth/refresh", {"refresh_token": token})


def let_time_pass(**fields: timedelta) -> None:
    """Move the sessions into the past instead of waiting."""
    LoginSession.objects.update(**{name: F(name) - delta for name, delta in fields.items()})


def set_server_clock(monkeypatch: pytest.MonkeyPatch, seconds_ahead: float) -> None:
    """Let this process's clock be that of a server that is ahead of the database."""
    ahead = timedelta(seconds=seconds_ahead)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + ahead)


def test_refresh_returns_a_new_pair_that_works(
    anybody: APIClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Again and again, at one statement each."""
    token = start_session(user=alice).refresh_token
    for _ in range(3):
        with django_assert_num_queries(1):
            response = refresh(anybody, token)
        assert response.status_code == 200
        assert set(response.json()) == {"access_token", "refresh_token", "token_type"}
        assert response.json()["refresh_token"] != token
        token = response.json()["refresh_token"]
        anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {response.json()['access_token']}")
        assert anybody.get("/auth/verify").json()["user_id"] == alice.pk
        anybody.credentials()
    assert LoginSession.objects.count() == 1


def test_refresh_prolongs_the_session(anybody: APIClient, alice: User) -> None:
    """Its end is counted from the last refresh, in the row and in the token."""
    token = start_session(user=alice).refresh_token
    let_time_pass(expires_at=timedelta(days=13))
    refresh(anybody, token)
    session = LoginSession.objects.get()
    assert session.expires_at - session.rotated_at == timedelta(days=14)


def test_second_tab_gets_the_same_successor(anybody: APIClient, alice: User) -> None:
    """Within the grace both have one token, and either can go on with it."""
    token = start_session(user=alice).refresh_token
    first, second = refresh(anybody, token), refresh(anybody, token)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["refresh_token"] == second.json()["refresh_token"]
    assert refresh(anybody, second.json()["refresh_token"]).status_code == 200


def test_token_used_again_after_the_grace_ends_the_session(
    anybody: APIClient, alice: User, settings: Settings
) -> None:
    """One of the two has stolen it, and neither gets on."""
    token = start_session(user=alice).refresh_token
    successor = refresh(anybody, token).json()["refresh_token"]
    grace = timedelta(seconds=settings.AUTH_REFRESH_GRACE_SECONDS)
    let_time_pass(rotated_at=grace + timedelta(milliseconds=1))
    again = refresh(anybody, token)
    assert (again.status_code, again.json()["code"]) == (401, "token_reused")
    assert refresh(anybody, successor).json()["code"] == "session_ended"
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("seconds_ahead", [-6, 6])
def test_servers_whose_clocks_differ_are_two_tabs(
    alice: User, monkeypatch: pytest.MonkeyPatch, seconds_ahead: int
) -> None:
    """Within the grace by the database's clock, both make the very same token, at any server."""
    token = start_session(user=alice).refresh_token
    here = refresh_session(refresh_token=token)
    set_server_clock(monkeypatch, seconds_ahead)
    there = refresh_session(refresh_token=token)
    assert there.refresh_token == here.refresh_token
    after = refresh_session(refresh_token=there.refresh_token)
    monkeypatch.undo()
    assert refresh_session(refresh_token=there.refresh_token).refresh_token == after.refresh_token


@pytest.mark.parametrize("days_ahead", [-1, 0, 1])
def test_database_says_when_a_session_is_over(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, days_ahead: int
) -> None:
    """Neither sooner nor later, whatever the server's clock says; nor is it swept away before."""
    over, live = (start_session(user=user).refresh_token for user in (alice, bob))
    minute = timedelta(minutes=1)
    LoginSession.objects.filter(user=alice).update(expires_at=Now() - minute)
    LoginSession.objects.filter(user=bob).update(expires_at=Now() + minute)
    set_server_clock(monkeypatch, days_ahead * 24 * 3600)
    with pytest.raises(SessionEnded):
        refresh_session(refresh_token=over)
    for user in (alice, bob):
        start_session(user=user)
    assert LoginSession.objects.filter(user=alice).count() == 1
    assert LoginSession.objects.filter(user=bob).count() == 2
    refresh_session(refresh_token=live)
    left = LoginSession.objects.filter(expires_at__gt=Now() + timedelta(days=14) - minute)
    assert left.filter(expires_at__lt=Now() + timedelta(days=14) + minute).count() == 3


def test_token_before_the_last_ends_the_session_at_once(anybody: APIClient, alice: User) -> None:
    """The grace is for the direct predecessor only."""
    oldest = start_session(user=alice).refresh_token
    newer = refresh(anybody, oldest).json()["refresh_token"]
    refresh(anybody, newer)
    assert refresh(anybody, oldest).json()["code"] == "token_reused"
    assert not LoginSession.objects.exists()


def test_other_sessions_live_on(anybody: APIClient, alice: User) -> None:
    """A stolen token on the phone doesn't log out the laptop."""
    phone, laptop = (start_session(user=alice).refresh_token for _ in range(2))
    refresh(anybody, refresh(anybody, phone).json()["refresh_token"])
    assert refresh(anybody, phone).json()["code"] == "token_reused"
    assert refresh(anybody, laptop).status_code == 200


@pytest.mark.parametrize(
    "act",
    [
        deactivate_user,
        revoke_tokens,
        partial(set_password, new_password=NEW_PASSWORD),
        lambda user_id: User.objects.get(pk=user_id).delete(),
        lambda user_id: User.objects.filter(pk=user_id).update(is_active=False),
        lambda user_id: User.objects.filter(pk=user_id).update(token_version=2),
    ],
    ids=["deactivated", "revoked", "new password", "deleted", "raw inactive", "raw version"],
)
def test_the_database_says_whether_the_user_may(anybody: APIClient, alice: User, act: Any) -> None:
    """Existing, active, at this token_version: a 401 otherwise, also within the grace."""
    token = start_session(user=alice).refresh_token
    successor = refresh(anybody, token).json()["refresh_token"]
    act(user_id=alice.pk)
    for dead in (token, successor):
        response = refresh(anybody, dead)
        assert (response.status_code, response.json()["code"]) == (401, "session_ended")


def test_reactivated_user_has_to_log_in_anew(anybody: APIClient, alice: User) -> None:
    """What was dead stays dead."""
    token = start_session(user=alice).refresh_token
    deactivate_user(user_id=alice.pk)
    activate_user(user_id=alice.pk)
    assert refresh(anybody, token).json()["code"] == "session_ended"


@pytest.mark.parametrize(
    "changes",
    [{"user_id": 1_000_000}, {"token_version": 2}, {"session_id": uuid.uuid4()}],
    ids=["user", "version", "session"],
)
def test_signed_claims_must_fit_the_session(alice: User, changes: dict[str, Any]) -> None:
    """A token with our signature that names another user, version or session ends nothing."""
    claims = read_refresh_token(start_session(user=alice).refresh_token)
    with pytest.raises(SessionEnded):
        refresh_session(refresh_token=replace(claims, **changes).sign(issued_at=timezone.now()))
    assert LoginSession.objects.get().token_hash == claims.token_hash


def test_reuse_is_logged(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    """By the user's id, and without a token."""
    token = start_session(user=alice).refresh_token
    refresh_session(refresh_token=refresh_session(refresh_token=token).refresh_token)
    with pytest.raises(TokenReused):
        refresh_session(refresh_token=token)
    assert f"user {alice.pk} was used twice" in caplog.text
    assert token not in caplog.text


def test_expired_session_is_over(anybody: APIClient, alice: User) -> None:
    """Even for a token whose own expiry says otherwise."""
    token = start_session(user=alice).refresh_token
    let_time_pass(expires_at=timedelta(days=14))
    assert refresh(anybody, token).json()["code"] == "session_ended"


def test_token_itself_is_nowhere_in_the_database(alice: User) -> None:
    """The row has a hash of its id: reading the table doesn't let anybody refresh."""
    token = start_session(user=alice).refresh_token
    row = LoginSession.objects.values().get()
    assert token not in map(str, row.values())
    assert read_refresh_token(token).token_id not in map(str, row.values())


@pytest.mark.django_db(transaction=True)
def test_simultaneous_refreshes_make_one_lineage(alice: User) -> None:
    """Eight at once: one token comes out, and the session goes on with it."""
    token = start_session(user=alice).refresh_token
    results = run_together([partial(refresh_session, refresh_token=token)] * 8)
    successors = {result.refresh_token for result in results if isinstance(result, TokenPair)}
    assert len(successors) == 1
    assert not any(isinstance(result, Exception) for result in results)
    assert isinstance(refresh_session(refresh_token=successors.pop()), TokenPair)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_who_waited_for_the_row_looks_at_it_again(alice: User, settings: Settings) -> None:
    """Of two UPDATEs that both found the old token and waited, one alone rotates."""
    settings.AUTH_REFRESH_GRACE_SECONDS = -1
    token = start_session(user=alice).refresh_token
    is_held = threading.Event()

    def hold_the_row() -> None:
        with transaction.atomic():
            LoginSession.objects.select_for_update().get()
            is_held.set()
            wait_for_lock_waiters(2)

    def rotate() -> TokenPair:
        assert is_held.wait(WAIT_SECONDS)
        return refresh_session(refresh_token=token)

    held, *results = run_together([hold_the_row, rotate, rotate])
    assert held is None
    assert sorted(type(result).__name__ for result in results) == ["TokenPair", "TokenReused"]
    assert not LoginSession.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_revocation_during_a_refresh_wins(alice: User) -> None:
    """A refresh that finds the user as they were before the commit gets nothing all the same."""
    token = start_session(user=alice).refresh_token
    revoked = threading.Event()

    def revoke_slowly() -> None:
        with transaction.atomic():
            revoke_tokens(user_id=alice.pk)
            revoked.set()
            wait_for_lock_waiters(1)

    def rotate() -> TokenPair:
        assert revoked.wait(WAIT_SECONDS)
        return refresh_session(refresh_token=token)

    held, result = run_together([revoke_slowly, rotate])
    assert held is None
    assert isinstance(result, SessionEnded)
