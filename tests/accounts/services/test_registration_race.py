"""Two registrations at once for one email, username or phone."""

import threading
from functools import partial
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from rest_framework.test import APIClient

from accounts.clients.devices import Device
from accounts.models import User
from accounts.services import account
from accounts.services.account import register_user
from accounts.services.identifiers import check_identifiers_free, save_with_free_identifiers
from accounts.services.sessions import start_session
from accounts.tokens.claims import TokenPair
from tests.cast import PASSWORD
from tests.concurrency import WAIT_SECONDS, run_together, wait_for_lock_waiters

pytestmark = pytest.mark.django_db(transaction=True)

FORMS: dict[str, dict[str, Any]] = {
    name: {
        "email": f"{name}@example.com",
        "username": name,
        "phone": phone,
        "password": PASSWORD,
        "first_name": name,
        "last_name": "Rolle",
    }
    for name, phone in (("alice", "+12425550101"), ("bob", "+12425550102"))
}


class Stage:
    """Lets the first registration insert its row, and hold it until the second waits for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: str, *, fails: bool) -> None:
        self._first = first
        self._fails = fails
        self._both_checked = threading.Barrier(2)
        self._inserted = threading.Event()
        monkeypatch.setattr(account, "check_identifiers_free", self.check)
        monkeypatch.setattr(account, "save_with_free_identifiers", self.save)
        monkeypatch.setattr(account, "start_session", self.start_session)

    def check(self, user: User) -> None:
        check_identifiers_free(user)
        self._both_checked.wait(WAIT_SECONDS)

    def save(self, user: User) -> None:
        if user.first_name != self._first:
            assert self._inserted.wait(WAIT_SECONDS)
        save_with_free_identifiers(user)

    def start_session(self, *, user: User, device: Device) -> TokenPair:
        if user.first_name == self._first:
            self._inserted.set()
            wait_for_lock_waiters(1)
            if self._fails:
                raise RuntimeError("The first one fails after all.")
        return start_session(user=user, device=device)


def register_together(*forms: dict[str, Any]) -> list[Any]:
    return run_together([partial(register_user, **form) for form in forms])


@pytest.mark.postgresql
@pytest.mark.parametrize("shared", ["email", "username", "phone"])
@pytest.mark.parametrize(("first", "second"), [("alice", "bob"), ("bob", "alice")])
def test_the_second_is_told_which_field(
    monkeypatch: pytest.MonkeyPatch, first: str, second: str, shared: str
) -> None:
    """Both saw it free; who inserts second waits, and gets a 400 on the field."""
    Stage(monkeypatch, first, fails=False)
    clashing = FORMS[second] | {shared: FORMS[first][shared]}
    won, lost = register_together(FORMS[first], clashing)
    assert isinstance(won, tuple)
    assert isinstance(lost, ValidationError)
    assert set(lost.message_dict) == {shared}
    assert [user.first_name for user in User.objects.all()] == [first]


@pytest.mark.postgresql
def test_the_second_gets_it_if_the_first_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is refused for the sake of a row that was never committed."""
    Stage(monkeypatch, "alice", fails=True)
    clashing = FORMS["bob"] | {"email": FORMS["alice"]["email"]}
    failed, won = register_together(FORMS["alice"], clashing)
    assert isinstance(failed, RuntimeError)
    assert isinstance(won, tuple)
    assert [user.first_name for user in User.objects.all()] == ["bob"]


def test_over_http_one_gets_201_and_the_other_400() -> None:
    """In either order, on every database."""
    forms = [FORMS["alice"], FORMS["bob"] | {"email": "ALICE@example.com"}]
    answers = run_together([partial(APIClient().post, "/auth/register", form) for form in forms])
    responses = [answer for answer in answers if not isinstance(answer, Exception)]
    assert sorted(response.status_code for response in responses) == [201, 400]
    [refused] = [response for response in responses if response.status_code == 400]
    assert set(refused.json()) == {"email"}
