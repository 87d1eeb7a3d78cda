"""Identifiers have one spelling, in the database, in look-ups and in memory."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.fields import NormalisedField
from accounts.models import User

IDENTIFIERS = ("email", "username", "phone")


def field(name: str) -> Any:
    return User._meta.get_field(name)


@pytest.mark.parametrize("name", IDENTIFIERS)
@given(text=st.text() | st.from_regex(r"\+?[0-9 ()-]{5,18}"))
def test_normal_form_is_final(name: str, text: str) -> None:
    """Normalising twice is normalising once, whatever the text."""
    assert isinstance(field(name), NormalisedField)
    once = field(name).get_prep_value(text)
    assert field(name).get_prep_value(once) == once


@pytest.mark.parametrize(
    ("name", "given_text", "normal"),
    [
        ("email", " Alice@Example.COM ", "alice@example.com"),
        ("username", "Alice.R", "alice.r"),
        ("phone", "242-555-1234", "+12425551234"),
        ("phone", "(242) 555 1234", "+12425551234"),
        ("phone", "555-1234", "+12425551234"),
        ("phone", "1 242 555 1234", "+12425551234"),
        ("phone", "+44 20 7946 0958", "+442079460958"),
    ],
)
@pytest.mark.django_db
def test_any_spelling_is_stored_and_found_as_one(name: str, given_text: str, normal: str) -> None:
    """The row, the instance that was saved, and look-ups by either spelling agree."""
    user = User.objects.create(**{"email": "zoe@example.com", name: given_text})
    assert getattr(user, name) == normal
    assert User.objects.values_list(name, flat=True).get(**{name: given_text}) == normal
    assert User.objects.filter(**{f"{name}__in": [given_text]}).get() == user
    assert User.objects.filter(**{name: normal}).get() == user


@pytest.mark.django_db
def test_bulk_writes_normalise_too() -> None:
    """bulk_create, update and bulk_update store the normal form."""
    [user] = User.objects.bulk_create([User(email="Alice@Example.com", phone="")])
    row = User.objects.filter(email="alice@example.com")
    assert row.values_list("phone", flat=True).get() is None
    row.update(username="ALICE", phone="242-555-1234")
    assert row.values_list("username", "phone").get() == ("alice", "+12425551234")
    user = row.get()
    user.username, user.phone = "ALICE2", ""
    User.objects.bulk_update([user], ["username", "phone"])
    assert row.values_list("username", "phone").get() == ("alice2", None)


@pytest.mark.parametrize("name", ["username", "phone"])
@pytest.mark.django_db
def test_nothing_is_found_by_nothing(name: str) -> None:
    """Looking "" up doesn't find those who have no username or phone."""
    User.objects.create(email="alice@example.com")
    assert not User.objects.filter(**{name: ""}).exists()


@pytest.mark.parametrize("nothing", ["", None])
@pytest.mark.django_db
def test_optional_identifiers_may_be_missing_many_times(nothing: str | None) -> None:
    """Two users without username and phone are no duplicates."""
    for email in ("alice@example.com", "bob@example.com"):
        user = User.objects.create(email=email, username=nothing, phone=nothing)
        assert (user.username, user.phone) == (None, None)


@pytest.mark.parametrize("text", ["12", "abc", "+1 242", "+999 123 456 789", "2" * 300, "\x00"])
def test_bad_phone_is_refused(text: str) -> None:
    """What can't be a phone number is a validation error that shows how one looks."""
    with pytest.raises(ValidationError, match="242-555-1234"):
        field("phone").clean(text, None)


@pytest.mark.parametrize(
    "text", ["ab", "a" * 31, "al ice", "alice!", "álice", "alice\n1", "a\x00b"]
)
def test_bad_username_is_refused(text: str) -> None:
    """Usernames are 3 to 30 ASCII letters, digits, dots, underscores and hyphens."""
    with pytest.raises(ValidationError):
        field("username").clean(text, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [("email", "Alice@example.com"), ("username", "Alice"), ("username", ""), ("phone", "242")],
)
@pytest.mark.django_db
def test_database_itself_refuses_other_spellings(name: str, text: str) -> None:
    """Raw SQL, too, can't store a value that look-ups would never find."""
    user = User.objects.create(email="zoe@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        _write_raw(user.pk, name, text)


def _write_raw(pk: int, column: str, text: str) -> None:
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(f"UPDATE users SET {column} = %s WHERE id = %s", [text, pk])
