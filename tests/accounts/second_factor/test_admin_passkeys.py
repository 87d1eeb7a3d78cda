"""The admin site's log-in by a passkey: alone, and in place of the code."""

import json
from collections.abc import Callable
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.second_factor.models import Passkey
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.administration import deactivate_user
from tests.accounts.second_factor.phone import Phone, set_up_phone
from tests.accounts.second_factor.security_key import PRESENT, SecurityKey
from tests.accounts.second_factor.test_passkeys import LIES, add
from tests.cast import PASSWORD, client_of
from tests.clocks import Clock
from tests.concurrency import run_together
from tests.sizes import some_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("at_testserver"),
]

LOGIN = "/admin/login/?next=/admin/"
NO_ANSWERS = {
    "no JSON": "x",
    "empty": "{}",
    "list": "[]",
    "null": "null",
    "deep": "[" * 30_000,
    "half": '{"id": 1}',
    "zero": "\x00",
    "huge": "1e999",
}
WRONG = "This passkey isn&#x27;t known here"
USED = "This log-in took too long, or was done already"


def read_page(text: str) -> dict[str, Any]:
    """Return options and challenge, as the page's script finds them."""
    _, _, rest = text.partition('data-passkey-options="')
    options = json.loads(unescape(rest.partition('"')[0]))
    _, _, rest = text.partition('name="challenge" value="')
    return {"options": options, "challenge": unescape(rest.partition('"')[0])}


def open_page(browser: Client) -> dict[str, Any]:
    return read_page(browser.get(LOGIN).content.decode())


def type_password(browser: Client, user: User) -> str:
    """Return the page that a right password leads to, without a code."""
    answer = browser.post(LOGIN, {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 200
    return answer.content.decode()


def fill_in(begun: dict[str, Any], key: SecurityKey, **lie: Any) -> dict[str, str]:
    """Return the form as the script sends it."""
    credential = key.show_alone(begun["options"], **lie)
    return {"passkey": json.dumps(credential), "challenge": begun["challenge"], "username": ""}


def send(form: dict[str, str]) -> tuple[int, str]:
    """Return status and text of the answer; whether anybody is in then, the status says."""
    browser = Client()
    answer = browser.post(LOGIN, form)
    assert (browser.get("/admin/").status_code == 200) is (answer.status_code == 302)
    return answer.status_code, answer.content.decode()


@pytest.fixture
def phone(dora: User, clock: Clock) -> Phone:
    """Dora's."""
    return set_up_phone(dora, clock)


@pytest.fixture
def key(dora: User, phone: Phone) -> SecurityKey:
    """Give Dora a passkey that doesn't count."""
    key = SecurityKey(counts=False)
    assert add(client_of(dora), phone, key).status_code == 201
    return key


def test_passkey_alone(dora: User, key: SecurityKey, settings: Settings) -> None:
    """Nothing is typed; it is both factors, also where staff must have two."""
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    begun = open_page(Client())
    assert begun["options"]["userVerification"] == "required"
    assert send(fill_in(begun, key))[0] == 302
    event = SecurityEvent.objects.latest("pk")
    assert (event.event, event.user_id) == (Event.ADMIN_LOGIN, dora.pk)


@pytest.mark.parametrize("lie", some_of([*LIES, {"flags": PRESENT}, {"handle": "Ym9i"}]))
def test_bad_answer_alone(dora: User, key: SecurityKey, lie: dict[str, Any]) -> None:
    """Of another page or domain, of a user who wasn't verified, or for another user."""
    status, text = send(fill_in(open_page(Client()), key, **lie))
    assert status == 200
    assert WRONG in text
    event = SecurityEvent.objects.latest("pk")
    assert (event.event, event.user_id) == (Event.LOGIN_FAILED, dora.pk)


def test_second_step(dora: User, key: SecurityKey) -> None:
    """After the password, one of her own is asked for, which need not verify her."""
    begun = read_page(type_password(Client(), dora))
    assert [item["id"] for item in begun["options"]["allowCredentials"]] == [
        Passkey.objects.get().credential_id
    ]
    assert send(fill_in(begun, key, flags=PRESENT))[0] == 302


def test_second_step_of_another(dora: User, alice: User, key: SecurityKey, clock: Clock) -> None:
    """Her password and somebody's passkey, or the other way round, open nothing."""
    other = SecurityKey(b"another key")
    assert add(client_of(alice), set_up_phone(alice, clock), other).status_code == 201
    begun = read_page(type_password(Client(), dora))
    assert WRONG in send(fill_in(begun, other))[1]
    event = SecurityEvent.objects.latest("pk")
    assert (event.event, event.user_id) == (Event.CODE_FAILED, dora.pk)
    alone = open_page(Client())
    for form in (
        fill_in(begun | {"options": alone["options"]}, key),
        fill_in(alone | {"options": begun["options"]}, key),
    ):
        assert WRONG in send(form)[1]
    assert not Session.objects.exists()


def test_answer_works_once(dora: User, key: SecurityKey, settings: Settings) -> None:
    """Alone and in the second step: sent again, by one or by four at the same time."""
    settings.AUTH_SLOW_REQUESTS_MAX = 4
    ways: list[Callable[[], dict[str, Any]]] = [
        lambda: open_page(Client()),
        lambda: read_page(type_password(Client(), dora)),
    ]
    for begin in ways:
        form = fill_in(begin(), key)
        assert send(form)[0] == 302
        status, text = send(form)
        assert (status, USED in text) == (200, True)
    for begin in ways:
        form = fill_in(begin(), key)
        before = Session.objects.count()
        results = run_together([partial(Client().post, LOGIN, form) for _ in range(4)])
        assert sorted(getattr(result, "status_code", 0) for result in results) == [200] * 3 + [302]
        assert Session.objects.count() == before + 1


def test_others_are_told_nothing(alice: User, clock: Clock) -> None:
    """Somebody who isn't staff isn't let in, by a passkey either."""
    key = SecurityKey()
    assert add(client_of(alice), set_up_phone(alice, clock), key).status_code == 201
    status, text = send(fill_in(open_page(Client()), key))
    assert status == 200
    assert "Please enter the correct email and password for a staff account" in text


def test_closed_account(dora: User, key: SecurityKey) -> None:
    """Is answered as an unknown passkey."""
    form = fill_in(open_page(Client()), key)
    deactivate_user(user_id=dora.pk)
    assert WRONG in send(form)[1]


@pytest.mark.parametrize("name", some_of(NO_ANSWERS, first=4))
def test_what_no_browser_sends(key: SecurityKey, name: str) -> None:
    """Is refused on the page, and is no error of ours."""
    form = fill_in(open_page(Client()), key) | {"passkey": NO_ANSWERS[name]}
    assert send(form)[0] == 200
    assert send(form | {"challenge": "x" * 600})[0] == 200


def test_passkeys_are_no_single_account(key: SecurityKey, settings: Settings) -> None:
    """What is typed is nothing, of which there is no limit: else anybody could use it up."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"login": {"account": (1, 3600)}}
    for _ in range(2):
        assert send({"username": "", "password": ""})[0] == 200
    assert send(fill_in(open_page(Client()), key))[0] == 302
