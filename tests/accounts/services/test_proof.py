"""A user without a password proves who they are by a recent log-in, and by nothing less."""

from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from django.db.models import F
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.services.sessions import list_sessions, log_out, start_session
from accounts.tokens.claims import TokenPair
from tests.cast import NEW_PASSWORD, PASSWORD, Cast, client_of
from tests.openapi import list_operations, make_schema

pytestmark = pytest.mark.django_db


class Proven(NamedTuple):
    """What asks for a proof, and its answer to a good one."""

    method: str
    path: str
    body: dict[str, Any]
    status: int


PROVEN: dict[str, Proven] = {
    "first password": Proven("post", "/auth/change-password", {"new_password": NEW_PASSWORD}, 200),
    "email": Proven("post", "/auth/change-email", {"new_email": "eva@example.com"}, 202),
    "phone": Proven("patch", "/auth/profile", {"phone": "242-555-7777"}, 200),
    "API key": Proven("post", "/auth/api-keys", {"name": "x"}, 201),
    "second factor": Proven("post", "/auth/second-factor/app", {}, 200),
    "export": Proven("post", "/auth/export", {}, 200),
    "closing": Proven("delete", "/auth/account", {}, 204),
    "erasure": Proven("delete", "/auth/account", {"erase": True}, 204),
}
UNPROVEN = {
    "upload_avatar": "A picture gives nobody the account.",
    "end_sessions": "What ends something is done at once.",
    "end_session": "The same.",
    "revoke_api_key": "The same.",
    "ask_for_verification": "The message goes to the account's own address.",
    "confirm_second_factor": "The proof began it.",
    "add_passkey": "The same.",
    "complete_link": "The same.",
}
"""What changes something of one's account without a proof, and why."""
for_proven = pytest.mark.parametrize("proven", PROVEN.values(), ids=PROVEN)


def send(client: APIClient, proven: Proven, body: dict[str, Any]) -> Any:
    """Return the answer."""
    return getattr(client, proven.method)(proven.path, body)


@pytest.fixture
def eve(cast: Cast) -> User:
    """Eve, whose account has no password."""
    return cast.make("eve", password="!unusable")


@pytest.fixture
def pair(eve: User) -> TokenPair:
    """Her log-in, of this moment."""
    return start_session(user=eve)


@pytest.fixture
def as_eve(pair: TokenPair) -> APIClient:
    """Eve, logged in."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access_token}")
    return client


@for_proven
def test_recent_log_in_is_enough(as_eve: APIClient, proven: Proven) -> None:
    """Without a password in the body."""
    assert send(as_eve, proven, proven.body).status_code == proven.status


@for_proven
def test_older_log_in_is_not(as_eve: APIClient, settings: Settings, proven: Proven) -> None:
    """Nor with whatever is in the place of the password."""
    settings.AUTH_RECENT_LOGIN_SECONDS = 60
    LoginSession.objects.update(created_at=F("created_at") - timedelta(seconds=61))
    name = "current_password" if "new_password" in proven.body else "password"
    for extra in ({}, {name: PASSWORD}, {name: "!unusable"}):
        response = send(as_eve, proven, proven.body | extra)
        assert (response.status_code, response.json()["code"]) == (403, "recent_login_required")
    assert User.objects.get().is_active


def test_whatever_changes_an_account_takes_a_proof() -> None:
    """Or it is named here: a new operation is one or the other."""
    bodies = make_schema()["components"]["schemas"]
    unproven = set[str]()
    for operation in list_operations():
        if "security" not in operation.description or operation.method == "GET":
            continue
        content = operation.description.get("requestBody", {}).get("content", {})
        name = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        fields = bodies.get(name.rpartition("/")[2], {}).get("properties", {}).keys()
        if not {"code"} < fields & {"code", "password", "current_password"}:
            unproven.add(operation.name)
    assert unproven == UNPROVEN.keys()


def test_session_must_be_the_tokens_own(eve: User, alice: User) -> None:
    """Not another of the same user, nor one that is over."""
    pair = start_session(user=eve)
    assert client_of(eve).delete("/auth/account").status_code == 403
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access_token}")
    LoginSession.objects.filter(user=eve).update(user=alice)
    assert client.delete("/auth/account").status_code == 403
    assert not list_sessions(user_id=eve.pk)


def test_ended_session_is_no_proof(pair: TokenPair, as_eve: APIClient) -> None:
    """Its token is refused before."""
    log_out(refresh_token=pair.refresh_token)
    assert as_eve.delete("/auth/account").status_code == 401


def test_recent_log_in_is_no_password(alice: User) -> None:
    """An account that has one is asked for it, however recent the log-in is."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {start_session(user=alice).access_token}")
    for body in ({}, {"password": None}, {"password": ""}, {"password": "wrong"}):
        response = client.delete("/auth/account", body)
        assert (response.status_code, set(response.json())) == (400, {"password"})


def test_first_password_opens_the_account(as_eve: APIClient, anybody: APIClient, eve: User) -> None:
    """And from then on is what is asked for."""
    tokens = as_eve.post("/auth/change-password", {"new_password": NEW_PASSWORD}).json()
    credentials = {"email": eve.email, "password": NEW_PASSWORD}
    assert anybody.post("/auth/login", credentials).status_code == 200
    as_eve.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}")
    assert as_eve.delete("/auth/account").status_code == 400
    assert as_eve.delete("/auth/account", {"password": NEW_PASSWORD}).status_code == 204
