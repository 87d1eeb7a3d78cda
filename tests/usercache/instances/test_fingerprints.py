"""Fingerprints: what a record recognises of the password, and never holds."""

import hashlib
import uuid
from typing import Any

import pytest
from django.db import models
from pytest_django import Settings

from tests.users import User
from usercache.codec import Codec, UnreadableEntryError
from usercache.instances.fingerprints import (
    FINGERPRINTS,
    Fingerprints,
    recognises_claim,
    recognises_session,
)

PK = User._meta.pk.attname
HASH = "md5$salt$hash"


def digest_in_tokens(password: str) -> str:
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest().upper()


def fingerprinted(key: str, *older: str) -> Codec:
    fallbacks = [text * 32 for text in older]
    fields = (PK, "email", "token_version")
    return Codec(User, fields, key * 32, fallbacks, FINGERPRINTS)


def row_of(codec: Codec, **columns: object) -> tuple[object, ...]:
    pk = uuid.UUID(int=7) if isinstance(User._meta.pk, models.UUIDField) else 7
    values = {PK: pk, "email": "alice@example.com", "token_version": 1, "password": HASH}
    return tuple((values | columns)[name] for name in codec.columns)


def fingerprints_of(codec: Codec, **columns: object) -> Fingerprints:
    return Fingerprints(*codec.read_row(row_of(codec, **columns))[3:])


def carried_by_a_session(**columns: Any) -> str:
    return User(**{"password": HASH, "token_version": 1} | columns).get_session_auth_hash()


def test_fingerprints_take_the_password_s_place() -> None:
    """The hash is loaded and left behind; what tokens carry of it is recognised, and no other."""
    codec = fingerprinted("k")
    assert set(codec.columns) == {PK, "email", "token_version", "password"}
    assert codec.names == (*codec.fields, *Fingerprints._fields)
    values = codec.read_row(row_of(codec))
    assert dict(zip(codec.fields, values, strict=False))["email"] == "alice@example.com"
    fingerprints, carried = Fingerprints(*values[3:]), digest_in_tokens(HASH)
    assert recognises_claim(codec, fingerprints, carried)
    assert not recognises_claim(codec, fingerprints, digest_in_tokens("md5$salt$other"))
    assert not recognises_claim(codec, fingerprints, carried.lower())
    assert not recognises_claim(codec, fingerprints, "\ud800")
    assert carried.lower() not in fingerprints.token_fingerprint.hex()
    record = codec.decode("user:id:7", codec.encode("user:id:7", values, 1))
    assert record.values == values


def test_session_is_recognised_by_what_the_model_makes_of_the_password() -> None:
    """The fingerprint is of the model's own `get_session_auth_hash()`, and no part of it."""
    codec = fingerprinted("k")
    fingerprints, carried = fingerprints_of(codec), carried_by_a_session()
    assert recognises_session(codec, fingerprints, carried)
    for other in ("", "\ud800", carried[:-1], carried.upper(), digest_in_tokens(HASH)):
        assert not recognises_session(codec, fingerprints, other)
    other = carried_by_a_session(password="md5$salt$other")
    assert not recognises_session(codec, fingerprints, other)
    assert recognises_session(codec, fingerprints_of(codec, password="md5$salt$other"), other)
    assert carried not in str(fingerprints)
    assert fingerprints.session_fingerprint is not None
    assert fingerprints.session_fingerprint.hex() not in carried
    # Neither kind is taken for the other.
    assert not recognises_claim(codec, fingerprints, carried)


def test_session_of_an_earlier_secret_key(settings: Settings) -> None:
    """A record filled under another SECRET_KEY recognises no session, the ones it has been of."""
    codec, carried = fingerprinted("k"), carried_by_a_session()
    fingerprints = fingerprints_of(codec)
    settings.SECRET_KEY = "another" * 8
    assert not recognises_session(codec, fingerprints, carried)
    assert not recognises_session(codec, fingerprints, carried_by_a_session())
    assert recognises_session(codec, fingerprints_of(codec), carried_by_a_session())


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get_session_auth_hash", "has_usable_password"])
def test_no_fingerprint_of_what_is_not_in_the_record(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method of the model that reads another column, or other rows, has its answer asked for."""
    codec = fingerprinted("k")
    for read in (lambda user: user.first_name, lambda user: str(list(type(user).objects.all()))):
        monkeypatch.setattr(User, method, read)
        fingerprints = fingerprints_of(codec)
        assert fingerprints.has_usable_password is None
        assert not recognises_session(codec, fingerprints, "")
        assert recognises_claim(codec, fingerprints, digest_in_tokens(HASH))


@pytest.mark.parametrize(("password", "is_usable"), [(HASH, True), ("!nothing", False)])
def test_record_knows_whether_the_password_is_usable(password: str, is_usable: bool) -> None:
    """That, and no more, is in the record as it is."""
    fingerprints = fingerprints_of(fingerprinted("k"), password=password)
    assert fingerprints.has_usable_password is is_usable


def test_fingerprints_are_keyed() -> None:
    """They say nothing without the signing key, and recognise while that is a fallback."""
    old, new = fingerprinted("o"), fingerprinted("n", "o")
    claim, session = digest_in_tokens(HASH), carried_by_a_session()
    fingerprints = fingerprints_of(old)
    for one, other in zip(fingerprints[:2], fingerprints_of(new)[:2], strict=True):
        assert one != other
    assert recognises_claim(new, fingerprints, claim)
    assert recognises_session(new, fingerprints, session)
    assert not recognises_claim(fingerprinted("n"), fingerprints, claim)
    assert not recognises_session(fingerprinted("n"), fingerprints, session)


def test_records_of_two_keys_compare_by_their_columns() -> None:
    """Of the fingerprints only the token's is compared, and none while a key is being replaced."""
    one = fingerprinted("k")
    values = one.read_row(row_of(one))
    assert one.comparable(values) == values[:4]
    assert one.comparable(None) is None
    old, new = fingerprinted("o"), fingerprinted("n", "o")
    compared = new.comparable(new.read_row(row_of(new)))
    assert compared == new.comparable(old.read_row(row_of(old))) == values[:3]


def test_fingerprints_are_part_of_the_shape() -> None:
    """Records with them and without are misses to each other, and follow other columns."""
    plain = Codec(User, (PK, "email"), "k" * 32)
    codec = Codec(User, (PK, "email"), "k" * 32, extras=FINGERPRINTS)
    entry = codec.encode("user:id:7", None, 1)
    with pytest.raises(UnreadableEntryError, match="shape"):
        plain.decode("user:id:7", entry)
    assert plain.watched == {PK, "email"}
    assert codec.watched == {PK, "email", "password"}
