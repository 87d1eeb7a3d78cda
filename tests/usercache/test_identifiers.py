"""What callers pass is made into what the database holds, or is nobody's."""

from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Value

from tests.usercache.key_types import A_UUID, KEY_TYPES
from tests.users import User
from usercache.codec import get_codec
from usercache.identifiers import (
    LARGEST_PLAIN_ID,
    canonical_pk,
    clean_pk,
    format_pointers,
    identifiers_of,
    normalise,
    row_pk,
)


@pytest.mark.parametrize("value", [1, 2, LARGEST_PLAIN_ID, LARGEST_PLAIN_ID + 1, "1", "01", " 1 "])
@pytest.mark.integer_key
def test_integer_key(value: object) -> None:
    """An int is itself, as is the int that a text spells."""
    assert type(clean_pk(User, value)) is int
    assert clean_pk(User, value) == int(str(value))


@pytest.mark.parametrize(
    "value", [True, False, 1.0, Decimal(1), Decimal("NaN"), float("inf"), None]
)
def test_number_that_is_no_id(value: object) -> None:
    """True isn't asked for as user 1, nor 1.0, though a row saved with it becomes user 1."""
    assert clean_pk(User, value) is None


@pytest.mark.parametrize(
    ("value", "pk"),
    [
        (True, 1),
        (1.0, 1),
        (7.9, 7),
        (Decimal(7), 7),
        ("x", None),
        (float("inf"), None),
        (None, None),
    ],
)
@pytest.mark.integer_key
def test_what_django_would_save(value: object, pk: object) -> None:
    """The row's own key is Django's conversion, whatever it is."""
    assert canonical_pk(User, value) == pk


def test_expression_is_no_key() -> None:
    """Only the database knows which row it comes to."""
    for key_type in KEY_TYPES.values():
        assert canonical_pk(key_type.model, Value("7")) is None
        assert clean_pk(key_type.model, Value("7")) is None


def test_int_is_not_every_models_key() -> None:
    """Plain ints are passed on for integer keys alone."""
    assert clean_pk(KEY_TYPES["CharField"].model, 7) == "7"
    assert clean_pk(KEY_TYPES["UUIDField"].model, A_UUID.int) == A_UUID
    assert clean_pk(KEY_TYPES["SmallAutoField"].model, 7) == 7


@pytest.mark.integer_key
def test_instances_key_is_the_rows() -> None:
    """Whatever is on the instance, before it is saved."""
    assert row_pk(get_codec(), User(pk="007")) == 7
    assert row_pk(get_codec(), User()) is None


@pytest.mark.parametrize("value", [None, 7, b"alice", "", "\0", "\ud800", "x" * 31])
def test_no_identifier(value: object) -> None:
    """What no row can hold is looked up nowhere."""
    assert normalise(User, "username", value) is None


@pytest.mark.parametrize(("value", "normal"), [("x" * 30, "x" * 30), ("ALICE", "alice")])
def test_identifier(value: str, normal: str) -> None:
    """It is normalised by its field; the longest that the column takes is one."""
    assert normalise(User, "username", value) == normal


def test_only_loaded_identifiers_have_pointers() -> None:
    """Those that aren't loaded cost no query, and those that are empty have no key."""
    user: Any = User(email="Alice@Example.com", username=None, phone="242-555-0101")
    vars(user).pop("phone")
    assert identifiers_of(get_codec(), user).keys() == {"email", "username"}
    pointers = format_pointers(User, {"email": "Alice@Example.com", "username": None, "phone": ""})
    assert pointers == ["user:email:alice@example.com"]
