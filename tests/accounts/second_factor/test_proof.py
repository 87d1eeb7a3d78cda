"""What would outlive a stolen access token takes a code, though the thief knows the password."""

from typing import Any, NamedTuple

import pytest
from django.core import mail
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.api_keys.models import ApiKey
from accounts.models import LoginSession, User
from tests.accounts.second_factor.phone import Phone
from tests.cast import NEW_PASSWORD, PASSWORD
from tests.sizes import some_of

pytestmark = pytest.mark.django_db(transaction=True)


class Proven(NamedTuple):
    """What takes password and code, and its answer to good ones."""

    method: str
    path: str
    body: dict[str, Any]
    status: int


PROVEN: dict[str, Proven] = {
    "password": Proven(
        "post",
        "/auth/change-password",
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        200,
    ),
    "email": Proven(
        "post", "/auth/change-email", {"new_email": "thief@example.com", "password": PASSWORD}, 202
    ),
    "API key": Proven("post", "/auth/api-keys", {"name": "x", "password": PASSWORD}, 201),
    "phone": Proven("patch", "/auth/profile", {"phone": "242-555-7777", "password": PASSWORD}, 200),
    "export": Proven("post", "/auth/export", {"password": PASSWORD}, 200),
    "closing": Proven("delete", "/auth/account", {"password": PASSWORD}, 204),
    "erasure": Proven("delete", "/auth/account", {"erase": True, "password": PASSWORD}, 204),
}
for_proven = pytest.mark.parametrize("proven", PROVEN.values(), ids=PROVEN)
for_some = pytest.mark.parametrize("proven", some_of(PROVEN.values()))


def send(client: APIClient, proven: Proven, **extra: str) -> Any:
    return getattr(client, proven.method)(proven.path, proven.body | extra)


@for_proven
def test_password_alone_is_not_enough(
    as_alice: APIClient, alice: User, phone: Phone, proven: Proven
) -> None:
    """Nothing changes, and no message leaves, without a code or with one that isn't good."""
    before = len(mail.outbox)
    for extra in ({}, {"code": ""}, {"code": "no code"}, {"code": phone.code()}):  # that was used
        answer = send(as_alice, proven, **extra)
        assert (answer.status_code, set(answer.json())) == (400, {"code"})
    row = User.objects.get()
    assert (row.password, row.phone, row.is_active) == (alice.password, alice.phone, True)
    assert len(mail.outbox) == before
    assert not ApiKey.objects.exists()
    assert not LoginSession.objects.exists()


@for_proven
def test_code_goes_with_the_password(as_alice: APIClient, phone: Phone, proven: Proven) -> None:
    """It works once; a wrong password uses none up."""
    code = phone.next_code()
    name = "current_password" if "current_password" in proven.body else "password"
    answer = send(as_alice, proven, code=code, **{name: "wrong"})
    assert (answer.status_code, set(answer.json())) == (400, {name})
    assert send(as_alice, proven, code=code).status_code == proven.status


@for_some
def test_guesses_count_as_those_at_log_ins(
    as_alice: APIClient, phone: Phone, settings: Settings, proven: Proven
) -> None:
    """Once the password was right: by a stolen token alone nobody uses them up."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"factor": {"account": (1, 3600)}}
    name = "current_password" if "current_password" in proven.body else "password"
    for _ in range(2):
        assert send(as_alice, proven, code="no code", **{name: "wrong"}).status_code == 400
    assert send(as_alice, proven, code="no code").status_code == 400
    assert send(as_alice, proven, code=phone.next_code()).status_code == 429


@for_some
def test_without_a_factor_no_code_is_looked_at(as_alice: APIClient, proven: Proven) -> None:
    """What is sent as one makes no difference."""
    assert send(as_alice, proven, code="no code").status_code == proven.status
