"""Keys that can't be used, or shouldn't be, are named at start with what to do."""

from typing import Any

import pytest
from pytest_django import Settings

from accounts.token_keys.checks import MOST_KEYS, check_keys
from tests.accounts.token_keys.made import KINDS, public_text_of, text_of

WEAK = text_of("secret")[:31]


@pytest.mark.parametrize("kind", KINDS)
def test_good_keys(settings: Settings, kind: str) -> None:
    """Alone, and with others that verify."""
    settings.AUTH_TOKEN_KEYS = (text_of(kind),)
    assert check_keys() == []
    settings.AUTH_TOKEN_KEYS += (public_text_of("rsa", 2), text_of("secret", 2))
    assert check_keys() == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), "E001"),
        ([text_of("secret")], "E001"),
        ((text_of("secret"), None), "E001"),
        (tuple(text_of("secret", n) for n in range(MOST_KEYS + 1)), "E001"),
        ((text_of("p256").replace("END", "ENDE"),), "E002"),
        ((text_of("secret"), text_of("p256").replace("\nM", "\n*")), "E002"),
        ((WEAK,), "E003"),
        ((text_of("secret"), WEAK), "E003"),
        ((public_text_of("rsa"),), "E004"),
        ((text_of("rsa"), public_text_of("rsa")), "E005"),
        ((text_of("secret"), text_of("secret")), "E005"),
    ],
)
def test_bad_keys(settings: Settings, keys: Any, expected: str) -> None:
    """Each fault has an id and a hint, and no message shows a key."""
    settings.AUTH_TOKEN_KEYS = keys
    [message] = check_keys()
    assert message.id == f"token_keys.{expected}"
    assert message.hint
    shown = f"{message.msg} {message.hint}"
    assert not any(text and text[35:50] in shown for text in keys if text != WEAK)
    assert WEAK not in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "s" * 40),
        ("SECRET_KEY_FALLBACKS", ["s" * 40]),
        ("USERCACHE_SIGNING_KEY", "s" * 40),
        ("USERCACHE_SIGNING_KEY_FALLBACKS", ("s" * 40,)),
        ("USERCACHE_FORWARD_SIGNING_KEY", "s" * 40),
        ("AUTH_SECOND_FACTOR_KEYS", ("t" * 40, "s" * 40)),
    ],
)
def test_secret_that_has_another_use(settings: Settings, name: str, value: Any) -> None:
    """Others may know it: services behind a gateway, for one."""
    setattr(settings, name, value)
    settings.AUTH_TOKEN_KEYS = (text_of("secret"), "s" * 40)
    [message] = check_keys()
    assert message.id == "token_keys.E006"
    assert name.removesuffix("_FALLBACKS").removeprefix("AUTH_").removesuffix("S") in message.msg
