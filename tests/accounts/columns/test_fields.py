"""Identifiers have one spelling, in the database, in look-ups and in memory."""

import unicodedata
from typing import Any

import idna
import phonenumbers
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.checks import check_normal_forms
from accounts.columns.fields import NormalisedField
from accounts.models import User

IDENTIFIERS = ("email", "username", "phone")


def field(name: str) -> Any:
    return User._meta.get_field(name)


LABELS = st.text(
    st.characters(categories=["L", "M", "N", "Pd", "So"], max_codepoint=0x1FFFF), min_size=1
)
ADDRESSES = st.builds("{}@{}.{}".format, st.text(min_size=1), LABELS, LABELS)


def puny(address: str) -> str:
    """Spell the domain as the DNS has it, as far as that is possible."""
    local, at, domain = address.rpartition("@")
    try:
        return local + at + idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return address


def wide(text: str) -> str:
    """Spell ASCII in full-width letters."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@pytest.mark.parametrize("name", IDENTIFIERS)
@given(
    text=st.text()
    | ADDRESSES
    | ADDRESSES.map(puny)
    | st.from_regex(r"\+?[0-9 ()-]{5,18}")
    | st.from_regex(r"[a-z]{1,9}@(xn--[a-z0-9-]{1,20}\.)+[a-z]{2,9}", fullmatch=True)
)
@settings(deadline=None)
def test_normal_form_is_final(name: str, text: str) -> None:
    """Normalising twice is normalising once, whatever the text."""
    assert isinstance(field(name), NormalisedField)
    once = field(name).get_prep_value(text)
    assert field(name).get_prep_value(once) == once


@given(address=ADDRESSES)
@settings(deadline=None, max_examples=50)
def test_address_is_one_in_every_form_of_unicode(address: str) -> None:
    """Composed, decomposed, full-width, punycode, upper case: one normal form, or none at all."""
    email = field("email")
    try:
        normal = email.clean(address, None)
    except ValidationError:
        return
    assert normal == unicodedata.normalize("NFKC", normal) == normal.lower()
    forms = [unicodedata.normalize(form, address) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    if normal.upper().casefold() == normal:  # others have no capitals of their own
        forms.append(normal.upper())
    for form in [*forms, puny(normal), wide(normal)]:
        assert email.clean(form, None) == normal


@given(
    country_code=st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    digits=st.from_regex(r"0{0,3}[0-9]{3,12}", fullmatch=True),
)
@settings(deadline=None, max_examples=200)
def test_phone_is_final_in_every_country(country_code: int, digits: str) -> None:
    """What is accepted is accepted again, as itself; with zeros in front, too."""
    try:
        normal = field("phone").clean(f"+{country_code} {digits}", None)
    except ValidationError:
        return
    assert field("phone").clean(normal, None) == normal


@pytest.mark.parametrize("name", ["email", "phone"])
@pytest.mark.django_db
def test_users_in_another_form_are_named(name: str) -> None:
    """Rows from before a rule of today are an error of `check --database`, by their ids."""
    zoe = User.objects.create(email="zoe@bücher.example", phone="+4930123456")
    assert check_normal_forms(databases=["default"]) == []
    old = {"email": "zoe@xn--bcher-kva.example", "phone": "+49030123456"}[name]
    _write_raw(zoe.pk, name, old)
    [error] = check_normal_forms(databases=["default"])
    assert (error.id, f": {zoe.pk}." in error.msg) == ("accounts.E002", True)
    assert check_normal_forms(databases=None) == []
    User.objects.get(pk=zoe.pk).save()
    assert check_normal_forms(databases=["default"]) == []


@pytest.mark.postgresql
@pytest.mark.django_db
def test_only_so_many_users_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message stays readable, and says how many there are."""
    monkeypatch.setattr("accounts.checks.NAMED_USERS", 2)
    users = [User.objects.create(email=f"{name}@example.com") for name in ("a", "b", "c")]
    for user in users:
        _write_raw(user.pk, "email", f"{user.pk}@xn--bcher-kva.example")
    [error] = check_normal_forms(databases=["default"])
    assert error.msg.startswith("3 users")
    assert error.msg.endswith(f": {users[0].pk}, {users[1].pk}, ....")


@pytest.mark.parametrize(
    ("name", "given_text", "normal"),
    [
        ("email", " Alice@Example.COM ", "alice@example.com"),
        ("email", "alice@Bücher.example", "alice@bücher.example"),
        ("email", "alice@bu\u0308cher.example", "alice@bücher.example"),
        ("email", "alice@XN--BCHER-KVA.example", "alice@bücher.example"),
        ("email", wide("alice@example.com"), "alice@example.com"),
        ("email", "alice@straße.example", "alice@straße.example"),
        ("email", "alice@strasse.example", "alice@strasse.example"),
        ("username", "Alice.R", "alice.r"),
        ("phone", "242-555-1234", "+12425551234"),
        ("phone", "(242) 555 1234", "+12425551234"),
        ("phone", "555-1234", "+12425551234"),
        ("phone", "1 242 555 1234", "+12425551234"),
        ("phone", "+44 20 7946 0958", "+442079460958"),
        ("phone", "+49 (0)30 123456", "+4930123456"),
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


@pytest.mark.parametrize(
    "text",
    [
        "a@☃.net",
        "a@xn--n3h.net",
        "a@xn--zzzzzzzz.com",
        "a@\u13a0.com",
        "ü" * 321,
        f"a@{'ü' * 80}.de",
    ],
)
def test_bad_domain_is_refused(text: str) -> None:
    """What IDNA 2008 doesn't know as one domain would be two accounts."""
    with pytest.raises(ValidationError, match="valid email"):
        field("email").clean(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "+4900030123456",
        "+49 0030 123456",
        "+31008863535",
        "12",
        "abc",
        "+1 242",
        "+999 123 456 789",
        "2" * 300,
        "\x00",
    ],
)
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


@pytest.mark.postgresql
@pytest.mark.parametrize("text", ["zoe@bu\u0308cher.example", wide("zoe") + "@example.com"])
@pytest.mark.django_db
def test_database_itself_refuses_other_forms_of_unicode(text: str) -> None:
    """Raw SQL, too, can't make a second account of one address."""
    user = User.objects.create(email="zoe@example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        _write_raw(user.pk, "email", text)


def _write_raw(pk: int, column: str, text: str) -> None:
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(f"UPDATE users SET {column} = %s WHERE id = %s", [text, pk])
