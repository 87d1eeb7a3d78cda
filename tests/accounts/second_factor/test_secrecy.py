"""No secret, code or challenge is kept where it doesn't belong."""

import base64
import logging
import re
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from pytest_django import Settings
from redis import Redis
from rest_framework.test import APIClient

from accounts.models import User
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, finish, set_up_phone
from tests.cast import PASSWORD
from tests.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)

FACTOR = "/auth/second-factor"
SHOWN_ONCE = (f"{FACTOR}/app", f"{FACTOR}/app/confirm", f"{FACTOR}/recovery-codes", "/auth/login")


def is_in(secret: str, text: str) -> bool:
    """Return whether the text has it; six digits, not as a part of a longer number."""
    return re.search(rf"(?<!\d){re.escape(secret)}(?!\d)", text) is not None


class Life:
    """Alice's, from set-up to turning it off; `answers` by path, and the secrets."""

    def __init__(self, as_alice: APIClient, anybody: APIClient, alice: User, clock: Clock) -> None:
        self.answers: list[tuple[str, str]] = []
        set_up = self._keep("/app", as_alice.post(f"{FACTOR}/app", {"password": PASSWORD}))
        phone = Phone(set_up["secret"], clock)
        first, second, third = phone.code(), phone.code(1), phone.code(2)
        codes = self._keep("/app/confirm", as_alice.post(f"{FACTOR}/app/confirm", {"code": first}))
        clock.now += 2
        challenge = ask_for_challenge(anybody, alice)
        used, unused = codes["recovery_codes"][:2]
        for code in ("000000", used, used):
            self._keep("", finish(anybody, challenge, code))
        self._keep("", finish(anybody, ask_for_challenge(anybody, alice), second))
        for client in (as_alice, anybody):
            self._keep("", client.get(FACTOR))
        self._keep("", as_alice.get("/auth/profile"))
        self._keep("", as_alice.get("/auth/sessions"))
        self.columns = [
            *AuthenticatorApp.objects.values_list("secret", flat=True),
            *RecoveryCode.objects.values_list("code_hash", flat=True),
        ]
        body = {"password": PASSWORD, "code": third}
        new = self._keep("/recovery-codes", as_alice.post(f"{FACTOR}/recovery-codes", body))
        self.secrets = {phone.secret, first, second, third, challenge, used, unused}
        self.secrets |= {code.replace("-", "") for code in (used, unused)}
        self.secrets |= {*new["recovery_codes"]}

    def _keep(self, shown: str, response: Any) -> Any:
        self.answers.append((shown, response.content.decode()))
        return response.json() if response.content else {}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Log all there is to log; to be asked for before `life`."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def life(
    as_alice: APIClient,
    anybody: APIClient,
    alice: User,
    clock: Clock,
    settings: Settings,
) -> Life:
    """Live it, with a limit that is kept for a while."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"factor": {"account": (100, 3600)}}
    return Life(as_alice, anybody, alice, clock)


def test_nothing_is_shown_again(life: Life) -> None:
    """Neither a secret nor a code is in any answer but the one that it was made for."""
    others = " ".join(text for shown, text in life.answers if not shown)
    assert not [secret for secret in life.secrets if is_in(secret, others)]
    assert not [column for _, text in life.answers for column in life.columns if column in text]


def test_nothing_is_logged_or_mailed(log: pytest.LogCaptureFixture, life: Life) -> None:
    """Not even with every log on; statements, which Django logs in development, aside."""
    records = log.get_records("setup")  # where `life` was lived
    lines = [record.getMessage() for record in records if "backends" not in record.name]
    text = " ".join([*lines, *(f"{message.subject} {message.body}" for message in mail.outbox)])
    assert "second factor" in text
    assert not [secret for secret in life.secrets if is_in(secret, text)]


@pytest.mark.redis
def test_nothing_is_in_redis(life: Life, redis_client: Redis) -> None:
    """Which has the limits' counts, and the record of Alice."""
    keys = list(redis_client.scan_iter("*", _type="string"))
    text = repr([(key, redis_client.get(key)) for key in keys])
    assert ":limit:{factor}" in text
    assert "user:id:" in text
    assert not [secret for secret in (*life.secrets, *life.columns) if is_in(secret, text)]


def test_tables_hold_neither_secret_nor_code(life: Life) -> None:
    """Read access to the database is not enough to log in."""
    rows = list[Any]()
    with connection.cursor() as cursor:
        for table in ("second_factor_apps", "second_factor_recovery_codes", "login_sessions"):
            cursor.execute(f"SELECT * FROM {table}")
            rows += cursor.fetchall()
    assert len(rows) > 11
    assert not [secret for secret in life.secrets if is_in(secret, repr(rows))]


def test_recovery_codes_are_long_enough_for_a_plain_hash(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is 120 bits of the operating system's randomness, and nothing else."""
    asked: list[int] = []

    def draw(size: int) -> bytes:
        asked.append(size * 8)
        return bytes([len(asked)]) * size

    monkeypatch.setattr("accounts.second_factor.codes.secrets.token_bytes", draw)
    phone = set_up_phone(alice, clock)
    assert asked[-10:] == [120] * 10
    drawn = [base64.b32encode(bytes([number]) * 15).decode() for number in range(1, len(asked) + 1)]
    assert [code.replace("-", "") for code in phone.recovery_codes] == drawn[-10:]
