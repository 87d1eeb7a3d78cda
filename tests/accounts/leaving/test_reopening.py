"""A closed account is opened again by its owner, for thirty days, and nobody else learns of it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.leaving.closing import close_account, erase_closed_accounts, reopen_account
from accounts.mail.tokens import make_email_token, make_reopen_token, make_reset_token
from accounts.models import User
from accounts.security_log.models import Event
from accounts.services.administration import activate_user, deactivate_user, set_password
from accounts.services.recovery import confirm_email, reset_password
from tests.accounts.schema.test_examples import read_token
from tests.accounts.security_log.test_events import events_of
from tests.accounts.views.test_recovery import HOUR, forge
from tests.cast import NEW_PASSWORD, PASSWORD, PROOF, client_of, token_of
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

CREDENTIALS = {"email": "alice@example.com", "password": PASSWORD}


def close(user: User, days_ago: float = 0) -> User:
    """Return the row of a user who closed the account so long ago."""
    close_account(user_id=user.pk, proof=PROOF)
    closed_at = timezone.now() - timedelta(days=days_ago)
    User.objects.filter(pk=user.pk).update(closed_at=closed_at)
    mail.outbox.clear()
    return User.objects.get(pk=user.pk)


def ask(client: APIClient, email: str) -> tuple[int, Any]:
    response = client.post("/auth/reopen-account", {"email": email})
    return response.status_code, response.json()


def test_way_back(anybody: APIClient, alice: User) -> None:
    """By the message's token, and then by the password; tokens from before stay dead."""
    old = client_of(alice)
    close(alice)
    assert ask(anybody, " Alice@example.com")[0] == 202
    assert [message.subject for message in mail.outbox] == ["Open your account again"]
    body = {"token": read_token()}
    assert anybody.post("/auth/reopen-account/confirm", body).status_code == 200
    login = anybody.post("/auth/login", CREDENTIALS)
    assert login.status_code == 200
    assert login.json()["user"]["is_email_verified"] is True
    assert old.get("/auth/verify").json()["code"] == "token_revoked"
    assert events_of(alice)[:2] == [Event.ACCOUNT_DEACTIVATED, Event.ACCOUNT_ACTIVATED]
    assert mail.outbox[-1].subject == "Your account was opened again"
    assert User.objects.get(pk=alice.pk).closed_at is None


def test_answers_tell_nothing(
    anybody: APIClient, alice: User, bob: User, charlie: User, eve: User
) -> None:
    """Closed, active, deactivated by an admin, closed for too long, none: the same words."""
    close(bob, days_ago=30)
    close(eve)
    deactivate_user(user_id=eve.pk)
    users = [alice.email, bob.email, charlie.email, eve.email, "no@example.com"]
    answers = [ask(anybody, email) for email in users]
    assert mail.outbox == []
    close(alice, days_ago=29.9)
    answers.append(ask(anybody, alice.email))
    assert len(mail.outbox) == 1
    assert all(answer == answers[0] for answer in answers)


def test_nothing_is_looked_up_before_the_answer(
    anybody: APIClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """So that its time tells nothing either."""
    close(alice)
    tasks = list[Callable[[], object]]()
    monkeypatch.setattr("accounts.mail.mailer.MAILER.submit", tasks.append)
    with django_assert_num_queries(0):
        ask(anybody, alice.email)
        ask(anybody, "nobody@example.com")
    assert len(tasks) == 2


def test_log_in_and_reset_tell_nothing_of_a_closed_account(anybody: APIClient, alice: User) -> None:
    """With the right password: the answer to a wrong one. A reset sends no message."""
    wrong = anybody.post("/auth/login", CREDENTIALS | {"password": "wrong"})
    close(alice)
    right = anybody.post("/auth/login", CREDENTIALS)
    assert (right.status_code, right.content) == (wrong.status_code, wrong.content)
    anybody.post("/auth/reset-password", {"email": alice.email})
    assert mail.outbox == []


def close_again(user: User) -> None:
    reopen_account(token=make_reopen_token(user))
    close(user)


@pytest.mark.parametrize(
    "act",
    [
        lambda user: reopen_account(token=make_reopen_token(user)),
        lambda user: activate_user(user_id=user.pk),
        lambda user: deactivate_user(user_id=user.pk),
        lambda user: set_password(user_id=user.pk, new_password=NEW_PASSWORD),
        lambda user: User.objects.filter(pk=user.pk).update(email="alicia@example.com"),
        lambda user: User.objects.filter(pk=user.pk).update(
            closed_at=timezone.now() - timedelta(days=31)
        ),
        close_again,
        lambda user: user.delete(),
    ],
    ids=["used", "activated", "banned", "password", "moved", "too late", "closed again", "deleted"],
)
def test_what_ends_a_token(alice: User, act: Callable[[User], object]) -> None:
    """Once the account has changed in any of these ways, it opens nothing."""
    alice = close(alice)
    token = make_reopen_token(alice)
    act(alice)
    before = list(User.objects.values())
    with pytest.raises(ValidationError) as caught:
        reopen_account(token=token)
    assert set(caught.value.message_dict) == {"token"}
    assert list(User.objects.values()) == before


def test_token_expires(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour; another can be asked for."""
    token = make_reopen_token(close(alice))
    later = datetime.now() + HOUR  # noqa: DTZ005  # as Django's generator counts
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _generator: later)
    with pytest.raises(ValidationError):
        reopen_account(token=token)


def test_eight_uses_at_once_are_one(alice: User) -> None:
    """The row is locked before the token is checked."""
    token = make_reopen_token(close(alice))
    results = run_together([partial(reopen_account, token=token)] * 8)
    assert results.count(None) == 1
    assert sum(isinstance(result, ValidationError) for result in results) == 7


def test_tokens_of_one_kind_are_not_of_another(alice: User) -> None:
    """What resets a password or confirms an email opens nothing, and the reverse."""
    alice = close(alice)
    for token in (make_reset_token(alice), make_email_token(alice, alice.email)):
        with pytest.raises(ValidationError):
            reopen_account(token=token)
    token = make_reopen_token(alice)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    with pytest.raises(ValidationError):
        reset_password(token=token, new_password=NEW_PASSWORD)
    with pytest.raises(ValidationError):
        confirm_email(token=token)


def test_forged_tokens_do_nothing(anybody: APIClient, alice: User, bob: User) -> None:
    """Cut, moved, mixed, made up: a 400 on the token."""
    alice, bob = close(alice), close(bob)
    before = list(User.objects.order_by("pk").values())
    number, _, signature = make_reopen_token(alice).split(".")
    his = make_reopen_token(bob).split(".")[0]
    forged = [f"{his}..{signature}", f"{number}.YQ.{signature}", f"{number}..{signature[:-1]}"]
    for token in [*forge(alice, bob), *forged]:
        response = anybody.post("/auth/reopen-account/confirm", {"token": token})
        assert (response.status_code, set(response.json())) == (400, {"token"}), token
    assert list(User.objects.order_by("pk").values()) == before


def test_admins_word_is_the_last(alice: User) -> None:
    """A closed account that an admin deactivates is neither opened by mail nor erased."""
    close(alice, days_ago=31)
    deactivate_user(user_id=alice.pk)
    assert erase_closed_accounts() == 0
    with pytest.raises(ValidationError):
        reopen_account(token=make_reopen_token(User.objects.get(pk=alice.pk)))


def test_period_is_a_setting(alice: User, settings: Settings) -> None:
    """Of so many days."""
    settings.AUTH_CLOSED_ACCOUNT_DAYS = 3
    alice = close(alice, days_ago=3.1)
    with pytest.raises(ValidationError):
        reopen_account(token=make_reopen_token(alice))
    settings.AUTH_CLOSED_ACCOUNT_DAYS = 4
    reopen_account(token=make_reopen_token(alice))


def test_links_lead_where_the_settings_say(
    anybody: APIClient, alice: User, settings: Settings
) -> None:
    """Never to what a Host header names."""
    settings.AUTH_REOPEN_ACCOUNT_URL = "https://www.example.com/reopen#{token}"
    settings.ALLOWED_HOSTS = ["*"]
    close(alice)
    anybody.post("/auth/reopen-account", {"email": alice.email}, HTTP_HOST="evil.example")
    assert read_token().startswith("https://www.example.com/reopen#")
    assert "evil" not in str(mail.outbox[-1].body)


def test_a_closed_account_has_no_tokens(alice: User) -> None:
    """Made by hand at its version, one is refused."""
    alice = close(alice)
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {token_of(alice)}")
    assert client.get("/auth/verify").json()["code"] == "user_inactive"
