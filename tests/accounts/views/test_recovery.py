"""The ways that lead through a mailbox: uniform, single-use, and told to the former address."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.mail.tokens import make_email_token, make_reset_token
from accounts.models import User
from accounts.services.account import log_in
from accounts.services.administration import deactivate_user, revoke_tokens, set_password
from accounts.services.recovery import confirm_email, reset_password
from accounts.services.sessions import start_session
from tests.cast import NEW_PASSWORD, PASSWORD, client_of
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

NEW_EMAIL = "alicia@example.com"
HOUR = timedelta(hours=1, seconds=1)


def sent() -> list[tuple[str, str]]:
    """Return what was sent, by address."""
    return [(message.to[0], str(message.subject)) for message in mail.outbox]


def token_of_last() -> str:
    token: str = mail.outbox[-1].body.split("\n\n")[1]
    return token


@pytest.fixture
def as_bob(bob: User) -> APIClient:
    """Bob, logged in."""
    return client_of(bob)


def ask(client: APIClient, email: str) -> Any:
    response = client.post("/auth/reset-password", {"email": email})
    return response.status_code, response.json()


def test_forgotten_password(anybody: APIClient, alice: User) -> None:
    """The token from the mailbox sets a new one; every session ends, and the owner is told."""
    pair = start_session(user=alice)
    assert ask(anybody, " Alice@example.com")[0] == 202
    body = {"token": token_of_last(), "new_password": NEW_PASSWORD}
    assert anybody.post("/auth/reset-password/confirm", body).status_code == 200
    refresh = {"refresh_token": pair.refresh_token}
    assert anybody.post("/auth/refresh", refresh).json()["code"] == "session_ended"
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access_token}")
    assert anybody.get("/auth/verify").json()["code"] == "token_revoked"
    anybody.credentials()
    credentials = {"email": alice.email, "password": NEW_PASSWORD}
    login = anybody.post("/auth/login", credentials)
    assert login.status_code == 200
    assert login.json()["user"]["is_email_verified"] is True
    assert sent() == [
        (alice.email, "Choose a new password"),
        (alice.email, "Your password was changed"),
    ]


def test_answers_tell_nothing(anybody: APIClient, alice: User, charlie: User) -> None:
    """For an account, none, a closed one, and one without a password: the same words."""
    alice.set_unusable_password()
    alice.save()
    answers = [ask(anybody, email) for email in (alice.email, charlie.email, "no@example.com")]
    assert mail.outbox == []
    alice.set_password(PASSWORD)
    alice.save()
    answers.append(ask(anybody, alice.email))
    assert len(mail.outbox) == 1
    assert all(answer == answers[0] for answer in answers)


def test_nothing_is_looked_up_before_the_answer(
    anybody: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    """So that its time tells nothing either: the account is looked for on another thread."""
    tasks = list[Callable[[], object]]()
    monkeypatch.setattr("accounts.mail.mailer.MAILER.submit", tasks.append)
    with django_assert_num_queries(0):
        ask(anybody, alice.email)
        ask(anybody, "nobody@example.com")
    assert mail.outbox == []
    for task in tasks:
        task()
    assert sent() == [(alice.email, "Choose a new password")]


def replace_hash(user: User) -> None:
    User.objects.filter(pk=user.pk).update(password="!other")


@pytest.mark.parametrize(
    "act",
    [
        lambda user: reset_password(token=make_reset_token(user), new_password="Sea-Grape-1492"),
        lambda user: set_password(user_id=user.pk, new_password="Sea-Grape-1492"),
        lambda user: deactivate_user(user_id=user.pk),
        lambda user: revoke_tokens(user_id=user.pk),
        lambda user: log_in(
            request=RequestFactory().post("/"), email=user.email, password=PASSWORD
        ),
        lambda user: User.objects.filter(pk=user.pk).update(email=NEW_EMAIL),
        lambda user: user.delete(),
        replace_hash,
    ],
    ids=["used", "changed", "closed", "logged out", "logged in", "moved", "deleted", "hash"],
)
def test_what_ends_a_reset(anybody: APIClient, alice: User, act: Callable[[User], object]) -> None:
    """Once its account has changed in any of these ways, the token is worth nothing."""
    token = make_reset_token(alice)
    act(alice)
    hashes = list(User.objects.values_list("password", flat=True))
    body = {"token": token, "new_password": NEW_PASSWORD}
    response = anybody.post("/auth/reset-password/confirm", body)
    assert response.status_code == 400
    assert set(response.json()) == {"token"}
    assert list(User.objects.values_list("password", flat=True)) == hashes


def test_eight_uses_at_once_are_one(alice: User) -> None:
    """The row is locked before the token is checked."""
    token = make_reset_token(alice)
    passwords = [f"Sea-Grape-{number}-1492" for number in range(8)]
    calls = [partial(reset_password, token=token, new_password=each) for each in passwords]
    results = run_together(calls)
    assert results.count(None) == 1
    assert sum(isinstance(result, ValidationError) for result in results) == 7


def test_token_expires(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour, both kinds."""
    tokens = make_reset_token(alice), make_email_token(alice, alice.email)
    later = datetime.now() + HOUR  # noqa: DTZ005  # as Django's generator counts
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _generator: later)
    with pytest.raises(ValidationError):
        reset_password(token=tokens[0], new_password=NEW_PASSWORD)
    with pytest.raises(ValidationError):
        confirm_email(token=tokens[1])


def forge(alice: User, bob: User) -> list[str]:
    reset, email = make_reset_token(alice), make_email_token(alice, NEW_EMAIL)
    owner, address, signature = email.split(".")
    his = make_reset_token(bob).split(".")
    return [
        *("", ".", "..", "...", "x", "\x00.\x00.\x00", "1" * 1024, "zzzzzzzzzzzzz..x", "7.é.x"),
        f"{his[0]}..{reset.split('.')[2]}",  # her signature for him
        f"{owner}..{signature}",  # an address taken off
        f"{owner}.{make_email_token(alice, 'eve@example.com').split('.')[1]}.{signature}",
        f"{owner}.{address}.{reset.split('.')[2]}",  # of the other kind
        f"{owner}.{address}.{signature[:-1]}",
        f"{owner}.{address}.zzzzzz-{signature.partition('-')[2]}",  # a later time
    ]


def test_forged_tokens_do_nothing(anybody: APIClient, alice: User, bob: User) -> None:
    """Cut, moved, mixed, made up: a 400 on the token for each, in the same words."""
    before = list(User.objects.order_by("pk").values())
    for token in forge(alice, bob):
        for path in ("/auth/reset-password/confirm", "/auth/confirm-email"):
            body = {"token": token}
            body |= {"new_password": NEW_PASSWORD} if "reset" in path else {}
            response = anybody.post(path, body)
            assert response.status_code == 400, token
            assert set(response.json()) == {"token"}, token
    assert list(User.objects.order_by("pk").values()) == before


def test_tokens_of_one_kind_are_not_of_the_other(alice: User) -> None:
    """A token that confirms an email sets no password, and the reverse."""
    with pytest.raises(ValidationError):
        reset_password(token=make_email_token(alice, alice.email), new_password=NEW_PASSWORD)
    with pytest.raises(ValidationError):
        confirm_email(token=make_reset_token(alice))


@pytest.mark.parametrize("weak", ["short", "alice@example.com", "password123", "1" * 20])
def test_weak_password_leaves_the_token(anybody: APIClient, alice: User, weak: str) -> None:
    """It is refused by name, and the next try may use the same token."""
    token = make_reset_token(alice)
    response = anybody.post("/auth/reset-password/confirm", {"token": token, "new_password": weak})
    assert (response.status_code, set(response.json())) == (400, {"new_password"})
    reset_password(token=token, new_password=NEW_PASSWORD)


def test_registration_asks_whose_email_it_is(anybody: APIClient) -> None:
    """Its token verifies it, once; then there is nothing more to ask."""
    body = {"email": "zoe@example.com", "password": PASSWORD, "first_name": "Z", "last_name": "R"}
    token = anybody.post("/auth/register", body).json()["access_token"]
    assert sent() == [("zoe@example.com", "Confirm your email address")]
    confirmation = {"token": token_of_last()}
    assert anybody.post("/auth/confirm-email", confirmation).status_code == 200
    assert anybody.post("/auth/confirm-email", confirmation).status_code == 400
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert anybody.get("/auth/profile").json()["is_email_verified"] is True
    assert anybody.post("/auth/verify-email").status_code == 202
    assert len(mail.outbox) == 1


def test_change_of_email(as_alice: APIClient, anybody: APIClient, alice: User) -> None:
    """Only once the new mailbox has answered; the former is told, and tokens of it are dead."""
    reset = make_reset_token(alice)
    body = {"new_email": " ALICIA@example.com", "password": PASSWORD}
    assert as_alice.post("/auth/change-email", body).status_code == 202
    assert as_alice.get("/auth/profile").json()["email"] == alice.email
    assert anybody.post("/auth/confirm-email", {"token": token_of_last()}).status_code == 200
    profile = as_alice.get("/auth/profile").json()
    assert (profile["email"], profile["is_email_verified"]) == (NEW_EMAIL, True)
    assert sent() == [
        (NEW_EMAIL, "Confirm your email address"),
        (alice.email, "The email address of your account was changed"),
    ]
    with pytest.raises(ValidationError):
        reset_password(token=reset, new_password=NEW_PASSWORD)


def test_change_to_anothers_email_tells_nothing(as_alice: APIClient, bob: User) -> None:
    """The same answer as for a free one, and no message to him."""
    taken, free = (
        as_alice.post("/auth/change-email", {"new_email": email, "password": PASSWORD})
        for email in (bob.email, NEW_EMAIL)
    )
    assert (
        (taken.status_code, taken.json()) == (free.status_code, free.json()) == (202, free.json())
    )
    assert [recipient for recipient, _ in sent()] == [NEW_EMAIL]


def test_change_of_email_wants_the_password(as_alice: APIClient) -> None:
    """A stolen access token doesn't take the account over."""
    response = as_alice.post("/auth/change-email", {"new_email": NEW_EMAIL, "password": "wrong"})
    assert (response.status_code, set(response.json())) == (400, {"password"})
    assert mail.outbox == []


def test_email_that_was_taken_meanwhile(anybody: APIClient, alice: User, bob: User) -> None:
    """Somebody else has it when the token comes back: a 400 on the token, and both stay."""
    token = make_email_token(alice, NEW_EMAIL)
    bob.email = NEW_EMAIL
    bob.save()
    assert anybody.post("/auth/confirm-email", {"token": token}).status_code == 400
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"


@pytest.mark.parametrize("number", [0, 1])
def test_two_changes_asked_for_at_once(alice: User, number: int) -> None:
    """Whichever token comes back first, the other is dead."""
    tokens = [make_email_token(alice, email) for email in (NEW_EMAIL, "ali@example.com")]
    confirm_email(token=tokens[number])
    with pytest.raises(ValidationError):
        confirm_email(token=tokens[1 - number])


def test_account_made_with_anothers_email_is_its_owners(anybody: APIClient) -> None:
    """Who reads the mail resets the password, and the sessions of the other are over."""
    body = {"email": "zoe@example.com", "password": PASSWORD, "first_name": "E", "last_name": "E"}
    squatter = anybody.post("/auth/register", body).json()
    ask(anybody, "zoe@example.com")
    reset_password(token=token_of_last(), new_password=NEW_PASSWORD)
    refresh = {"refresh_token": squatter["refresh_token"]}
    assert anybody.post("/auth/refresh", refresh).status_code == 401


def test_every_change_of_the_password_is_told(
    as_alice: APIClient, alice: User, admin: Client
) -> None:
    """By the user, and by an admin."""
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert as_alice.post("/auth/change-password", body).status_code == 200
    form = {"password1": "Sea-Grape-1492", "password2": "Sea-Grape-1492"}
    admin.post(f"/admin/accounts/user/{alice.pk}/password/", form)
    assert sent() == [(alice.email, "Your password was changed")] * 2


def test_admin_change_of_email(admin: Client, alice: User) -> None:
    """The former address is told, and the new one isn't verified."""
    User.objects.filter(pk=alice.pk).update(is_email_verified=True)
    page = admin.get(f"/admin/accounts/user/{alice.pk}/change/")
    initial = page.context["adminform"].form.initial
    form = {name: value for name, value in initial.items() if isinstance(value, str | int)}
    admin.post(f"/admin/accounts/user/{alice.pk}/change/", form | {"email": NEW_EMAIL})
    assert sent() == [(alice.email, "The email address of your account was changed")]
    alice.refresh_from_db()
    assert (alice.email, alice.is_email_verified) == (NEW_EMAIL, False)


def test_links_lead_where_the_settings_say(
    anybody: APIClient, alice: User, settings: Settings
) -> None:
    """Never to what a Host header names."""
    settings.AUTH_RESET_PASSWORD_URL = "https://www.example.com/reset#{token}"
    settings.ALLOWED_HOSTS = ["*"]
    anybody.post("/auth/reset-password", {"email": alice.email}, HTTP_HOST="evil.example")
    link = token_of_last()
    assert link.startswith("https://www.example.com/reset#")
    assert "evil" not in mail.outbox[-1].body
    reset_password(token=link.partition("#")[2], new_password=NEW_PASSWORD)


def test_messages_are_limited(anybody: APIClient, alice: User, settings: Settings) -> None:
    """A mailbox can't be filled: the limit is by its address, not by the client's."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"mail": {"account": (2, 3600)}}
    settings.NUM_PROXIES = 1
    codes = [
        anybody.post(
            "/auth/reset-password",
            {"email": alice.email},
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
        ).status_code
        for number in range(4)
    ]
    assert codes == [202, 202, 429, 429]
    assert len(mail.outbox) == 2


def test_no_header_can_be_added(anybody: APIClient) -> None:
    """A line break in an address is no address."""
    for email in ("a@example.com\nBcc: eve@example.com", "a@example.com\r\nX: y", "a\x00@b.bs"):
        assert anybody.post("/auth/reset-password", {"email": email}).status_code == 400


def test_asking_for_something_else_uses_up_nobodys_reset(
    anybody: APIClient, as_bob: APIClient, alice: User, settings: Settings
) -> None:
    """Neither for messages that are never sent: the address is taken, the account isn't closed."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"mail": {"account": (2, 3600)}}
    change = {"new_email": alice.email, "password": PASSWORD}
    for _ in range(3):
        as_bob.post("/auth/change-email", change)
        anybody.post("/auth/reopen-account", {"email": alice.email})
    assert mail.outbox == []
    assert ask(anybody, alice.email)[0] == 202
    assert sent() == [(alice.email, "Choose a new password")]


def test_registrations_use_up_nobodys_reset(
    anybody: APIClient, alice: User, settings: Settings
) -> None:
    """Those by mail, with the address of somebody who has an account."""
    settings.AUTH_REGISTRATION_BY_MAIL = True
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"mail": {"account": (2, 3600)}}
    form = {"email": alice.email, "password": NEW_PASSWORD, "first_name": "E", "last_name": "E"}
    assert [anybody.post("/auth/register", form).status_code for _ in range(3)] == [202, 202, 429]
    assert ask(anybody, alice.email)[0] == 202
