"""Secrets at rest: keys change without a loss, and what can't be read opens nothing."""

import secrets

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.second_factor.checks import check_challenges, check_keys
from accounts.second_factor.codes import use_code
from accounts.second_factor.encryption import UndecipherableError, decrypt, encrypt
from accounts.second_factor.models import AuthenticatorApp
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, finish

NEW_KEY = secrets.token_urlsafe(48)


def test_only_its_user_and_the_keys_decrypt_it(settings: Settings) -> None:
    """And the same secret never looks the same."""
    encrypted = encrypt("GEZDGNBV", user_id=7)
    assert encrypted != encrypt("GEZDGNBV", user_id=7)
    assert decrypt(encrypted, user_id=7) == "GEZDGNBV"
    with pytest.raises(UndecipherableError):
        decrypt(encrypted, user_id=71)
    for forged in ("", "x", "é", encrypted[:-4], encrypted[:-6] + "AAAA=="):
        with pytest.raises(UndecipherableError):
            decrypt(forged, user_id=7)
    settings.AUTH_SECOND_FACTOR_KEYS = (NEW_KEY,)
    with pytest.raises(UndecipherableError):
        decrypt(encrypted, user_id=7)


@pytest.mark.django_db
def test_change_of_the_key(
    alice: User, phone: Phone, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes work with the old key as a fallback; after the command, without it."""
    settings.AUTH_SECOND_FACTOR_KEYS = (NEW_KEY, *settings.AUTH_SECOND_FACTOR_KEYS)
    assert use_code(alice, phone.next_code())
    call_command("reencrypt_second_factors")
    assert "Encrypted 1 secrets" in capsys.readouterr().out
    settings.AUTH_SECOND_FACTOR_KEYS = (NEW_KEY,)
    assert use_code(alice, phone.next_code())


@pytest.mark.django_db
def test_lost_key(
    anybody: APIClient,
    alice: User,
    phone: Phone,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The app's codes are wrong, and the log says why; recovery codes work; nothing is a 500."""
    settings.AUTH_SECOND_FACTOR_KEYS = (NEW_KEY,)
    challenge = ask_for_challenge(anybody, alice)
    assert finish(anybody, challenge, phone.next_code()).status_code == 401
    assert "AUTH_SECOND_FACTOR_KEYS lacks its key" in caplog.text
    assert finish(anybody, challenge, phone.recovery_codes[0]).status_code == 200
    before = AuthenticatorApp.objects.get().secret
    with pytest.raises(CommandError, match=f"the first is of user {alice.pk}"):
        call_command("reencrypt_second_factors")
    assert AuthenticatorApp.objects.get().secret == before


@pytest.mark.parametrize(
    "keys", [(), ("x" * 31,), ("",), "x" * 40, [NEW_KEY], (NEW_KEY, NEW_KEY), (None,), None]
)
def test_impossible_keys(settings: Settings, keys: object) -> None:
    """None, short ones, one twice: each is said at start."""
    assert check_keys() == []
    settings.AUTH_SECOND_FACTOR_KEYS = keys
    assert [message.id for message in check_keys()] == ["second_factor.E001"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "USERCACHE_SIGNING_KEY"])
def test_key_of_something_else(settings: Settings, name: str) -> None:
    """What leaks there must not decrypt here."""
    settings.AUTH_SECOND_FACTOR_KEYS = (getattr(settings, name),)
    assert [message.id for message in check_keys()] == ["second_factor.E001"]


@pytest.mark.parametrize("seconds", [29, 3601, "300", None, True, 300.0])
def test_impossible_time_for_a_log_in(settings: Settings, seconds: object) -> None:
    """From half a minute to an hour."""
    assert check_challenges() == []
    settings.AUTH_SECOND_FACTOR_CHALLENGE_SECONDS = seconds
    assert [message.id for message in check_challenges()] == ["second_factor.E002"]


@pytest.mark.parametrize("value", ["False", None, 1])
def test_impossible_requirement(settings: Settings, value: object) -> None:
    """Text is true, whatever it says."""
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = value
    assert [message.id for message in check_challenges()] == ["second_factor.E003"]
