"""Entries: what goes in comes out, and nothing else is believed."""

import datetime
import zlib
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from tests.users import User
from usercache.codec import (
    HEADER_BYTES,
    RAW_DEFLATE,
    SHAPE_BYTES,
    Codec,
    UnreadableEntryError,
    get_codec,
    is_cacheable,
    sign,
    type_of,
)
from usercache.instances.fingerprints import FINGERPRINTS
from usercache.keys import RECORD, record_key

FIELDS = ("id", "email", "phone", "is_active", "created_at")
KEY = record_key(7)
NOW_MS = 1_790_000_000_123
VALUES = (
    7,
    "alice@example.com",
    None,
    True,
    datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC),
)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(User, FIELDS, "k" * 32)


def reorder(codec: Codec, values: tuple[object, ...]) -> tuple[object, ...]:
    by_name = dict(zip(FIELDS, values, strict=True))
    return tuple(by_name[name] for name in codec.fields)


def reason(codec: Codec, key: str, entry: bytes) -> str:
    with pytest.raises(UnreadableEntryError) as raised:
        codec.decode(key, entry)
    return raised.value.reason


def test_round_trip_keeps_every_value(codec: Codec) -> None:
    """Each column comes back equal and of its own type, microseconds and time zone included."""
    values = reorder(codec, VALUES)
    record = codec.decode(KEY, codec.encode(KEY, values, NOW_MS))
    assert record == (values, NOW_MS)


def test_absent_user_round_trip(codec: Codec) -> None:
    """That there is no such user is an answer of its own."""
    assert codec.decode(KEY, codec.encode(KEY, None, NOW_MS)) == (None, NOW_MS)


def test_swapped_entry_is_refused(codec: Codec) -> None:
    """An entry signed for one user can't be moved under another's key."""
    entry = codec.encode(KEY, reorder(codec, VALUES), NOW_MS)
    assert reason(codec, record_key(8), entry) == "signature"


@pytest.mark.parametrize("position", [0, 1, 5, HEADER_BYTES - 1, HEADER_BYTES, -1])
def test_changed_byte_is_refused(codec: Codec, position: int) -> None:
    """No byte of an entry can be changed, be it kind, shape, signature or content."""
    entry = bytearray(codec.encode(KEY, reorder(codec, VALUES), NOW_MS))
    entry[position] ^= 1
    is_header = 0 <= position <= SHAPE_BYTES
    assert reason(codec, KEY, bytes(entry)) == ("shape" if is_header else "signature")


def test_key_that_was_replaced_is_still_read() -> None:
    """While a new key replaces one, entries of both are read; new ones are signed with the new."""
    old, new = Codec(User, FIELDS, "o" * 32), Codec(User, FIELDS, "n" * 32, ["x" * 32, "o" * 32])
    values = reorder(new, VALUES)
    assert new.decode(KEY, old.encode(KEY, values, NOW_MS)) == (values, NOW_MS)
    assert new.decode(KEY, new.encode(KEY, values, NOW_MS)) == (values, NOW_MS)
    assert reason(old, KEY, new.encode(KEY, values, NOW_MS)) == "shape"


def test_entry_is_checked_with_the_key_that_its_shape_names() -> None:
    """A signature of one key doesn't pass under another key's shape."""
    old, new = Codec(User, FIELDS, "o" * 32), Codec(User, FIELDS, "n" * 32, ["o" * 32])
    by_old, by_new = (c.encode(KEY, None, NOW_MS) for c in (old, new))
    assert reason(new, KEY, by_new[:5] + by_old[5:]) == "signature"
    assert reason(new, KEY, by_old[:5] + by_new[5:]) == "signature"


def test_record_cannot_be_relabelled_absent(codec: Codec) -> None:
    """The kind is signed too: a record can't be made to say "no such user"."""
    entry = codec.encode(KEY, reorder(codec, VALUES), NOW_MS)
    assert reason(codec, KEY, b"N" + entry[1:]) == "signature"


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(codec: Codec, entry: bytes) -> None:
    """Whatever else lies under a record key is a miss, never a crash and never a user."""
    assert reason(codec, KEY, entry) in ("shape", "signature")


def test_other_signing_key_is_another_shape(codec: Codec) -> None:
    """After a change of key the old entries are misses, and no false alarm about signatures."""
    other = Codec(User, FIELDS, "o" * 32)
    assert reason(codec, KEY, other.encode(KEY, reorder(codec, VALUES), NOW_MS)) == "shape"


def test_other_columns_are_another_shape(codec: Codec) -> None:
    """After a migration that adds a cached column the old entries are misses."""
    other = Codec(User, (*FIELDS, "bio"), "k" * 32)
    assert reason(other, KEY, codec.encode(KEY, reorder(codec, VALUES), NOW_MS)) == "shape"


class Decrypted(models.CharField):  # type: ignore[type-arg]  # of no model
    """A text that the field makes into something else."""

    def from_db_value(self, value: str, *context: object) -> str:
        return value


@pytest.mark.parametrize(
    ("field", "expected"),
    [(models.CharField(), True), (models.BinaryField(), False), (Decrypted(), False)],
)
def test_what_can_be_cached(field: "models.Field[Any, Any]", expected: bool) -> None:
    """Values of types that an entry can hold, as the database returns them."""
    assert is_cacheable(field) is expected


class ListedSlug(models.SlugField):  # type: ignore[type-arg]  # of no model
    """A library's field, stored as a slug."""


class OwnKindOfText(models.Field):  # type: ignore[type-arg]  # of no model
    """A library's field that is no CharField, and is stored as one."""

    def get_internal_type(self) -> str:
        return "CharField"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (models.BigAutoField(), int),
        (models.PositiveSmallIntegerField(), int),
        (models.ImageField(), str),
        (models.EmailField(), str),
        (models.URLField(), str),
        (models.DateField(), datetime.date),
        (models.DateTimeField(), datetime.datetime),
        (ListedSlug(), str),
        (OwnKindOfText(), str),
        (models.BinaryField(), None),
        (models.JSONField(), None),
    ],
)
def test_type_of_a_field(field: "models.Field[Any, Any]", expected: type | None) -> None:
    """It is that of the nearest of Django's fields that has one, by what the field is stored as."""
    assert type_of(field) is expected


def test_column_that_cannot_be_cached_is_said_at_once() -> None:
    """A codec is made for columns it can encode, or not at all."""
    with isolate_apps("usercache"):

        class Picture(models.Model):  # noqa: DJ008  # never shown
            content = models.BinaryField()

            class Meta:
                app_label = "usercache"

        with pytest.raises(TypeError, match=r"Picture\.content can't be cached"):
            Codec(Picture, ["id", "content"], "k" * 32)


def test_one_codec_serves_a_process() -> None:
    """Deriving keys and decoders costs more than reading an entry does."""
    assert get_codec() is get_codec()


def test_entry_is_small(codec: Codec) -> None:
    """An entry adds a header of 21 bytes and the moment of filling to the columns' own bytes."""
    entry = codec.encode(KEY, reorder(codec, VALUES), NOW_MS)
    assert HEADER_BYTES == 21
    assert len(entry) < HEADER_BYTES + len(b"alice@example.com") + 40


def test_signed_content_that_is_broken_is_a_miss() -> None:
    """What we signed ourselves and can't read, as another version's, is told by its reason."""
    codec = Codec(User, ("id", "email"), "k" * 32)
    for payload in (b"", b"not deflated", zlib.compress(b"not packed", wbits=RAW_DEFLATE)):
        signature = sign(codec._key, "user:id:7", RECORD, payload)
        entry = b"".join((RECORD, codec._shape, signature, payload))
        with pytest.raises(UnreadableEntryError) as raised:
            codec.decode("user:id:7", entry)
        assert raised.value.reason == "content"


def test_identifiers_are_the_unique_ones_on_the_whitelist() -> None:
    """Neither what isn't cached, nor what several users may share."""
    assert Codec(User, ("email", "token_version"), "k" * 32).identifiers == ("email",)
    assert Codec(User, ("token_version",), "k" * 32).identifiers == ()


def test_what_two_records_have_in_common() -> None:
    """The columns; the token's fingerprint as well, unless a signing key is being replaced."""
    fields, key = ("email", "token_version"), "k" * 32
    columns, fingerprints = ("alice@example.com", 7), ("of the token", "of the session", True)
    plain = Codec(User, fields, key)
    full = Codec(User, fields, key, extras=FINGERPRINTS)
    replacing = Codec(User, fields, key, ["o" * 32], FINGERPRINTS)
    assert full.comparable(None) is None
    assert plain.comparable(columns) == columns
    assert full.comparable((*columns, *fingerprints)) == (*columns, fingerprints[0])
    assert replacing.comparable((*columns, *fingerprints)) == columns
    assert len(plain.names) == len(columns)
    assert len(full.names) == len(columns) + len(fingerprints)
