"""Another phone number takes a proof, and its owner is told; the rest of the profile doesn't."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.security_log.models import Event, SecurityEvent
from tests.accounts.admin_site import page, read_form
from tests.accounts.api_keys.program import make_program
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)

PROFILE = "/auth/profile"
NEW = {"phone": "242-555-7777"}
CHANGED = "The phone number of your account was changed"


def told() -> list[tuple[list[str], str]]:
    return [(message.to, str(message.subject)) for message in mail.outbox]


def changes() -> list[int | None]:
    """Return whose phone was changed."""
    rows = SecurityEvent.objects.filter(event=Event.PHONE_CHANGED).order_by("pk")
    return [row.user_id for row in rows]


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize(("change", "stored"), [(NEW, "+12425557777"), ({"phone": None}, None)])
def test_with_the_password(
    as_alice: APIClient, alice: User, method: str, change: dict[str, Any], stored: str | None
) -> None:
    """Another number as none at all; by mail, and in the log."""
    response = getattr(as_alice, method)(PROFILE, change | {"password": PASSWORD, "bio": "x"})
    assert (response.status_code, response.json()["phone"]) == (200, stored)
    assert User.objects.get().bio == "x"
    assert told() == [([alice.email], CHANGED)]
    assert changes() == [alice.pk]


@pytest.mark.parametrize("extra", [{}, {"password": "wrong"}, {"password": None}], ids=repr)
def test_stolen_token_alone(
    as_alice: APIClient, alice: User, bob: User, extra: dict[str, Any]
) -> None:
    """Changes nothing of what was sent, nor tells whether somebody has a number."""
    answers = [
        as_alice.patch(PROFILE, {"phone": phone, "bio": "x"} | extra)
        for phone in ("242-555-7777", bob.phone)
    ]
    assert {answer.status_code for answer in answers} == {400}
    [first, second] = [answer.json() for answer in answers]
    assert first == second
    assert set(first) == {"password"}
    assert User.objects.values().get(pk=alice.pk)["phone"] == alice.phone
    assert User.objects.get(pk=alice.pk).bio == alice.bio
    assert (told(), changes()) == ([], [])


def test_taken_number_is_told_to_nobody(as_alice: APIClient, bob: User) -> None:
    """As it isn't changed."""
    response = as_alice.patch(PROFILE, {"phone": bob.phone, "password": PASSWORD})
    assert (response.status_code, set(response.json())) == (400, {"phone"})
    assert (told(), changes()) == ([], [])


def test_own_number_takes_no_proof(as_alice: APIClient, alice: User, settings: Settings) -> None:
    """In any spelling; nor do other fields. What comes as one isn't looked at, nor counted."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"password": {"account": (1, 3600)}}
    same = {"phone": "(242) 555-0101", "bio": "x"}
    for body in (same, same | {"password": "wrong", "code": "x"}, {"bio": "y", "password": "x"}):
        assert as_alice.patch(PROFILE, body).status_code == 200
    assert as_alice.patch(PROFILE, NEW | {"password": "wrong"}).status_code == 400
    assert as_alice.patch(PROFILE, NEW | {"password": PASSWORD}).status_code == 429
    assert User.objects.get().phone == alice.phone


def test_api_key_alone(anybody: APIClient, alice: User) -> None:
    """Isn't enough, as a token isn't; and it is no recent log-in of one without a password."""
    program = make_program(alice, scope="write")
    anybody.credentials(HTTP_AUTHORIZATION=f"Api-Key {program.key}")
    mail.outbox.clear()
    assert set(anybody.patch(PROFILE, NEW).json()) == {"password"}
    User.objects.filter(pk=alice.pk).update(password="!")
    response = anybody.patch(PROFILE, NEW)
    assert (response.status_code, response.json()["code"]) == (403, "recent_login_required")
    assert User.objects.get().phone == alice.phone


def test_admin_site(admin: Client, alice: User) -> None:
    """An admin needs none of it; the owner is told."""
    form = read_form(admin, page(alice)) | NEW
    assert admin.post(page(alice), form).status_code == 302
    assert told() == [([alice.email], CHANGED)]
    assert changes() == [alice.pk]
