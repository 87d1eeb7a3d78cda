"""Weak passwords are refused wherever one is set, and nothing is asked of the others."""

import unicodedata
from typing import Any

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.checks import check_password_validators
from accounts.mail.tokens import make_reset_token
from accounts.models import User
from tests.accounts.admin_site import ADD, password_page
from tests.cast import PASSWORD

ROSE = User(
    email="rose.bethel@conch-mail.example",
    username="rosie_b",
    first_name="Rosé",
    last_name="Knowles-Bethel",
    phone="+12425557319",
)
LEAKED = "!Batuhan66"


def refusals(password: str, user: User | None = ROSE) -> set[str]:
    """Return the codes of what is wrong with it."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        return {str(each.code) for each in error.error_list}
    return set()


@pytest.mark.parametrize(
    "password",
    [
        "xq7-Kv.w",  # eight characters
        "83920174655819",  # digits alone
        "kjqzxvwpmrtb",
        "КлюквенныйСок",
        "  q x  v z  ",  # blanks
        "correct horse battery staple",
        "x" * 30 + "Conch" * 19 + "yz!",  # 128
        "Rose-gardens-bloom-late",  # a word of hers, and enough besides
        "moving to the bahamas in june",
    ],
)
def test_anything_else_is_allowed(password: str) -> None:
    """Of any characters, from 8 to 128, also with own words if the rest is long enough."""
    assert refusals(password) == set()


@pytest.mark.parametrize(
    "password",
    [
        LEAKED,
        "QWErtyuIOP123",  # in the list in lower case only
        "password123",  # Django's list has it, too
        "iloveyou",  # as short as may be
        "1" * 20,
        "19840523",
        "24255573190",
    ],
)
def test_common_ones_are_refused(password: str) -> None:
    """From both lists, and numbers that may be dates and phone numbers."""
    assert "password_too_common" in refusals(password)


@pytest.mark.parametrize(
    "password",
    [
        "HireMeBahamas",
        "h1r3-m3-b4h4m4s!",
        "samahaBemeriH2024",
        "Bahamas-2026",
        "RoseKnowles1984",
        "r0s3.b3th31!!",
        "selwonK_esoR",
        "ROSÉ-Béthel-99",
        "2425557319Rosie",
        "555-7319-rose",
        "rose.bethel@conch-mail.example",
        "conchmail1984",
        "rosieb12345",
    ],
)
def test_own_words_are_refused(password: str) -> None:
    """Hers and the site's, in capitals, reversed, with digits for letters, with a year added."""
    assert "password_of_own_words" in refusals(password)


def test_anothers_words_are_no_own_words() -> None:
    """Without a user the site's words count alone."""
    assert refusals("RoseKnowles1984", User(email="bob@x.example")) == set()
    assert refusals("RoseKnowles1984", None) == set()
    assert "password_of_own_words" in refusals("HireMeBahamas", None)


def test_length_is_of_what_is_stored() -> None:
    """Four letters typed with accents of their own are four; 129 of anything are too many."""
    assert "password_too_short" in refusals(unicodedata.normalize("NFD", "éàüô"))
    assert refusals("é" * 3 + "àüôxñ") == set()
    assert refusals("xq7-Kv.w" * 16) == set()
    assert "password_too_long" in refusals("xq7-Kv.w" * 16 + "x")


def test_no_character_is_cut_off(db: None) -> None:
    """A password that differs in its last character alone doesn't open the account."""
    long = "xq7-Kv.w" * 16
    user = User.objects.create_user("rose@example.com", long)
    assert user.check_password(long)
    assert not user.check_password(long[:-1])
    assert not user.check_password(long[:-1] + "x")


@pytest.mark.django_db
@pytest.mark.parametrize("weak", [LEAKED, "Alice-R0lle-2024", "bahamas!1", "x" * 129])
def test_wherever_one_is_set(  # noqa: PLR0917  # a client for each way
    anybody: APIClient,
    as_alice: APIClient,
    alice: User,
    admin: Client,
    monkeypatch: pytest.MonkeyPatch,
    weak: str,
) -> None:
    """Registration, change, reset, the admin site's two forms, `createsuperuser --noinput`."""
    names = {"first_name": "Alice", "last_name": "Rolle"}
    body: dict[str, Any] = names | {"email": "a@b.example", "password": weak}
    assert set(anybody.post("/auth/register", body).json()) == {"password"}
    body = {"current_password": PASSWORD, "new_password": weak}
    assert set(as_alice.post("/auth/change-password", body).json()) == {"new_password"}
    body = {"token": make_reset_token(alice), "new_password": weak}
    refused = anybody.post("/auth/reset-password/confirm", body)
    assert set(refused.json()) == {"new_password"}

    typed = {"password1": weak, "password2": weak}
    answer = admin.post(ADD, names | typed | {"email": "a@b.example"})
    assert set(answer.context["adminform"].form.errors) == {"password2"}
    answer = admin.post(password_page(alice), typed)
    assert set(answer.context["form"].errors) == {"password2"}
    before = alice.password
    alice.refresh_from_db()
    assert alice.password == before

    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", weak)
    options: dict[str, Any] = {"interactive": False, "email": "alice.rolle@b.example"}
    with pytest.raises(CommandError, match="password"):
        call_command("createsuperuser", **options)
    assert not User.objects.filter(email__endswith="b.example").exists()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", verbosity=0, **options)
    assert User.objects.get(email="alice.rolle@b.example").check_password(PASSWORD)


@pytest.mark.parametrize("number", range(4))
def test_missing_validator_is_an_error(settings: Settings, number: int) -> None:
    """Ours are named by the check; Django's, which ours don't need, isn't."""
    assert check_password_validators() == []
    validators = list(settings.AUTH_PASSWORD_VALIDATORS)
    name = validators.pop(number)["NAME"]
    settings.AUTH_PASSWORD_VALIDATORS = validators
    hints = [message.hint for message in check_password_validators()]
    assert hints == ([] if name.startswith("django.") else [f"Add {name}."])


def test_word_that_tells_nothing_is_an_error(settings: Settings) -> None:
    """Nearly every password has two given letters somewhere."""
    name = "accounts.passwords.validators.OwnWordsValidator"
    others = [each for each in settings.AUTH_PASSWORD_VALIDATORS if each["NAME"] != name]
    short = {"NAME": name, "OPTIONS": {"words": ("conch", "me")}}
    settings.AUTH_PASSWORD_VALIDATORS = [*others, short]
    [message] = check_password_validators()
    assert (message.id, "'me'" in message.msg) == ("accounts.E008", True)
