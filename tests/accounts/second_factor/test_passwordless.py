"""Log-in by a passkey alone, and attacks on it."""

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.core import mail
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.errors import Unauthorized
from accounts.mail.tokens import make_email_token, make_reset_token
from accounts.models import LoginSession, User
from accounts.second_factor.models import Passkey
from accounts.second_factor.passkeys import parse_authentication
from accounts.second_factor.passwordless import log_in
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.administration import deactivate_user
from accounts.services.recovery import ask_for_reset
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, set_up_phone
from tests.accounts.second_factor.security_key import CREATE, PRESENT, SecurityKey, new_key
from tests.accounts.second_factor.test_passkeys import LIES, STEP, add, begin, code_of
from tests.cast import NEW_PASSWORD, PASSWORD, client_of
from tests.concurrency import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("at_testserver"),
]

ALONE = "/auth/login/passkey"
WRONG = (401, "wrong_passkey")
USED = (401, "challenge_not_valid")


def begin_alone(client: APIClient) -> Any:
    """Return options and challenge."""
    response = client.post(f"{ALONE}/options")
    assert response.status_code == 200, response.content
    return response.json()


def answer(begun: Any, key: SecurityKey, **lie: Any) -> dict[str, Any]:
    """Return the body that a browser's page sends."""
    credential = key.show_alone(begun["options"], **lie)
    return {"challenge": begun["challenge"], "credential": credential}


def enter(client: APIClient, key: SecurityKey, **lie: Any) -> Any:
    """Return the answer to a log-in."""
    return client.post(ALONE, answer(begin_alone(client), key, **lie))


def failures() -> list[tuple[int | None, str]]:
    rows = SecurityEvent.objects.filter(event=Event.LOGIN_FAILED).order_by("pk")
    return list(rows.values_list("user_id", "about"))


@pytest.fixture
def key(as_alice: APIClient, phone: Phone) -> SecurityKey:
    """Give Alice a passkey that doesn't count its signatures, as those that are synchronised."""
    key = SecurityKey(counts=False)
    assert add(as_alice, phone, key).status_code == 201
    return key


def test_log_in(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """Nobody says who they are; the tokens are those of any log-in, and so is the event."""
    begun = begin_alone(anybody)
    assert begun["options"]["userVerification"] == "required"
    assert not begun["options"].get("allowCredentials")
    body = anybody.post(ALONE, answer(begun, key)).json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "user"}
    assert body["user"]["id"] == alice.pk
    pair = anybody.post("/auth/refresh", {"refresh_token": body["refresh_token"]})
    assert pair.status_code == 200
    assert SecurityEvent.objects.latest("pk").event == Event.SESSION_STARTED
    assert Passkey.objects.get().last_used_at is not None
    alice.refresh_from_db()
    assert alice.last_login is not None


def test_beginning_asks_nothing(
    anybody: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Neither the client nor the database; each one is for itself."""
    with django_assert_num_queries(0):
        first, second = begin_alone(anybody), begin_alone(anybody)
    assert first["options"].keys() == second["options"].keys()
    assert first["challenge"] != second["challenge"]
    assert first["options"]["challenge"] != second["options"]["challenge"]


def test_new_passkeys_are_to_be_found_without_a_name(as_alice: APIClient, phone: Phone) -> None:
    """The browser is asked for one that it can show by itself, and that verifies its user."""
    wanted = begin(as_alice, phone)["options"]["authenticatorSelection"]
    assert (wanted["residentKey"], wanted["userVerification"]) == ("preferred", "preferred")


@pytest.mark.parametrize(
    "lie",
    [*LIES, {"kind": CREATE}, {"flags": PRESENT}, {"handle": ""}, {"handle": "Ym9i"}],
    ids=repr,
)
def test_bad_answer(anybody: APIClient, alice: User, key: SecurityKey, lie: dict[str, Any]) -> None:
    """Of another page or domain, of a user who wasn't verified, or for another user."""
    assert code_of(enter(anybody, key, **lie)) == WRONG
    assert not LoginSession.objects.exists()
    assert failures() == [(alice.pk, "passkey")]


def test_user_of_another_passkey(
    anybody: APIClient, bob: User, phone: Phone, key: SecurityKey
) -> None:
    """A passkey that names another's user opens neither account."""
    other = SecurityKey(b"a key of Bob's")
    assert add(client_of(bob), set_up_phone(bob, phone.clock), other).status_code == 201
    assert other.handle != key.handle
    assert code_of(enter(anybody, key, handle=other.handle)) == WRONG
    forged = SecurityKey(other.credential_id, key.key, handle=other.handle)
    assert code_of(enter(anybody, forged)) == WRONG
    assert not LoginSession.objects.exists()


def test_unknown_is_answered_as_closed(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """The answer tells nobody whether there is such a passkey."""
    strangers = SecurityKey(b"never added", new_key(), handle=key.handle)
    unknown = enter(anybody, strangers)
    deactivate_user(user_id=alice.pk)
    closed = enter(anybody, key)
    assert code_of(unknown) == code_of(closed) == WRONG
    assert unknown.json() == closed.json()
    assert failures() == [(None, "passkey"), (alice.pk, "passkey")]
    assert not LoginSession.objects.exists()


def test_account_closed_on_the_way(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """Between the beginning and the answer."""
    body = answer(begin_alone(anybody), key)
    deactivate_user(user_id=alice.pk)
    assert code_of(anybody.post(ALONE, body)) == WRONG


def test_challenge_is_of_use_once(
    anybody: APIClient, bob: User, phone: Phone, key: SecurityKey
) -> None:
    """Neither the same answer again, nor another answer to it, by anybody."""
    other = SecurityKey(b"a key of Bob's")
    assert add(client_of(bob), set_up_phone(bob, phone.clock), other).status_code == 201
    begun = begin_alone(anybody)
    body = answer(begun, key)
    assert anybody.post(ALONE, body).status_code == 200
    for again in (body, answer(begun, key), answer(begun, other)):
        assert code_of(anybody.post(ALONE, again)) == USED
    assert LoginSession.objects.count() == 1


def test_eight_uses_at_once_are_one(anybody: APIClient, key: SecurityKey) -> None:
    """The database lets one through."""
    body = answer(begin_alone(anybody), key)
    credential = parse_authentication(body["credential"])
    call = partial(log_in, challenge=body["challenge"], credential=credential)
    results = run_together([call] * 8)
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert sum(isinstance(result, Unauthorized) for result in results) == 7
    assert LoginSession.objects.count() == 1


def test_challenge_of_another_flow(
    anybody: APIClient, as_alice: APIClient, alice: User, phone: Phone, key: SecurityKey
) -> None:
    """Of a second step, a new passkey, or nobody; nor is an answer to one good for another."""
    begun = begin_alone(anybody)
    step = ask_for_challenge(anybody, alice)
    state = begin(as_alice, phone)["state"]
    for text in (step, state, "x", begun["challenge"][:-1], ""):
        body = answer(begun | {"challenge": text}, key)
        assert anybody.post(ALONE, body).status_code in (400, 401)
    asked = anybody.post(f"{STEP}/options", {"challenge": step}).json()["options"]
    body = answer(begun | {"options": asked}, key)
    assert code_of(anybody.post(ALONE, body)) == WRONG
    for text, code in ((step, WRONG), (begun["challenge"], USED)):
        body = answer(begun | {"challenge": text}, key)
        assert code_of(anybody.post(STEP, body)) == code
    assert not LoginSession.objects.exists()


def test_challenge_expires(anybody: APIClient, key: SecurityKey, settings: Settings) -> None:
    """After AUTH_SECOND_FACTOR_CHALLENGE_SECONDS."""
    body = answer(begin_alone(anybody), key)
    settings.AUTH_SECOND_FACTOR_CHALLENGE_SECONDS = -1
    assert code_of(anybody.post(ALONE, body)) == USED


def test_copied_key_is_refused(anybody: APIClient, as_alice: APIClient, phone: Phone) -> None:
    """One that counts, and whose count isn't ahead of the last: here as in a second step."""
    key = SecurityKey()
    assert add(as_alice, phone, key).status_code == 201
    assert enter(anybody, key).status_code == 200
    for count in (key.count - 1, -1):
        key.count = count
        assert code_of(enter(anybody, key)) == WRONG


def test_removed_with_the_factor(
    anybody: APIClient, as_alice: APIClient, phone: Phone, key: SecurityKey
) -> None:
    """It opens nothing any more."""
    body = answer(begin_alone(anybody), key)
    proof = {"password": PASSWORD, "code": phone.next_code()}
    assert as_alice.delete("/auth/second-factor", proof).status_code == 204
    assert code_of(anybody.post(ALONE, body)) == WRONG


def test_another_secret_key(
    anybody: APIClient, as_alice: APIClient, phone: Phone, key: SecurityKey, settings: Settings
) -> None:
    """It opens the account as before; one that is made afterwards names the user as it does."""
    settings.SECRET_KEY = "another" * 10
    assert enter(anybody, key).status_code == 200
    later = SecurityKey(b"a later one")
    assert add(as_alice, phone, later).status_code == 201
    assert later.handle == key.handle
    assert enter(anybody, later).status_code == 200


def test_passkey_of_before_the_handle_was_kept(anybody: APIClient, key: SecurityKey) -> None:
    """It goes on as long as SECRET_KEY does."""
    Passkey.objects.update(user_handle=None)
    assert enter(anybody, key).status_code == 200


def test_account_without_a_password(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """It is a way to log in, so such an account may have a password mailed; and staff get in."""
    User.objects.filter(pk=alice.pk).update(password="!", is_admin=True)
    assert enter(anybody, key).status_code == 200
    mail.outbox.clear()
    ask_for_reset(email=alice.email)
    assert len(mail.outbox) == 1


def test_limits(anybody: APIClient, key: SecurityKey, settings: Settings) -> None:
    """By address, together with other log-ins."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"login": {"address": (2, 3600)}}
    body = answer(begin_alone(anybody), key)
    assert anybody.post(ALONE, body).status_code == 200
    assert anybody.post(ALONE, body).status_code == 429
    assert anybody.post(f"{ALONE}/options").status_code == 429


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "confirmation"])
def test_passkey_of_whoever_used_anothers_address(
    anybody: APIClient, alice: User, key: SecurityKey, is_reset: bool
) -> None:
    """It is gone once the owner of the address has the account, who is told."""
    assert enter(anybody, key).status_code == 200
    alice.refresh_from_db()
    assert not alice.is_email_verified
    if is_reset:
        body = {"token": make_reset_token(alice), "new_password": NEW_PASSWORD}
        path = "/auth/reset-password/confirm"
    else:
        body, path = {"token": make_email_token(alice, alice.email)}, "/auth/confirm-email"
    assert anybody.post(path, body).status_code == 200
    assert code_of(enter(anybody, key)) == WRONG
    assert "A passkey of your account was removed" in [it.subject for it in mail.outbox]


def test_passkey_survives_a_new_password(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """Of an address that was the user's own already."""
    User.objects.filter(pk=alice.pk).update(is_email_verified=True)
    alice.refresh_from_db()
    body = {"token": make_reset_token(alice), "new_password": NEW_PASSWORD}
    assert anybody.post("/auth/reset-password/confirm", body).status_code == 200
    assert enter(anybody, key).status_code == 200


def test_passkey_that_is_the_only_way_in(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """It stays: without a password, nobody had registered with another's address."""
    User.objects.filter(pk=alice.pk).update(password=make_password(None))
    alice.refresh_from_db()
    body = {"token": make_email_token(alice, alice.email)}
    assert anybody.post("/auth/confirm-email", body).status_code == 200
    assert enter(anybody, key).status_code == 200
