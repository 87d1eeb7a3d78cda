"""Sessions that one can see and end, and whose access tokens end with them."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.clients.devices import Device
from accounts.errors import SessionEnded
from accounts.models import LoginSession, User
from accounts.services import sessions
from accounts.services.sessions import (
    MAX_ENDED,
    MAX_LISTED,
    end_session,
    log_out,
    refresh_session,
    start_session,
    sweep_sessions,
)
from accounts.tokens.claims import TokenPair, access_lifetime, read_refresh_token
from tests.concurrency import run_together
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def having(token: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def verify(token: str) -> tuple[int, str | None]:
    """Return the status, and the code of a refusal."""
    response = having(token).get("/auth/verify")
    return response.status_code, response.json().get("code")


def session_of(pair: TokenPair) -> uuid.UUID:
    return read_refresh_token(pair.refresh_token).session_id


def let_time_pass(delta: timedelta) -> None:
    """Move all sessions into the past instead of waiting."""
    names = ("created_at", "rotated_at", "expires_at")
    LoginSession.objects.update(**{name: F(name) - delta for name in names})


def test_list_shows_ones_own_live_sessions(alice: User, bob: User) -> None:
    """The last used first, with device and address, the caller's marked; nobody else's."""
    phone = start_session(user=alice, device=Device("Phone", "203.0.113.9"))
    laptop = start_session(user=alice, device=Device("Laptop", "2001:db8::1"))
    start_session(user=alice)
    LoginSession.objects.filter(user_agent="").update(expires_at=timezone.now() - MINUTE)
    start_session(user=bob)
    LoginSession.objects.filter(pk=session_of(phone)).update(rotated_at=timezone.now() + MINUTE)
    shown = having(laptop.access_token).get("/auth/sessions").json()["results"]
    assert [(one["id"], one["user_agent"], one["address"], one["is_current"]) for one in shown] == [
        (str(session_of(phone)), "Phone", "203.0.113.9", False),
        (str(session_of(laptop)), "Laptop", "2001:db8::1", True),
    ]
    assert "token_hash" not in shown[0]


def test_every_way_in_notes_the_device(anybody: APIClient, settings: Settings) -> None:
    """Registration, log-in, refresh, change of the password; what can't be shown is left out."""
    settings.NUM_PROXIES = 1
    credentials = {"email": "zoe@example.com", "password": "Conch-Salad-1973"}
    person = {"first_name": "Zoe", "last_name": "Rolle"}

    def send(agent: str, path: str, body: dict[str, str]) -> Any:
        agents = {"HTTP_USER_AGENT": agent, "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
        return anybody.post(path, body, **agents).json()  # type: ignore[arg-type]

    send("A\x00\x1b[31m\u202e", "/auth/register", credentials | person)
    pair = send("B" * 300, "/auth/login", credentials)
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    send("C", "/auth/refresh", {"refresh_token": pair["refresh_token"]})
    rows = LoginSession.objects.order_by("created_at").values_list("user_agent", "address")
    assert list(rows) == [("A[31m", "198.51.100.7"), ("C", "198.51.100.7")]
    send("D", "/auth/login", credentials)
    passwords = {"current_password": credentials["password"], "new_password": "Guava-Duff-2042"}
    send("E", "/auth/change-password", passwords)
    assert LoginSession.objects.get().user_agent == "E"


def delete_it(pair: TokenPair, other: TokenPair) -> None:
    path = f"/auth/sessions/{session_of(pair)}"
    assert having(other.access_token).delete(path).status_code == 204


def delete_by_itself(pair: TokenPair, _other: TokenPair) -> None:
    delete_it(pair, pair)


def leave(pair: TokenPair, _other: TokenPair) -> None:
    body = {"refresh_token": pair.refresh_token}
    assert APIClient().post("/auth/logout", body).status_code == 200


def steal(pair: TokenPair, _other: TokenPair) -> None:
    body = {"refresh_token": pair.refresh_token}
    refresh_session(**body)  # type: ignore[arg-type]
    LoginSession.objects.filter(pk=session_of(pair)).update(rotated_at=timezone.now() - MINUTE)
    assert APIClient().post("/auth/refresh", body).json()["code"] == "token_reused"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", [delete_it, delete_by_itself, leave, steal])
def test_ended_session_is_refused_at_the_next_request(
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    end: Callable[[TokenPair, TokenPair], None],
) -> None:
    """However it ended; the other session goes on, and neither costs a query once warm."""
    ended, other = start_session(user=alice), start_session(user=alice)
    for pair in (ended, other):
        assert verify(pair.access_token) == (200, None)
    end(ended, other)
    verify(other.access_token)
    with django_assert_num_queries(0):
        assert verify(ended.access_token) == (401, "session_ended")
        assert verify(other.access_token) == (200, None)
    with pytest.raises(SessionEnded):
        refresh_session(refresh_token=ended.refresh_token)


def test_access_tokens_of_earlier_refreshes_end_too(alice: User) -> None:
    """All of a session's, not its last alone."""
    pairs = [start_session(user=alice)]
    for _ in range(2):
        pairs.append(refresh_session(refresh_token=pairs[-1].refresh_token))
    log_out(refresh_token=pairs[0].refresh_token)
    assert {verify(pair.access_token)[1] for pair in pairs} == {"session_ended"}


def test_log_out_everywhere(alice: User, bob: User) -> None:
    """All of one's own tokens die, and nobody else's."""
    pairs, his = [start_session(user=alice) for _ in range(3)], start_session(user=bob)
    assert having(pairs[0].access_token).delete("/auth/sessions").status_code == 204
    assert {verify(pair.access_token) for pair in pairs} == {(401, "token_revoked")}
    assert not LoginSession.objects.filter(user=alice).exists()
    assert verify(his.access_token) == (200, None)


@pytest.mark.parametrize("path", ["{his}", "{nobody}", "{ended}", "{expired}"])
def test_only_ones_own_live_sessions_can_be_ended(alice: User, bob: User, path: str) -> None:
    """Another's is a 404 like one that never was, and goes on."""
    pair, his, ended = start_session(user=alice), start_session(user=bob), start_session(user=alice)
    end_session(user_id=alice.pk, session_id=session_of(ended))
    ids = {"his": session_of(his), "nobody": uuid.uuid4(), "ended": session_of(ended)}
    path = path.format(**ids, expired=uuid.uuid4())
    response = having(pair.access_token).delete(f"/auth/sessions/{path}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert verify(his.access_token) == (200, None)
    refresh_session(refresh_token=his.refresh_token)


def test_session_ids_of_others_end_nothing(alice: User, bob: User) -> None:
    """A token of hers with his session's id, signed by us, is hers alone."""
    pair, his = start_session(user=alice), start_session(user=bob)
    assert not end_session(user_id=alice.pk, session_id=session_of(his))
    bob.refresh_from_db()
    alice.refresh_from_db()
    assert (alice.ended_sessions, bob.ended_sessions) == ("", "")
    assert verify(pair.access_token) == verify(his.access_token) == (200, None)


def test_ended_sessions_are_forgotten_after_their_tokens(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The column keeps those alone whose tokens could still be good, by any server's clock."""
    first, second, third = (start_session(user=alice) for _ in range(3))
    log_out(refresh_token=first.refresh_token)
    began, now = timezone.now(), timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + access_lifetime() - MINUTE)
    log_out(refresh_token=second.refresh_token)
    alice.refresh_from_db()
    assert alice.ended_sessions.split()[::2] == [str(session_of(first)), str(session_of(second))]
    monkeypatch.setattr(timezone, "now", lambda: now() + access_lifetime() + MINUTE)
    log_out(refresh_token=third.refresh_token)
    alice.refresh_from_db()
    assert alice.ended_sessions.split()[::2] == [str(session_of(second)), str(session_of(third))]
    assert access_lifetime() >= timedelta(minutes=15, seconds=40)
    assert began < now()


def test_too_many_ended_sessions_revoke_all(alice: User) -> None:
    """The column stays small: one session more ends every token of the user, in the same way."""
    for _ in range(MAX_ENDED):
        log_out(refresh_token=start_session(user=alice).refresh_token)
    alice.refresh_from_db()
    assert len(alice.ended_sessions) < 5000
    assert alice.token_version == 1
    ended, other = start_session(user=alice), start_session(user=alice)
    assert end_session(user_id=alice.pk, session_id=session_of(ended))
    assert verify(ended.access_token)[0] == verify(other.access_token)[0] == 401
    assert not LoginSession.objects.exists()


def test_list_is_bounded(alice: User) -> None:
    """However many there are."""
    pair = start_session(user=alice)
    for _ in range(MAX_LISTED + 1):
        start_session(user=alice)
    shown = having(pair.access_token).get("/auth/sessions").json()["results"]
    assert len(shown) == MAX_LISTED


def test_session_ends_so_long_after_its_log_in(alice: User, settings: Settings) -> None:
    """However often it is refreshed; a shorter limit holds for those that there are."""
    settings.AUTH_SESSION_LONGEST_SECONDS = 20 * 24 * 3600
    token = start_session(user=alice).refresh_token
    let_time_pass(timedelta(days=10))
    token = refresh_session(refresh_token=token).refresh_token
    session = LoginSession.objects.get()
    assert session.expires_at - session.created_at == timedelta(days=20)
    settings.AUTH_SESSION_LONGEST_SECONDS = 9 * 24 * 3600
    with pytest.raises(SessionEnded):
        refresh_session(refresh_token=token)


def test_sweep(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over goes, in small transactions, and the names of what ended; the rest stays."""
    monkeypatch.setattr("accounts.services.sessions.SWEEP_ROWS", 2)
    for _ in range(5):
        start_session(user=bob)
    LoginSession.objects.update(expires_at=timezone.now() - MINUTE)
    log_out(refresh_token=start_session(user=alice).refresh_token)
    live = start_session(user=alice)
    assert sweep_sessions() == (5, 0)
    alice.refresh_from_db()
    assert alice.ended_sessions
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + access_lifetime() + MINUTE)
    assert sweep_sessions() == (0, 1)
    found = get_user_by_id(alice.pk)
    assert found is not None
    assert found.ended_sessions == ""
    assert LoginSession.objects.get().pk == session_of(live)


def test_sweep_of_a_user_that_was_just_deleted() -> None:
    """They name no session, and are not counted."""
    assert not sessions._forget_ended(10**9)


def test_sweep_command(alice: User, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what it did."""
    start_session(user=alice)
    LoginSession.objects.update(expires_at=timezone.now() - MINUTE)
    call_command("sweep_sessions")
    told = "Deleted 1 sessions and 0 registrations; 0 users named old sessions.\n"
    assert capsys.readouterr().out == told


@pytest.mark.django_db(transaction=True)
def test_sessions_that_end_at_once_are_all_named(alice: User) -> None:
    """Eight log-outs at the same moment: no one's write undoes another's."""
    pairs = [start_session(user=alice) for _ in range(8)]
    assert verify(pairs[0].access_token) == (200, None)
    calls = [partial(log_out, refresh_token=pair.refresh_token) for pair in pairs]
    assert run_together(calls) == [None] * 8
    assert {verify(pair.access_token) for pair in pairs} == {(401, "session_ended")}


@pytest.mark.django_db(transaction=True)
def test_refresh_against_log_out(alice: User) -> None:
    """Whichever is first, no token that comes out of it is good."""
    for _ in range(5):
        pair = start_session(user=alice)
        calls: list[Callable[[], object]] = [
            partial(refresh_session, refresh_token=pair.refresh_token),
            partial(log_out, refresh_token=pair.refresh_token),
        ]
        refreshed, left = run_together(calls)
        assert left is None
        assert isinstance(refreshed, TokenPair | SessionEnded)
        tokens = [pair.access_token]
        tokens += [refreshed.access_token] if isinstance(refreshed, TokenPair) else []
        assert {verify(token) for token in tokens} == {(401, "session_ended")}


def test_stale_form_of_the_user_undoes_no_end(as_dora: APIClient, admin: Any, alice: User) -> None:
    """An admin's page from before, sent after it, leaves the column alone."""
    pair = start_session(user=alice)
    page = admin.get(f"/admin/accounts/user/{alice.pk}/change/")
    form = {
        name: value
        for name, value in page.context["adminform"].form.initial.items()
        if isinstance(value, str | int)
    }
    log_out(refresh_token=pair.refresh_token)
    sent = admin.post(f"/admin/accounts/user/{alice.pk}/change/", form | {"first_name": "Alicia"})
    assert sent.status_code == 302, sent.context["adminform"].form.errors
    assert verify(pair.access_token) == (401, "session_ended")
