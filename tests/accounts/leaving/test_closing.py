"""Closing one's account deactivates it and deletes the picture; the row stays for a while."""

from functools import partial
from pathlib import Path

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.errors import AccountGone
from accounts.leaving.checks import check_days
from accounts.leaving.closing import close_account
from accounts.models import DiscardedPicture, LoginSession, User
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.account import set_avatar
from accounts.services.administration import deactivate_user
from accounts.services.sessions import start_session
from tests.accounts.admin_site import run_action
from tests.accounts.services.test_locked_rows import meanwhile
from tests.cast import PASSWORD, PROOF
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_every_token_dies(as_alice: APIClient, alice: User) -> None:
    """With the user warm in the cache, the very next request is refused."""
    refresh_token = start_session(user=alice).refresh_token
    assert as_alice.get("/auth/verify").status_code == 200
    response = as_alice.delete("/auth/account", {"password": PASSWORD})
    assert (response.status_code, response.content) == (204, b"")
    assert as_alice.get("/auth/verify").status_code == 401
    anybody = APIClient()
    assert anybody.post("/auth/refresh", {"refresh_token": refresh_token}).status_code == 401
    credentials = {"email": alice.email, "password": PASSWORD}
    assert anybody.post("/auth/login", credentials).status_code == 401
    assert not User.objects.get(pk=alice.pk).is_active
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("body", [None, {}, {"password": None}, {"password": "wrong"}], ids=str)
def test_password_is_asked_for(as_alice: APIClient, body: dict[str, str] | None) -> None:
    """A 400 on the field, and the account lives on."""
    response = as_alice.delete("/auth/account", body)
    assert response.status_code == 400
    assert set(response.json()) == {"password"}
    assert as_alice.get("/auth/verify").status_code == 200


def files(media: Path) -> list[Path]:
    """Return the pictures that there are."""
    return [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.django_db(transaction=True)
def test_owner_is_told_how_long_there_is_a_way_back(as_alice: APIClient, alice: User) -> None:
    """At the account's address: it may not have been they."""
    as_alice.delete("/auth/account", {"password": PASSWORD})
    [message] = mail.outbox
    assert (message.to, message.subject) == ([alice.email], "Your account was closed")
    assert "In 30 days it will be erased" in message.body


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_by_owner", [True, False])
def test_picture_goes(alice: User, media: Path, *, is_by_owner: bool) -> None:
    """The file is deleted, however the account is deactivated, and so is the task to do it."""
    set_avatar(user_id=alice.pk, content=b"a picture")
    assert len(files(media)) == 1
    deactivate_user(user_id=alice.pk, is_by_owner=is_by_owner)
    assert files(media) == []
    assert User.objects.get(pk=alice.pk).avatar_url == ""
    assert not DiscardedPicture.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_picture_goes_by_the_admin_site(admin: Client, alice: User, media: Path) -> None:
    """By the list's action, and with the user."""
    set_avatar(user_id=alice.pk, content=b"a picture")
    run_action(admin, "deactivate", alice)
    assert files(media) == []
    User.objects.filter(pk=alice.pk).update(is_active=True)
    set_avatar(user_id=alice.pk, content=b"a picture")
    assert len(files(media)) == 1
    admin.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=alice.pk).exists()
    assert files(media) == []


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_upload_under_way_leaves_no_file(alice: User, media: Path) -> None:
    """Begun before the closing, and waiting for it: its file goes again."""
    result = meanwhile(
        partial(close_account, user_id=alice.pk, proof=PROOF),
        partial(set_avatar, user_id=alice.pk, content=b"a picture"),
    )
    assert isinstance(result, AccountGone)
    assert files(media) == []


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_four_closings_at_once_are_one(alice: User) -> None:
    """The others find a closed account; one event, one message."""
    results = run_together([partial(close_account, user_id=alice.pk, proof=PROOF)] * 4)
    assert results.count(None) == 1
    assert sum(isinstance(result, AccountGone) for result in results) == 3
    assert SecurityEvent.objects.filter(event=Event.ACCOUNT_DEACTIVATED).count() == 1
    assert len(mail.outbox) == 1
    assert User.objects.get(pk=alice.pk).token_version == 2


def test_days_are_checked(settings: Settings) -> None:
    """A whole number, from a day to a year."""
    assert check_days() == []
    for bad in (0, 366, True, "30", 1.5, None):
        settings.AUTH_CLOSED_ACCOUNT_DAYS = bad
        assert [message.id for message in check_days()] == ["leaving.E001"]
