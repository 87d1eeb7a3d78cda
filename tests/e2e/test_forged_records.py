"""The product believes no record that it hasn't signed itself."""

import time
import zlib
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.administration import deactivate_user
from tests.cast import client_of
from tests.e2e.raw_backends import RawBackend, decode
from usercache.codec import HEADER_BYTES, RAW_DEFLATE, SHAPE_BYTES, Codec, get_codec
from usercache.conf import conf
from usercache.keys import ABSENT_USER, record_key
from usercache.runtime import get_store

pytestmark = pytest.mark.django_db(transaction=True)

UNUSED_ID = 2**31 - 1


class Found(NamedTuple):
    """What a forger finds: Bob's key and record, the admin's record, that of no user."""

    key: str
    bobs: bytes
    admins: bytes
    nobodys: bytes


@pytest.fixture
def as_bob(bob: User) -> APIClient:
    """Bob, logged in, in this process."""
    return client_of(bob)


def promote(entry: bytes) -> bytes:
    """Make an admin of the user in this record, and leave its signature as it is."""
    packed = zlib.decompress(entry[HEADER_BYTES:], wbits=RAW_DEFLATE)
    filled_at_ms, *values = msgspec.msgpack.decode(packed)
    values[get_codec().fields.index("is_admin")] = True
    forged = msgspec.msgpack.encode((filled_at_ms, *values))
    return entry[:HEADER_BYTES] + zlib.compress(forged, wbits=RAW_DEFLATE)


def sign_with_another_key(key: str, entry: bytes) -> bytes:
    """Make an admin of the user in this record, and sign it as well as one can."""
    codec = get_codec()
    record = codec.decode(key, entry)
    values = dict(zip(codec.fields, record.values or (), strict=True)) | {"is_admin": True}
    forger = Codec(User, codec.fields, "a key of the forger's own choosing")
    forged = forger.encode(key, tuple(values.values()), record.filled_at_ms)
    shape = slice(1, 1 + SHAPE_BYTES)
    return forged[:1] + entry[shape] + forged[shape.stop :]


FORGERIES: dict[str, Callable[[Found], bytes]] = {
    "an admin's record": lambda found: found.admins,
    "nobody's record": lambda found: found.nobodys,
    "is_admin set": lambda found: promote(found.bobs),
    "signed with another key": lambda found: sign_with_another_key(found.key, found.bobs),
    "turned into no such user": lambda found: ABSENT_USER + found.bobs[1:],
    "cut off": lambda found: found.bobs[:-1],
    "made longer": lambda found: found.bobs + found.bobs[HEADER_BYTES:],
    "header only": lambda found: found.bobs[:HEADER_BYTES],
    "something else": lambda _: b"{}",
    "nothing": lambda _: b"",
}


def test_forged_record_is_refused(
    raw_backend: RawBackend, bob: User, dora: User, as_bob: APIClient, subtests: pytest.Subtests
) -> None:
    """Whatever is put under Bob's key, he stays who he is, and a sound record takes its place."""
    profile = as_bob.get("/auth/profile").json()
    assert client_of(dora).get(f"/users/{UNUSED_ID}").status_code == 404
    keys = [record_key(pk) for pk in (bob.pk, dora.pk, UNUSED_ID)]
    entries = raw_backend.read()
    found = Found(keys[0], *(entries[key] for key in keys))
    bobs_columns = decode(raw_backend)[found.key]
    for name, forge in FORGERIES.items():
        with subtests.test(name):
            raw_backend.write(found.key, forge(found))
            assert as_bob.get(f"/users/lookup?email={dora.email}").status_code == 403
            assert decode(raw_backend)[found.key] == bobs_columns
            raw_backend.write(found.key, forge(found))
            assert as_bob.get("/auth/profile").json() == profile


def test_forged_pointer_is_refused(
    raw_backend: RawBackend, bob: User, dora: User, as_bob: APIClient, subtests: pytest.Subtests
) -> None:
    """Wherever it leads, the answer is the user with that name."""
    for held in (str(dora.pk), str(UNUSED_ID), "", "x", "\0", "-1", str(2**64)):
        with subtests.test(held):
            raw_backend.write("user:username:bob", held.encode())
            response = as_bob.get("/users/lookup?username=bob")
            assert (response.status_code, response.json()["id"]) == (200, bob.pk)


def test_record_that_is_put_back_late_is_refused(
    raw_backend: RawBackend, bob: User, as_bob: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record from before a deactivation is worth nothing once its time to live is over."""
    assert as_bob.get("/auth/verify").status_code == 200
    key = record_key(bob.pk)
    old = raw_backend.read()[key]
    deactivate_user(user_id=bob.pk)
    assert as_bob.get("/auth/verify").status_code == 401
    later = time.time() + conf.USERCACHE_TTL_SECONDS + 1
    monkeypatch.setattr(get_store(), "clock", lambda: later)
    raw_backend.write(key, old)
    assert as_bob.get("/auth/verify").status_code == 401
