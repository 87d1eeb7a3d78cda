"""A password has one spelling, old hashes stay good, and time tells of no account."""

import unicodedata
from collections import Counter

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.hashers import make_password
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import User
from accounts.passwords.normal_form import normalise_password, spellings
from tests.accounts.views.test_login import work  # noqa: F401  # a fixture
from tests.cast import PASSWORD, client_of

pytestmark = pytest.mark.django_db

COMPOSED = "Café-crème 1973"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
NO_BREAK = COMPOSED.replace(" ", "\u00a0")
IDEOGRAPHIC = COMPOSED.replace(" ", "\u3000")
FORMS = [COMPOSED, DECOMPOSED, NO_BREAK, IDEOGRAPHIC]


@given(text=st.text())
def test_spelling_is_final(text: str) -> None:
    """Of a spelling, itself; and what Unicode calls canonically the same is one."""
    normal = normalise_password(text)
    assert normalise_password(normal) == normal
    assert normalise_password(unicodedata.normalize("NFD", text)) == normal
    assert spellings(normal) == (normal,)


def test_what_looks_different_is_different() -> None:
    """Neither case, nor width, nor blanks at the ends are lost."""
    assert len({normalise_password(text) for text in ("a", "A", "\uff41", " a", "a ")}) == 5


@pytest.mark.parametrize("typed", FORMS)
def test_every_form_opens_an_account(anybody: APIClient, typed: str) -> None:
    """Whichever was typed at registration: log-in, change and closing take the others."""
    person = {"email": "zoe@example.com", "first_name": "Zoe", "last_name": "Rolle"}
    assert anybody.post("/auth/register", person | {"password": typed}).status_code == 201
    for form in FORMS:
        answer = anybody.post("/auth/login", {"email": person["email"], "password": form})
        assert answer.status_code == 200
    zoe = User.objects.get()
    changed = {"current_password": DECOMPOSED, "new_password": NO_BREAK + "!"}
    assert client_of(zoe).post("/auth/change-password", changed).status_code == 200
    zoe.refresh_from_db()
    closing = client_of(zoe).delete("/auth/account", {"password": DECOMPOSED + "!"})
    assert closing.status_code == 204


@pytest.fixture
def old_alice(alice: User) -> User:
    """Alice, whose password was hashed as her keyboard spelt it."""
    User.objects.filter(pk=alice.pk).update(password=make_password(DECOMPOSED))
    alice.refresh_from_db()
    return alice


def test_hash_of_another_form_stays_good(old_alice: User) -> None:
    """As it was typed then it opens the account now, and from then on in every form."""
    assert not old_alice.check_password(COMPOSED)
    assert old_alice.check_password(DECOMPOSED)
    old_alice.refresh_from_db()
    assert old_alice.token_version == 1
    assert all(old_alice.check_password(form) for form in FORMS)


def test_no_password_is_none(alice: User) -> None:
    """Nor can it be set by setting none."""
    assert not alice.check_password(None)
    assert authenticate(None, username=alice.email, password=None) is None
    assert authenticate(None, username=None, password=PASSWORD) is None
    alice.set_password(None)
    assert not alice.has_usable_password()


def test_refusals_cost_the_same_in_every_form(
    anybody: APIClient,
    alice: User,
    charlie: User,
    work: Counter[str],  # noqa: F811  # the fixture
) -> None:
    """Unknown, inactive and wrong: as many hashes as the password has spellings."""
    for typed, cost in ((COMPOSED, 1), (DECOMPOSED, 2), (NO_BREAK, 2)):
        for email in (alice.email, charlie.email, "nobody@example.com"):
            work.clear()
            answer = anybody.post("/auth/login", {"email": email, "password": typed})
            assert answer.json()["code"] == "invalid_credentials"
            assert (email, work["argon2"]) == (email, cost)


@pytest.mark.django_db(transaction=True)
def test_asynchronous_ways_are_the_same(old_alice: User, charlie: User) -> None:
    """`aauthenticate()` and `acheck_password()`, by email or by `username`."""
    find = async_to_sync(aauthenticate)
    assert find(email=old_alice.email, password=DECOMPOSED) == old_alice
    old_alice.refresh_from_db()
    assert find(username=old_alice.email.upper(), password=NO_BREAK) == old_alice
    assert find(username=charlie.email, password=PASSWORD) is None
    assert async_to_sync(old_alice.acheck_password)(DECOMPOSED)
    assert not async_to_sync(old_alice.acheck_password)(PASSWORD)
