"""The API from registration to the end of the account, through gunicorn, in all its processes."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F

from accounts.models import LoginSession, User
from tests.accounts.directory.test_directory import PUBLIC_FIELDS
from tests.accounts.directory.test_profiles_of_others import CONTACT_FIELDS
from tests.accounts.pictures.test_avatars import picture
from tests.accounts.views.test_registration import USER_FIELDS
from tests.cast import NEW_PASSWORD, PASSWORD
from tests.e2e.every_process import Everywhere
from tests.e2e.http_client import Answer, HttpClient

pytestmark = pytest.mark.django_db(transaction=True)

ZOE = {
    "email": "zoe@example.com",
    "password": PASSWORD,
    "first_name": "Zoe",
    "last_name": "Knowles",
    "username": "zoe",
    "phone": "242-555-0199",
    "location": "Nassau",
}
CREDENTIALS = {"email": "zoe@example.com", "password": PASSWORD}
LONGER_THAN_THE_GRACE = timedelta(seconds=settings.AUTH_REFRESH_GRACE_SECONDS + 1)


@pytest.fixture
def login(anybody: HttpClient) -> Any:
    """Zoe's registration: her tokens and her user."""
    status, body = anybody.send("POST", "/auth/register", ZOE)
    assert status == 201
    return body


@pytest.fixture
def as_zoe(anybody: HttpClient, login: Any) -> HttpClient:
    """Zoe, with the token of her registration."""
    return anybody.having(login["access_token"])


def refusal(answer: Answer) -> tuple[int, str]:
    """Return the status and the code of an answer that is nothing but an error."""
    assert set(answer.body) == {"detail", "code"}
    return answer.status, answer.body["code"]


def refresh(client: HttpClient, token: str) -> Answer:
    return client.send("POST", "/auth/refresh", {"refresh_token": token})


def test_registration_and_login(everywhere: Everywhere, anybody: HttpClient, login: Any) -> None:
    """Both hand out a pair that every process accepts; a wrong password is a 401."""
    status, second = anybody.send("POST", "/auth/login", CREDENTIALS)
    assert status == 200
    for body in (login, second):
        assert set(body) == {"access_token", "refresh_token", "token_type", "user"}
        assert body["token_type"] == "bearer"
        assert set(body["user"]) == USER_FIELDS
        client = anybody.having(body["access_token"])
        valid = {"valid": True, "user_id": login["user"]["id"]}
        assert everywhere(client, "/auth/verify") == (200, valid)
    assert second["user"] == login["user"]
    wrong = CREDENTIALS | {"password": NEW_PASSWORD}
    assert refusal(anybody.send("POST", "/auth/login", wrong)) == (401, "invalid_credentials")
    assert refusal(anybody.get("/auth/verify")) == (401, "not_authenticated")
    status, errors = anybody.send("POST", "/auth/register", ZOE)
    assert (status, set(errors)) == (400, {"email", "username", "phone"})


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_profile_is_new_in_every_process(
    everywhere: Everywhere, as_zoe: HttpClient, login: Any, method: str
) -> None:
    """Each of several writes in a row is what all processes answer from then on."""
    assert everywhere(as_zoe, "/auth/profile") == (200, login["user"])
    user = login["user"]
    for number in range(3):
        changes = {"bio": f"Version {number}", "username": f"zoe-{number}"}
        status, changed = as_zoe.send(method, "/auth/profile", changes)
        assert status == 200
        assert changed == user | changes | {"updated_at": changed["updated_at"]}
        assert everywhere(as_zoe, "/auth/profile") == (200, changed)
        user = changed
    assert as_zoe.send(method, "/auth/profile", {"phone": "x"})[0] == 400
    assert everywhere(as_zoe, "/auth/profile") == (200, user)


def test_avatar_is_new_in_every_process(everywhere: Everywhere, as_zoe: HttpClient) -> None:
    """The picture is on disk, its address in every process; a bad file changes nothing."""
    everywhere(as_zoe, "/auth/profile")
    status, body = as_zoe.upload("/auth/upload-avatar", picture("PNG"))
    assert (status, set(body)) == (200, {"avatar_url"})
    name = body["avatar_url"].removeprefix(settings.MEDIA_URL)
    assert (Path(settings.MEDIA_ROOT) / name).read_bytes().startswith(b"RIFF")
    status, errors = as_zoe.upload("/auth/upload-avatar", b"text")
    assert (status, set(errors)) == (400, {"file"})
    user = everywhere(as_zoe, "/auth/profile").body
    assert user["avatar_url"] == body["avatar_url"]


def test_directory(
    everywhere: Everywhere,
    as_zoe: HttpClient,
    as_alice: HttpClient,
    as_dora: HttpClient,
    login: Any,
) -> None:
    """The list, a profile by id and one by name: with email and phone for oneself and admins."""
    pk = login["user"]["id"]
    status, page = as_alice.get("/users?search=knowles&page_size=5&ordering=username")
    assert (status, page["count"], page["page"], page["page_size"]) == (200, 1, 1, 5)
    assert [set(user) for user in page["results"]] == [PUBLIC_FIELDS]
    for client, path, fields in [
        (as_alice, f"/users/{pk}", PUBLIC_FIELDS),
        (as_zoe, f"/users/{pk}", CONTACT_FIELDS),
        (as_dora, f"/users/{pk}", CONTACT_FIELDS),
        (as_alice, "/users/lookup?username=ZOE", PUBLIC_FIELDS),
        (as_dora, "/users/lookup?email=zoe@example.com", CONTACT_FIELDS),
        (as_dora, "/users/lookup?phone=%2B12425550199", CONTACT_FIELDS),
    ]:
        status, user = everywhere(client, path)
        assert (status, user["id"], set(user)) == (200, pk, fields)
    forbidden = as_alice.get("/users/lookup?email=zoe@example.com")
    assert refusal(forbidden) == (403, "permission_denied")
    assert refusal(as_alice.get(f"/users/{pk + 1000}")) == (404, "not_found")
    assert refusal(as_alice.get("/users/lookup?username=nobody")) == (404, "not_found")


def test_refresh_tokens_are_good_once(
    everywhere: Everywhere, anybody: HttpClient, login: Any
) -> None:
    """Each is exchanged for the next; one that comes back after the grace ends the session."""
    status, pair = refresh(anybody, login["refresh_token"])
    assert (status, set(pair)) == (200, {"access_token", "refresh_token", "token_type"})
    client = anybody.having(pair["access_token"])
    assert everywhere(client, "/auth/verify").status == 200
    LoginSession.objects.update(rotated_at=F("rotated_at") - LONGER_THAN_THE_GRACE)
    assert refusal(refresh(anybody, login["refresh_token"])) == (401, "token_reused")
    assert refusal(refresh(anybody, pair["refresh_token"])) == (401, "session_ended")


def test_new_password_ends_older_tokens_in_every_process(
    everywhere: Everywhere, anybody: HttpClient, as_zoe: HttpClient, login: Any
) -> None:
    """Only the pair that comes back, and the new password, are good from then on."""
    everywhere(as_zoe, "/auth/verify")
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    wrong = change | {"current_password": NEW_PASSWORD}
    status, errors = as_zoe.send("POST", "/auth/change-password", wrong)
    assert (status, set(errors)) == (400, {"current_password"})
    status, pair = as_zoe.send("POST", "/auth/change-password", change)
    assert (status, set(pair)) == (200, {"access_token", "refresh_token", "token_type"})
    refused = everywhere(as_zoe, "/auth/verify")
    assert refusal(refused) == (401, "token_revoked")
    client = anybody.having(pair["access_token"])
    assert everywhere(client, "/auth/verify").status == 200
    assert refusal(refresh(anybody, login["refresh_token"])) == (401, "session_ended")
    assert refresh(anybody, pair["refresh_token"]).status == 200
    assert anybody.send("POST", "/auth/login", CREDENTIALS).status == 401
    new = CREDENTIALS | {"password": NEW_PASSWORD}
    assert anybody.send("POST", "/auth/login", new).status == 200


def test_logout_ends_the_session(anybody: HttpClient, login: Any) -> None:
    """Its refresh token is worth nothing afterwards; other sessions go on."""
    other = anybody.send("POST", "/auth/login", CREDENTIALS).body
    body = {"refresh_token": login["refresh_token"]}
    assert anybody.send("POST", "/auth/logout", body) == (200, {"detail": "Logged out."})
    assert refusal(refresh(anybody, login["refresh_token"])) == (401, "session_ended")
    assert refresh(anybody, other["refresh_token"]).status == 200


def test_closed_account_is_refused_in_every_process(
    everywhere: Everywhere,
    anybody: HttpClient,
    as_zoe: HttpClient,
    as_alice: HttpClient,
    login: Any,
) -> None:
    """Nobody logs in with it, sees it, or gets in with one of its tokens."""
    path = f"/users/{login['user']['id']}"
    everywhere(as_zoe, "/auth/verify")
    assert everywhere(as_alice, path).status == 200
    status, errors = as_zoe.send("DELETE", "/auth/account", {"password": NEW_PASSWORD})
    assert (status, set(errors)) == (400, {"password"})
    assert as_zoe.send("DELETE", "/auth/account", {"password": PASSWORD}) == (204, None)
    refused = everywhere(as_zoe, "/auth/verify")
    assert refusal(refused) == (401, "user_inactive")
    assert refusal(everywhere(as_alice, path)) == (404, "not_found")
    assert refusal(refresh(anybody, login["refresh_token"])) == (401, "session_ended")
    again = anybody.send("POST", "/auth/login", CREDENTIALS)
    assert refusal(again) == (401, "invalid_credentials")
    assert not User.objects.get(email=ZOE["email"]).is_active


def test_body_in_chunks_is_read(as_alice: HttpClient) -> None:
    """As clients send one whose length they don't know yet."""
    status, body = as_alice.send_chunks("PATCH", "/auth/profile", {"bio": "Cooks, and dives."})
    assert (status, body["bio"]) == (200, "Cooks, and dives.")


def test_ended_session_is_refused_in_every_process(
    everywhere: Everywhere, anybody: HttpClient, as_zoe: HttpClient, login: Any
) -> None:
    """With its user warm in all of them, the first request of each after the end; no other dies."""
    other = anybody.having(anybody.send("POST", "/auth/login", CREDENTIALS).body["access_token"])
    assert everywhere(as_zoe, "/auth/verify").status == 200
    sessions = other.get("/auth/sessions").body["results"]
    [hers] = [session["id"] for session in sessions if not session["is_current"]]
    assert other.send("DELETE", f"/auth/sessions/{hers}", {}).status == 204
    refused = everywhere(as_zoe, "/auth/verify")
    assert (refused.status, refused.body["code"]) == (401, "session_ended")
    assert everywhere(other, "/auth/verify").status == 200
