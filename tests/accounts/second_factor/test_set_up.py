"""Setting a factor up, looking at it, and turning it off."""

from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.db.models import F
from rest_framework.test import APIClient

from accounts.models import User
from accounts.second_factor.codes import confirm_app
from accounts.second_factor.errors import FactorIsOn
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from accounts.second_factor.services import begin_set_up, confirm_set_up
from tests.accounts.second_factor.phone import Phone
from tests.cast import PASSWORD, PROOF
from tests.clocks import Clock
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

FACTOR = "/auth/second-factor"
QUARTER_OF_AN_HOUR = timedelta(minutes=15)
CREDENTIALS = {"email": "alice@example.com", "password": PASSWORD}


def subjects() -> list[str]:
    return [str(message.subject) for message in mail.outbox]


def test_from_secret_to_recovery_codes(
    as_alice: APIClient, anybody: APIClient, alice: User, clock: Clock
) -> None:
    """A log-in asks for it from the app's first code on, and the user is told by mail."""
    response = as_alice.post(f"{FACTOR}/app", {"password": PASSWORD})
    assert response.status_code == 200
    set_up = response.json()
    uri = urlsplit(set_up["uri"])
    assert (uri.scheme, uri.netloc, uri.path) == (
        "otpauth",
        "totp",
        "/HireMeBahamas:alice%40example.com",
    )
    assert parse_qs(uri.query) == {"secret": [set_up["secret"]], "issuer": ["HireMeBahamas"]}
    assert anybody.post("/auth/login", CREDENTIALS).status_code == 200
    phone = Phone(set_up["secret"], clock)
    response = as_alice.post(f"{FACTOR}/app/confirm", {"code": phone.code()})
    codes = response.json()["recovery_codes"]
    assert len(set(codes)) == 10
    refused = anybody.post("/auth/login", CREDENTIALS)
    assert (refused.status_code, refused.json()["code"]) == (401, "second_factor_required")
    state = {"is_required": False, "is_on": True, "recovery_codes_left": 10, "passkeys": []}
    assert as_alice.get(FACTOR).json() == state
    assert subjects() == ["Your account now has a second factor"]
    assert mail.outbox[0].to == [alice.email]


def test_nobody_has_one_at_first(as_alice: APIClient) -> None:
    """And says so."""
    state = {"is_required": False, "is_on": False, "recovery_codes_left": 0, "passkeys": []}
    assert as_alice.get(FACTOR).json() == state


def test_set_up_asks_for_the_password(as_alice: APIClient) -> None:
    """A stolen access token is not enough to lock the owner out."""
    response = as_alice.post(f"{FACTOR}/app", {"password": "wrong"})
    assert (response.status_code, set(response.json())) == (400, {"password"})
    assert not AuthenticatorApp.objects.exists()


def test_beginning_again_ends_the_first_secret(alice: User, clock: Clock) -> None:
    """Only the last secret that was shown can be confirmed."""
    first, second = (
        Phone(begin_set_up(user_id=alice.pk, proof=PROOF).secret, clock) for _ in range(2)
    )
    with pytest.raises(Exception, match="wrong"):
        confirm_set_up(user_id=alice.pk, code=first.code())
    assert len(confirm_set_up(user_id=alice.pk, code=second.code())) == 10


def test_set_up_expires(as_alice: APIClient, alice: User, clock: Clock) -> None:
    """A secret that nobody has confirmed for a quarter of an hour is worth nothing."""
    phone = Phone(begin_set_up(user_id=alice.pk, proof=PROOF).secret, clock)
    AuthenticatorApp.objects.update(created_at=F("created_at") - QUARTER_OF_AN_HOUR)
    response = as_alice.post(f"{FACTOR}/app/confirm", {"code": phone.code()})
    assert (response.status_code, response.json()["code"]) == (409, "second_factor_off")


def test_what_is_on_is_not_set_up_again(as_alice: APIClient, phone: Phone) -> None:
    """The secret can't be replaced, nor confirmed a second time."""
    answers = [
        as_alice.post(f"{FACTOR}/app", {"password": PASSWORD}),
        as_alice.post(f"{FACTOR}/app/confirm", {"code": phone.next_code()}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "second_factor_on")


def test_two_confirmations_at_once_are_one(alice: User, clock: Clock) -> None:
    """One gets the recovery codes, and they are the only ones."""
    phone = Phone(begin_set_up(user_id=alice.pk, proof=PROOF).secret, clock)
    results = run_together([partial(confirm_set_up, user_id=alice.pk, code=phone.code())] * 4)
    assert sum(isinstance(result, list) for result in results) == 1
    assert sum(isinstance(result, FactorIsOn) for result in results) == 3
    assert RecoveryCode.objects.count() == 10


def test_confirmation_needs_no_lock(alice: User, clock: Clock) -> None:
    """The row itself says whether it is confirmed."""
    phone = Phone(begin_set_up(user_id=alice.pk, proof=PROOF).secret, clock)
    app = AuthenticatorApp.objects.get()
    results = run_together([partial(confirm_app, app, phone.code())] * 4)
    assert sorted(map(str, results)) == ["False"] * 3 + ["True"]


def test_turning_off(as_alice: APIClient, anybody: APIClient, phone: Phone) -> None:
    """With password and code: log-ins ask for the password alone, nothing is left, mail says so."""
    body = {"password": PASSWORD, "code": phone.next_code()}
    assert as_alice.delete(FACTOR, body).status_code == 204
    assert anybody.post("/auth/login", CREDENTIALS).status_code == 200
    assert not AuthenticatorApp.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert subjects()[-1] == "Your account no longer has a second factor"


@pytest.mark.parametrize("name", ["password", "code"])
@pytest.mark.parametrize(("method", "path"), [("delete", ""), ("post", "/recovery-codes")])
def test_stolen_access_token_changes_nothing(
    as_alice: APIClient, phone: Phone, name: str, method: str, path: str
) -> None:
    """Without the password, nor without a code."""
    before = list(RecoveryCode.objects.order_by("pk").values())
    body = {"password": PASSWORD, "code": phone.next_code()}
    wrong = body | {name: "000000" if body["code"] != "000000" else "000001"}
    response = getattr(as_alice, method)(FACTOR + path, wrong)
    assert (response.status_code, set(response.json())) == (400, {name})
    missing = {key: value for key, value in body.items() if key != name}
    assert getattr(as_alice, method)(FACTOR + path, missing).status_code == 400
    assert list(RecoveryCode.objects.order_by("pk").values()) == before
    assert as_alice.get(FACTOR).json()["is_on"] is True


def test_wrong_password_uses_up_no_code(as_alice: APIClient, phone: Phone) -> None:
    """It is checked first."""
    body = {"password": "wrong", "code": phone.next_code()}
    assert as_alice.delete(FACTOR, body).status_code == 400
    assert as_alice.delete(FACTOR, body | {"password": PASSWORD}).status_code == 204


def test_new_recovery_codes(as_alice: APIClient, phone: Phone) -> None:
    """The old ones are worth nothing, and the user is told."""
    body = {"password": PASSWORD, "code": phone.next_code()}
    new = as_alice.post(f"{FACTOR}/recovery-codes", body).json()["recovery_codes"]
    assert subjects()[-1] == "The recovery codes of your account were replaced"
    old = {"password": PASSWORD, "code": phone.recovery_codes[0]}
    assert as_alice.delete(FACTOR, old).status_code == 400
    assert as_alice.delete(FACTOR, old | {"code": new[0]}).status_code == 204


@pytest.mark.parametrize(("method", "path"), [("delete", ""), ("post", "/recovery-codes")])
def test_nothing_to_change(as_alice: APIClient, method: str, path: str) -> None:
    """Without a factor."""
    body = {"password": PASSWORD, "code": "123456"}
    response = getattr(as_alice, method)(FACTOR + path, body)
    assert (response.status_code, response.json()["code"]) == (409, "second_factor_off")
