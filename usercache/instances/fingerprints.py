"""What a record knows of the password: keyed digests of what clients carry of its hash.

Note [Fingerprints of the password]
-----------------------------------
No hash is ever cached. But a token of simplejwt carries a digest of it (CHECK_REVOKE_TOKEN), a
session of Django an HMAC of it, and each request compares what it carries with the row. So a record
may hold a digest of either, keyed with the signing key: enough to recognise what a client carries,
and nothing to make it from. That of the session covers SECRET_KEY, too: a record that was filled
under an earlier one recognises no session, and revives none that Django refuses by now.

A fingerprint only ever says yes. Where there is none, or it differs, the row is asked, by Django's
and simplejwt's own code.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast, get_type_hints

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.utils.encoding import force_bytes

from usercache.codec import Codec, Extras

PASSWORD: Final = "password"  # noqa: S105  # the name of a column
DIGEST_BYTES: Final = 16
TOKEN: Final = b"usercache.passwd"
SESSION: Final = b"usercache.sessio"
"""Of digests, so that one kind is never taken for the other; 16 bytes at most."""


class Fingerprints(NamedTuple):
    """What a record holds besides its columns; the names are shown where records are compared."""

    token_fingerprint: bytes
    """Of what tokens carry."""
    session_fingerprint: bytes | None
    """Of `get_session_auth_hash()`; None if the model's own reads more than the record."""
    has_usable_password: bool | None
    """As the method of that name says, which the admin's pages ask; None likewise."""


class QueryRefusedError(Exception):
    """Raised where a method of the user model needs more than the columns that were loaded."""


def take(
    model: type[models.Model], columns: Sequence[str], row: Sequence[Any], key: bytes
) -> Fingerprints:
    """Return the fingerprints for a row of these columns, which are in the model's order.

    The model's own methods are called. What else they read than these columns would change without
    the record being invalidated; so they may make no query.
    """
    password = row[columns.index(PASSWORD)]
    # As simplejwt's get_md5_hash_password().
    claim = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest().upper()
    session = is_usable = None
    try:
        with _refusing_queries():
            user = cast("AbstractBaseUser", model.from_db(DEFAULT_DB_ALIAS, columns, row))
            if hasattr(user, "get_session_auth_hash"):
                session = _of_session(key, user.get_session_auth_hash())
            if hasattr(user, "has_usable_password"):
                is_usable = user.has_usable_password()
    except QueryRefusedError:
        pass
    return Fingerprints(_digest(key, TOKEN, claim), session, is_usable)


FINGERPRINTS: Final = Extras(frozenset({PASSWORD}), get_type_hints(Fingerprints), take, common=1)
"""That of the token is common; the session's is another in a process with another SECRET_KEY."""


def recognises_claim(codec: Codec, fingerprints: Fingerprints, claim: str) -> bool:
    """Return whether a token carries what the record was filled with."""
    # Under any key: a record that is signed with a fallback has its fingerprints, too.
    held = fingerprints.token_fingerprint
    return any(hmac.compare_digest(held, _digest(key, TOKEN, claim)) for key in codec.signing_keys)


def recognises_session(codec: Codec, fingerprints: Fingerprints, carried: str) -> bool:
    """Return whether a session carries what the record was filled with."""
    held = fingerprints.session_fingerprint
    return held is not None and any(
        hmac.compare_digest(held, _of_session(key, carried)) for key in codec.signing_keys
    )


def _of_session(key: bytes, carried: str) -> bytes:
    return _digest(key, SESSION, f"{_digest_of_secret(settings.SECRET_KEY)}:{carried}")


@lru_cache(maxsize=2)
def _digest_of_secret(secret: str | bytes) -> str:
    return hashlib.blake2b(force_bytes(secret)).hexdigest()


def _digest(key: bytes, kind: bytes, carried: str) -> bytes:
    text = carried.encode(errors="surrogatepass")
    return hashlib.blake2b(text, key=key, digest_size=DIGEST_BYTES, person=kind).digest()


@contextmanager
def _refusing_queries() -> Iterator[None]:
    wrappers = [connection.execute_wrappers for connection in connections.all()]
    for of_connection in wrappers:
        of_connection.append(_refuse)
    try:
        yield
    finally:
        for of_connection in wrappers:
            of_connection.pop()


def _refuse(*_args: object) -> Any:
    raise QueryRefusedError
