"""Passkeys in place of the code, and attacks on them."""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

import pytest
from django.core import mail
from fido2 import cbor
from fido2.cose import UnsupportedKey
from fido2.utils import websafe_encode
from fido2.webauthn import AuthenticatorData
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.second_factor.checks import check_challenges
from accounts.second_factor.errors import ChallengeNotValid
from accounts.second_factor.models import Passkey
from accounts.second_factor.passkeys import (
    TEXTS,
    BadCredentialError,
    make_creation_options,
    make_request_options,
    parse_authentication,
    parse_registration,
    register,
    use_passkey,
)
from accounts.second_factor.services import Login, finish_passkey_login
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.administration import deactivate_user
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, set_up_phone
from tests.accounts.second_factor.security_key import (
    CREATE,
    DOMAIN,
    GET,
    ORIGIN,
    SecurityKey,
    new_key,
)
from tests.cast import PASSWORD, client_of
from tests.concurrency import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("at_testserver"),
]

PASSKEYS = "/auth/second-factor/passkeys"
STEP = "/auth/login/second-factor/passkey"
ABSENT = AuthenticatorData.FLAG(0)
CUT = 3


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def begin(client: APIClient, phone: Phone) -> Any:
    """Return options and state for a new passkey."""
    body = {"password": PASSWORD, "code": phone.next_code()}
    response = client.post(f"{PASSKEYS}/options", body)
    assert response.status_code == 200, response.content
    return response.json()


def add(client: APIClient, phone: Phone, key: SecurityKey, **lie: Any) -> Any:
    """Return the answer to a new passkey."""
    begun = begin(client, phone)
    credential = key.make(begun["options"], **lie)
    body = {"name": "Phone", "state": begun["state"], "credential": credential}
    return client.post(PASSKEYS, body)


def show(client: APIClient, challenge: str, key: SecurityKey, **lie: Any) -> Any:
    """Return the answer to the second step."""
    response = client.post(f"{STEP}/options", {"challenge": challenge})
    assert response.status_code == 200, response.content
    credential = key.show(response.json()["options"], **lie)
    return client.post(STEP, {"challenge": challenge, "credential": credential})


@pytest.fixture
def key(as_alice: APIClient, phone: Phone) -> SecurityKey:
    """Give Alice a passkey."""
    key = SecurityKey()
    assert add(as_alice, phone, key).status_code == 201
    return key


def test_from_making_to_logging_in(
    anybody: APIClient, as_alice: APIClient, alice: User, key: SecurityKey
) -> None:
    """It is listed, gives the usual pair at log-in, and is asked for by name."""
    [listed] = as_alice.get("/auth/second-factor").json()["passkeys"]
    assert (listed["name"], listed["last_used_at"]) == ("Phone", None)
    assert mail.outbox[-1].subject == "A passkey was added to your account"
    challenge = ask_for_challenge(anybody, alice)
    options = anybody.post(f"{STEP}/options", {"challenge": challenge}).json()["options"]
    assert options["rpId"] == DOMAIN
    assert len(options["allowCredentials"]) == 1
    body = show(anybody, challenge, key).json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "user"}
    assert body["user"]["id"] == alice.pk
    [listed] = as_alice.get("/auth/second-factor").json()["passkeys"]
    assert listed["last_used_at"] is not None


def test_authenticators_that_do_not_count(
    anybody: APIClient, as_alice: APIClient, alice: User, phone: Phone
) -> None:
    """As those that are synchronised between devices: they send 0 each time."""
    key = SecurityKey(counts=False)
    assert add(as_alice, phone, key).status_code == 201
    for _ in range(2):
        assert show(anybody, ask_for_challenge(anybody, alice), key).status_code == 200


def test_copied_key_is_refused(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """One whose count isn't ahead of the last: somebody else has used it since."""
    assert show(anybody, ask_for_challenge(anybody, alice), key).status_code == 200
    for count in (key.count - 1, -1):
        key.count = count
        response = show(anybody, ask_for_challenge(anybody, alice), key)
        assert code_of(response) == (401, "wrong_passkey")


LIES: list[dict[str, Any]] = [
    {"origin": "https://testserver.example.com"},
    {"origin": "http://testserver"},
    {"origin": "https://evil.testserver"},
    {"domain": "example.com"},
    {"flags": ABSENT},
]


@pytest.mark.parametrize("lie", [*LIES, {"kind": CREATE}], ids=repr)
def test_answer_for_another_page(
    anybody: APIClient, alice: User, key: SecurityKey, lie: dict[str, Any]
) -> None:
    """What a copy of the page got out of the user is worth nothing here."""
    response = show(anybody, ask_for_challenge(anybody, alice), key, **lie)
    assert code_of(response) == (401, "wrong_passkey")
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("lie", [*LIES, {"kind": GET}], ids=repr)
def test_passkey_made_for_another_page(
    as_alice: APIClient, phone: Phone, lie: dict[str, Any]
) -> None:
    """Isn't added."""
    response = add(as_alice, phone, SecurityKey(), **lie)
    assert (response.status_code, set(response.json())) == (400, {"credential"})
    assert not Passkey.objects.exists()


@pytest.mark.parametrize(
    "public",
    [
        {1: 2, 3: -7},
        {1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32},
        {1: 2, 3: -7, -1: "a", -2: 5, -3: "b"},
        {1: 2, 3: -1000, -1: 1, -2: b"x" * 32, -3: b"y" * 32},
        {1: 3, 3: -257, -1: b"\xff" * 2048, -2: b"\x01\x00\x01"},
        {1: 3, 3: -257, -1: b"\xff" * 500_000, -2: b"\xff" * 10_000},
        {1: 7, 3: -48, -1: b"x"},
        {1: 1, 3: -8, -1: 6, -2: b"x" * 31},
    ],
    ids=lambda public: repr(public)[:40],
)
def test_odd_public_key(
    as_alice: APIClient, anybody: APIClient, alice: User, phone: Phone, public: dict[int, Any]
) -> None:
    """Is refused when it is added or when it is shown, and is no error of ours."""
    key = SecurityKey()
    response = add(as_alice, phone, key, public=UnsupportedKey(public))
    assert response.status_code in (201, 400)
    if response.status_code == 201:
        response = show(anybody, ask_for_challenge(anybody, alice), key)
        assert code_of(response) == (401, "wrong_passkey")


def test_another_key_with_the_same_name(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """A credential's id is public; the signature must be by its key."""
    forged = SecurityKey(key.credential_id, new_key(), count=key.count)
    response = show(anybody, ask_for_challenge(anybody, alice), forged)
    assert code_of(response) == (401, "wrong_passkey")


def test_passkey_of_another_user(
    anybody: APIClient, alice: User, bob: User, phone: Phone, key: SecurityKey
) -> None:
    """Opens nobody else's account, nor does theirs open its owner's."""
    other = SecurityKey(b"a key of Bob's")
    assert add(client_of(bob), set_up_phone(bob, phone.clock), other).status_code == 201
    for user, wrong in ((alice, other), (bob, key)):
        response = show(anybody, ask_for_challenge(anybody, user), wrong)
        assert code_of(response) == (401, "wrong_passkey")
    assert not LoginSession.objects.exists()


def test_answer_works_once(
    anybody: APIClient, as_alice: APIClient, alice: User, phone: Phone
) -> None:
    """Not again for the same log-in, nor for another one, even of a key that doesn't count."""
    key = SecurityKey(counts=False)
    assert add(as_alice, phone, key).status_code == 201
    challenge = ask_for_challenge(anybody, alice)
    options = anybody.post(f"{STEP}/options", {"challenge": challenge}).json()["options"]
    body = {"challenge": challenge, "credential": key.show(options)}
    assert anybody.post(STEP, body).status_code == 200
    assert code_of(anybody.post(STEP, body)) == (401, "challenge_not_valid")
    later = body | {"challenge": ask_for_challenge(anybody, alice)}
    assert code_of(anybody.post(STEP, later)) == (401, "wrong_passkey")


def test_eight_uses_at_once_are_one(anybody: APIClient, alice: User, key: SecurityKey) -> None:
    """The first one uses the challenge up."""
    challenge = ask_for_challenge(anybody, alice)
    options = anybody.post(f"{STEP}/options", {"challenge": challenge}).json()["options"]
    credential = parse_authentication(key.show(options))
    call = partial(finish_passkey_login, challenge=challenge, credential=credential)
    results = run_together([call] * 8)
    assert sum(isinstance(result, Login) for result in results) == 1
    assert sum(isinstance(result, ChallengeNotValid) for result in results) == 7


def test_account_closed_between_the_steps(
    anybody: APIClient, alice: User, key: SecurityKey
) -> None:
    """Neither options nor tokens."""
    challenge = ask_for_challenge(anybody, alice)
    options = anybody.post(f"{STEP}/options", {"challenge": challenge}).json()["options"]
    deactivate_user(user_id=alice.pk)
    body = {"challenge": challenge, "credential": key.show(options)}
    assert code_of(anybody.post(STEP, body)) == (401, "challenge_not_valid")
    response = anybody.post(f"{STEP}/options", {"challenge": challenge})
    assert code_of(response) == (401, "challenge_not_valid")


def test_adding_asks_for_everything(as_alice: APIClient, phone: Phone) -> None:
    """A stolen access token and the password are not enough: a code is needed, too."""
    for body, name in (
        ({"password": "wrong", "code": phone.next_code()}, "password"),
        ({"password": PASSWORD, "code": "x"}, "code"),
    ):
        response = as_alice.post(f"{PASSKEYS}/options", body)
        assert (response.status_code, set(response.json())) == (400, {name})


def test_state_of_another_user_or_of_nobody(as_alice: APIClient, bob: User, phone: Phone) -> None:
    """Options that somebody else asked for add nothing."""
    begun = begin(client_of(bob), set_up_phone(bob, phone.clock))
    for state in (begun["state"], "x", begun["state"][:-1]):
        body = {"name": "x", "state": state, "credential": SecurityKey().make(begun["options"])}
        response = as_alice.post(PASSKEYS, body)
        assert (response.status_code, set(response.json())) == (400, {"credential"})
    assert not Passkey.objects.exists()


def test_credential_is_one_users(
    as_alice: APIClient, bob: User, phone: Phone, key: SecurityKey
) -> None:
    """Added twice, or by somebody else, it is refused."""
    for client, own in ((as_alice, phone), (client_of(bob), set_up_phone(bob, phone.clock))):
        assert add(client, own, key).status_code == 400
    assert Passkey.objects.count() == 1


def test_ten_at_most(as_alice: APIClient, phone: Phone) -> None:
    """Somebody with the app can't fill the table."""
    statuses = [
        add(as_alice, phone, SecurityKey(bytes([number]) * 16)).status_code for number in range(11)
    ]
    assert statuses == [201] * 10 + [400]


def test_removing(
    as_alice: APIClient, anybody: APIClient, bob: User, phone: Phone, key: SecurityKey
) -> None:
    """By its owner with password and code; it is over at once, and mail says so."""
    path, alice = f"{PASSKEYS}/{Passkey.objects.get().pk}", User.objects.get(username="alice")
    challenge = ask_for_challenge(anybody, alice)
    assert as_alice.delete(path, {"password": "wrong"}).status_code == 400
    assert set(as_alice.delete(path, {"password": PASSWORD}).json()) == {"code"}
    assert client_of(bob).delete(path, {"password": PASSWORD}).status_code == 404
    proof = {"password": PASSWORD, "code": phone.next_code()}
    assert as_alice.delete(path, proof).status_code == 204
    assert mail.outbox[-1].subject == "A passkey of your account was removed"
    assert code_of(show(anybody, challenge, key)) == (401, "wrong_passkey")
    events = list(SecurityEvent.objects.order_by("pk").values_list("event", flat=True))
    assert events == [
        Event.FACTOR_ON,
        Event.PASSKEY_ADDED,
        Event.PASSKEY_REMOVED,
        Event.CODE_FAILED,
    ]
    proof["code"] = phone.next_code()
    assert code_of(as_alice.delete(path, proof)) == (404, "not_found")


def test_turning_the_factor_off_removes_them(
    as_alice: APIClient, phone: Phone, key: SecurityKey
) -> None:
    """None would be asked for, and none comes back by itself."""
    body = {"password": PASSWORD, "code": phone.next_code()}
    assert as_alice.delete("/auth/second-factor", body).status_code == 204
    assert not Passkey.objects.exists()
    assert add_without_factor(as_alice) == (409, "second_factor_off")


def add_without_factor(client: APIClient) -> tuple[int, str]:
    body = {"password": PASSWORD, "code": "123456"}
    return code_of(client.post(f"{PASSKEYS}/options", body))


# More than any machine has: each would be so many zero bytes.
ZEROS: Final = 10**15


@pytest.mark.parametrize("place", ["rawId", *TEXTS, "authData"])
@pytest.mark.parametrize("parse", [parse_registration, parse_authentication])
def test_number_is_no_bytes(parse: Callable[[Any], object], place: str) -> None:
    """Wherever it stands; a server that made them would be killed for its memory."""
    response: dict[str, object] = dict.fromkeys(TEXTS, "e30")
    client = {"type": "webauthn.create", "challenge": "AA", "origin": ORIGIN}
    response["clientDataJSON"] = websafe_encode(json.dumps(client).encode())
    attestation = {"fmt": "none", "attStmt": {}, "authData": b""}
    response["attestationObject"] = websafe_encode(cbor.encode(attestation))
    answer: dict[str, object] = {"rawId": "AA", "response": response}
    if place == "authData":
        response["attestationObject"] = websafe_encode(cbor.encode(attestation | {place: ZEROS}))
    else:
        (answer if place == "rawId" else response)[place] = ZEROS
    with pytest.raises(BadCredentialError):
        parse(answer)


@hypothesis_settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "signature"])
                | st.text(max_size=5),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
@example(None)
@example({"rawId": "AA", "response": {"clientDataJSON": "W10", "attestationObject": "gYGB"}})
@example({"rawId": "AA", "response": {"clientDataJSON": "e30", "authenticatorData": "AA"}})
def test_what_no_browser_sends_is_refused(data: Any) -> None:
    """By one error of ours, whatever it is."""
    for parse in (parse_registration, parse_authentication):
        with suppress(BadCredentialError):
            parse(data)


@hypothesis_settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.booleans(), st.integers(0, 2), st.floats(0, 1, exclude_max=True), st.integers(0, 3))
def test_damaged_answers_add_and_open_nothing(
    alice: User, is_new: bool, part: int, place: float, damage: int
) -> None:
    """One character changed or left out, or the end cut off, in any part of an answer."""
    key, challenge = SecurityKey(), "AAAA"
    options, state = make_creation_options(alice)
    asked = options if is_new else make_request_options(alice, challenge)
    answer = key.make(asked) if is_new else key.show(asked)
    names = sorted(answer["response"])
    name = names[part % len(names)]
    text = answer["response"][name]
    at = int(place * len(text))
    rest = "" if damage == CUT else text[at + 1 :]
    answer["response"][name] = text[:at] + ("", "A", "_", "")[damage] + rest
    with suppress(BadCredentialError):
        if is_new:
            register(alice, state, parse_registration(answer), "x")
        else:
            assert not use_passkey(alice, challenge, parse_authentication(answer))


@pytest.mark.parametrize(
    ("origins", "domain"),
    [
        ((), DOMAIN),
        ((ORIGIN,), ""),
        (("http://testserver",), DOMAIN),
        (("https://testserver/",), DOMAIN),
        (("testserver",), DOMAIN),
        ((ORIGIN, "https://example.com"), DOMAIN),
        (("https://eviltestserver",), DOMAIN),
    ],
)
def test_impossible_origins(settings: Settings, origins: object, domain: str) -> None:
    """No page could use a passkey, or one of somebody else's."""
    assert check_challenges() == []
    settings.AUTH_PASSKEY_ORIGINS, settings.AUTH_PASSKEY_DOMAIN = origins, domain
    assert [message.id for message in check_challenges()] == ["second_factor.E004"]
