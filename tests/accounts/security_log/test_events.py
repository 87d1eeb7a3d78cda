"""What happens to an account is in the log, with where it came from, and shown to its owner."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.security_log.models import Event, SecurityEvent
from accounts.security_log.origin import find_origin
from accounts.security_log.recording import record
from accounts.services.account import change_password
from accounts.services.administration import activate_user, deactivate_user
from accounts.services.sessions import refresh_session, start_session
from tests.accounts.admin_site import page, password_page, read_form, run_action
from tests.accounts.api_keys.program import make_program
from tests.accounts.schema.test_examples import read_token
from tests.accounts.services.test_sessions import MINUTE, let_time_pass
from tests.cast import NEW_PASSWORD, PASSWORD, PROOF, client_of

pytestmark = pytest.mark.django_db(transaction=True)

CREDENTIALS = {"email": "alice@example.com", "password": PASSWORD}
PHONE: dict[str, Any] = {"HTTP_USER_AGENT": "Phone", "REMOTE_ADDR": "203.0.113.9"}
HERE = ("203.0.113.9", "Phone")


def events_of(user: User) -> list[str]:
    """Return what happened to the user, the first first."""
    events = SecurityEvent.objects.filter(user_id=user.pk).order_by("pk")
    return list(events.values_list("event", flat=True))


def last() -> SecurityEvent:
    return SecurityEvent.objects.latest("pk")


def where(event: SecurityEvent) -> tuple[str | None, str]:
    return event.address, event.user_agent


@pytest.fixture
def phone(alice: User) -> APIClient:
    """Alice's phone, logged in."""
    client = client_of(alice)
    client.defaults.update(PHONE)
    return client


def test_log_in(alice: User) -> None:
    """With the session's id, address and device."""
    client = APIClient(**PHONE)
    client.post("/auth/login", CREDENTIALS)
    event = last()
    assert (event.event, event.user_id, event.actor_id) == (Event.SESSION_STARTED, alice.pk, None)
    assert where(event) == HERE
    assert event.about == str(alice.login_sessions.get().pk)


def test_failed_log_in(alice: User, charlie: User) -> None:
    """Of a known, a closed and an unknown account: nothing that was typed, and nobody's id."""
    client = APIClient(**PHONE)
    for email in (alice.email, charlie.email, "nobody@example.com"):
        client.post("/auth/login", {"email": email, "password": "Wrong-Horse-1"})
    rows = SecurityEvent.objects.order_by("pk")
    assert [row.user_id for row in rows] == [alice.pk, charlie.pk, None]
    assert {row.event for row in rows} == {Event.LOGIN_FAILED}
    assert {where(row) for row in rows} == {HERE}
    assert "Wrong-Horse" not in str(list(rows.values()))
    assert "nobody" not in str(list(rows.values()))


def test_known_and_unknown_accounts_cost_the_same(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """So many statements for either."""
    for email in (alice.email, "nobody@example.com"):
        with django_assert_num_queries(3):
            APIClient().post("/auth/login", {"email": email, "password": "wrong"})


def test_life_of_an_account(anybody: APIClient) -> None:
    """Every change that its owner makes, in order."""
    anybody.defaults.update(PHONE)
    form = CREDENTIALS | {"first_name": "Alice", "last_name": "Rolle"}
    pair = anybody.post("/auth/register", form).json()
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    alice = User.objects.get()
    anybody.post("/auth/confirm-email", {"token": read_token()})
    key = {"name": "x", "password": PASSWORD}
    made = anybody.post("/auth/api-keys", key).json()
    anybody.delete(f"/auth/api-keys/{made['id']}")
    new = {"new_email": "alicia@example.com", "password": PASSWORD}
    anybody.post("/auth/change-email", new)
    anybody.post("/auth/confirm-email", {"token": read_token()})
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    pair = anybody.post("/auth/change-password", change).json()
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    anybody.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    anybody.credentials()
    anybody.post("/auth/reset-password", {"email": "alicia@example.com"})
    reset = {"token": read_token(), "new_password": PASSWORD}
    anybody.post("/auth/reset-password/confirm", reset)
    pair = anybody.post("/auth/login", {"email": "alicia@example.com", "password": PASSWORD}).json()
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    anybody.delete("/auth/sessions")
    pair = anybody.post("/auth/login", {"email": "alicia@example.com", "password": PASSWORD}).json()
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    anybody.delete("/auth/account", {"password": PASSWORD})
    assert events_of(alice) == [
        Event.ACCOUNT_CREATED,
        Event.SESSION_STARTED,
        Event.EMAIL_VERIFIED,
        Event.KEY_CREATED,
        Event.KEY_REVOKED,
        Event.EMAIL_CHANGED,
        Event.PASSWORD_CHANGED,
        Event.SESSION_STARTED,
        Event.SESSION_ENDED,
        Event.PASSWORD_CHANGED,
        Event.SESSION_STARTED,
        Event.TOKENS_REVOKED,
        Event.SESSION_STARTED,
        Event.ACCOUNT_DEACTIVATED,
    ]
    assert {where(event) for event in SecurityEvent.objects.all()} == {HERE}
    for secret in (PASSWORD, NEW_PASSWORD, made["key"], *pair.values()):
        assert str(secret) not in str(list(SecurityEvent.objects.values()))


def test_reuse_of_a_refresh_token(alice: User, anybody: APIClient) -> None:
    """It is told from a log-out."""
    pair = start_session(user=alice)
    refresh_session(refresh_token=pair.refresh_token)
    let_time_pass(MINUTE)
    assert anybody.post("/auth/refresh", {"refresh_token": pair.refresh_token}).status_code == 401
    assert events_of(alice) == [Event.SESSION_STARTED, Event.TOKEN_REUSED]


def test_admin_site(admin: Client, dora: User, alice: User) -> None:
    """What an admin does to another's account names them, and which privileges were changed."""
    form = read_form(admin, page(alice)) | {"is_admin": "on", "email": "alicia@example.com"}
    assert admin.post(page(alice), form, **PHONE).status_code == 302
    event = SecurityEvent.objects.get(event=Event.PRIVILEGES_CHANGED)
    assert (event.user_id, event.actor_id, event.about) == (alice.pk, dora.pk, "is_admin: True")
    assert where(event) == HERE
    passwords = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert admin.post(password_page(alice), passwords).status_code == 302
    for action in ("deactivate", "activate", "revoke"):
        run_action(admin, action, alice)
    form = read_form(admin, page(alice))
    form.pop("is_active")
    assert admin.post(page(alice), form).status_code == 302
    assert admin.post(page(alice, "delete"), {"post": "yes"}).status_code == 302
    events = SecurityEvent.objects.filter(user_id=alice.pk).order_by("pk")
    assert list(events.values_list("event", flat=True)) == [
        Event.EMAIL_CHANGED,
        Event.PRIVILEGES_CHANGED,
        Event.PASSWORD_CHANGED,
        Event.ACCOUNT_DEACTIVATED,
        Event.ACCOUNT_ACTIVATED,
        Event.TOKENS_REVOKED,
        Event.ACCOUNT_DEACTIVATED,
        Event.ACCOUNT_DELETED,
    ]
    assert {event.actor_id for event in events} == {dora.pk}


def test_admin_login_and_own_password(dora: User) -> None:
    """Django's own pages are recorded as well."""
    browser = Client(**PHONE)
    login = {"username": dora.email, "password": "wrong"}
    browser.post("/admin/login/", login)
    browser.post("/admin/login/", login | {"password": PASSWORD})
    change = {
        "old_password": PASSWORD,
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    }
    assert browser.post("/admin/password_change/", change).status_code == 302
    expected = [Event.LOGIN_FAILED, Event.ADMIN_LOGIN, Event.PASSWORD_CHANGED]
    assert events_of(dora) == expected
    assert {where(event) for event in SecurityEvent.objects.all()} == {HERE}
    assert {event.actor_id for event in SecurityEvent.objects.all()} == {None}


def test_event_is_in_the_transaction_of_what_it_tells_of(alice: User) -> None:
    """Rolled back together, and a refused change is no event."""
    with pytest.raises(RuntimeError), transaction.atomic():
        deactivate_user(user_id=alice.pk)
        change_password_of(alice)
        raise RuntimeError
    assert (
        client_of(alice).post("/auth/api-keys", {"name": "x", "password": "no"}).status_code == 400
    )
    assert events_of(alice) == []


def change_password_of(user: User) -> None:
    activate_user(user_id=user.pk)
    change_password(user_id=user.pk, proof=PROOF, new_password=NEW_PASSWORD)


def test_reading_writes_nothing(alice: User, phone: APIClient) -> None:
    """By token or key, warm or cold: no row, and no query once warm."""
    program = make_program(alice)
    before = SecurityEvent.objects.count()
    for client in (phone, program.client):
        for path in ("/auth/verify", "/auth/profile", "/users", "/auth/verify"):
            assert client.get(path).status_code == 200
    assert SecurityEvent.objects.count() == before


def test_origin_is_that_of_the_request_under_way(alice: User, admin: Client) -> None:
    """A request of the API after one of the admin site names no admin."""
    admin.get("/admin/")
    APIClient(**PHONE).post("/auth/login", CREDENTIALS)
    assert (last().actor_id, where(last())) == (None, HERE)
    assert find_origin().device.address == "203.0.113.9"


def test_owner_sees_their_own(alice: User, bob: User, phone: APIClient) -> None:
    """Page by page, the last first; nobody else's, and not where an admin was."""
    for number in range(5):
        record(Event.SESSION_STARTED, user_id=alice.pk, about=str(number))
        record(Event.SESSION_STARTED, user_id=bob.pk, about="his")
    SecurityEvent.objects.create(
        event=Event.ACCOUNT_ACTIVATED, user=alice, actor=bob, address="198.51.100.1", user_agent="A"
    )
    seen = list[Any]()
    query, answer = "?page_size=2", dict[str, Any]()
    for _ in range(3):
        answer = phone.get(f"/auth/events{query}").json()
        assert len(answer["results"]) == 2
        seen += answer["results"]
        query = f"?page_size=2&before={answer['next']}"
    assert answer["next"] is None
    assert [event["about"] for event in seen] == ["", "4", "3", "2", "1", "0"]
    assert [event["by_admin"] for event in seen] == [True] + [False] * 5
    assert (seen[0]["address"], seen[0]["user_agent"]) == (None, "")
    assert seen[0]["event"] == "account_activated"


@pytest.mark.parametrize("query", ["before=0", "before=x", f"before={2**63}", "page_size=101"])
def test_bad_query_is_named(as_alice: APIClient, query: str) -> None:
    """And an unknown one, too."""
    response = as_alice.get(f"/auth/events?{query}")
    assert (response.status_code, set(response.json())) == (400, {query.partition("=")[0]})
    assert as_alice.get("/auth/events?user=1").status_code == 400


def test_events_cost_one_query(
    alice: User, phone: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """However many there are."""
    for _ in range(30):
        record(Event.SESSION_STARTED, user_id=alice.pk)
    phone.get("/auth/verify")
    with django_assert_num_queries(1):
        phone.get("/auth/events")


def test_admin_site_shows_the_log_and_changes_nothing(
    admin: Client, alice: User, settings: Settings
) -> None:
    """By email, id and address; there is no way to add, change or delete."""
    settings.NUM_PROXIES = 0
    APIClient(**PHONE).post("/auth/login", CREDENTIALS)
    path = "/admin/security_log/securityevent/"
    for term in (alice.email, str(alice.pk), "203.0.113.9", last().about):
        assert "logged in" in admin.get(path, {"q": term}).content.decode()
    assert "0 results" in admin.get(path, {"q": "nobody@example.com"}).content.decode()
    event = last()
    assert admin.get(f"{path}{event.pk}/change/").status_code == 200
    assert admin.post(f"{path}{event.pk}/change/", {"about": "x"}).status_code == 403
    assert admin.get(f"{path}add/").status_code == 403
    assert admin.post(f"{path}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": event.pk}
    admin.post(path, action)
    assert SecurityEvent.objects.filter(pk=event.pk).exists()


def test_event_outlives_its_user(alice: User, admin: Client) -> None:
    """The row keeps their id; the admin site shows it."""
    record(Event.SESSION_STARTED, user_id=alice.pk, about="kept")
    alice_id = alice.pk
    User.objects.get(pk=alice_id).delete()
    assert SecurityEvent.objects.get(about="kept").user_id == alice_id
    shown = admin.get("/admin/security_log/securityevent/").content.decode()
    assert "kept" in shown
