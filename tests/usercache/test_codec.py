"""Entries: what goes in comes out, and nothing else is believed."""

import datetime
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from usercache.codec import HEADER_BYTES, RAW_DEFLATE, Codec, UnreadableEntryError
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
    assert reason(codec, KEY, bytes(entry)) in ("shape", "signature")


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


def test_entry_is_small(codec: Codec) -> None:
    """An entry adds a header of 21 bytes and the moment of filling to the columns' own bytes."""
    entry = codec.encode(KEY, reorder(codec, VALUES), NOW_MS)
    assert HEADER_BYTES == 21
    assert len(entry) < HEADER_BYTES + len(b"alice@example.com") + 40


def test_signed_content_that_is_broken_is_a_miss() -> None:
    """What we signed ourselves and can't read, as another version's, is told by its reason."""
    codec = Codec(User, ("id", "email"), "k" * 32)
    for payload in (b"", b"not deflated", zlib.compress(b"not packed", wbits=RAW_DEFLATE)):
        signature = codec._sign("user:id:7", RECORD, payload)
        entry = b"".join((RECORD, codec._shape, signature, payload))
        with pytest.raises(UnreadableEntryError) as raised:
            codec.decode("user:id:7", entry)
        assert raised.value.reason == "content"
