"""The export has all that is kept of its owner, nothing of others, and no secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.api_keys.models import ApiKey
from accounts.hooks import EXPORT_SECTIONS
from accounts.models import LoginSession, User
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from accounts.security_log import pages
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.account import set_avatar
from accounts.services.sessions import start_session
from tests.accounts.api_keys.program import make_program
from tests.accounts.second_factor.phone import set_up_phone
from tests.cast import PASSWORD, client_of
from tests.clocks import Clock

pytestmark = pytest.mark.django_db

WITH_PASSWORD = {"password": PASSWORD}


def export(user: User, client: APIClient | None = None, **extra: str) -> Any:
    return (client or client_of(user)).post("/auth/export", WITH_PASSWORD | extra)


def test_all_is_there_and_nothing_secret(alice: User, bob: User, media: Path, clock: Clock) -> None:
    """Profile, picture's URL, sessions, keys, factors, events; no hash, token, secret or code."""
    set_avatar(user_id=alice.pk, content=b"a picture")
    program = make_program(alice)
    phone = set_up_phone(alice, clock)
    pair = start_session(user=alice)
    start_session(user=bob)
    make_program(bob)
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {pair.access_token}")
    answer = export(alice, client, code=phone.next_code())
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    data = answer.json()
    assert data["profile"]["email"] == alice.email
    assert data["profile"]["avatar_url"].startswith("/media/avatars/")
    assert [session["is_current"] for session in data["sessions"]] == [True]
    assert [key["id"] for key in data["api_keys"]] == [program.key_id]
    assert data["second_factor"]["is_on"] is True
    assert {event["event"] for event in data["events"]["results"]} >= {
        Event.SESSION_STARTED,
        Event.KEY_CREATED,
        Event.FACTOR_ON,
    }
    text = json.dumps(data)
    rows: list[Any] = [
        *LoginSession.objects.values_list("token_hash", flat=True),
        *ApiKey.objects.values_list("key_hash", flat=True),
        *RecoveryCode.objects.values_list("code_hash", flat=True),
        *AuthenticatorApp.objects.values_list("secret", flat=True),
        *User.objects.values_list("password", flat=True),
    ]
    secrets = {
        *map(str, rows),
        program.key,
        phone.secret,
        *phone.recovery_codes,
        pair.access_token,
        pair.refresh_token,
    }
    assert [secret for secret in secrets if secret in text] == []
    assert bob.email not in text


def test_every_app_has_its_part() -> None:
    """So many as there are apps with rows of users."""
    assert set(EXPORT_SECTIONS) == {"api_keys", "identities", "second_factor", "events"}


@pytest.mark.parametrize("body", [None, {}, {"password": None}, {"password": "wrong"}], ids=str)
def test_password_is_asked_for(as_alice: APIClient, body: dict[str, str] | None) -> None:
    """A stolen access token takes nothing along."""
    response = as_alice.post("/auth/export", body)
    assert (response.status_code, set(response.json())) == (400, {"password"})


def test_keys_take_nothing_along(alice: User) -> None:
    """Neither one that may write."""
    client = make_program(alice, scope="write").client
    assert client.post("/auth/export", WITH_PASSWORD).status_code == 401


def test_it_is_limited(alice: User, settings: Settings) -> None:
    """By account; a wrong password uses up none of them."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"export": {"account": (2, 3600)}}
    client = client_of(alice)
    client.post("/auth/export", {"password": "wrong"})
    assert [export(alice, client).status_code for _ in range(4)] == [200, 200, 429, 429]


def test_it_is_bounded(
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """Of many events the last are there, and where the rest begins: no more is ever read."""
    monkeypatch.setattr(pages, "EXPORTED", 3)
    for number in range(7):
        record(Event.SESSION_STARTED, user_id=alice.pk, about=str(number))
    client = client_of(alice)
    with django_assert_max_num_queries(13):
        events = export(alice, client).json()["events"]
    assert [event["about"] for event in events["results"]] == ["6", "5", "4"]
    rest = client.get(f"/auth/events?before={events['next']}").json()["results"]
    assert [event["about"] for event in rest] == ["3", "2", "1", "0"]
