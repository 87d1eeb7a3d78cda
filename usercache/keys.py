"""The keys of users, of probes, and the first byte of each kind of value."""

import re
from typing import Any, Final
from urllib.parse import quote, unquote

IDENTIFIERS: Final = ("email", "username", "phone")
"""What a user can be looked up by, besides their primary key."""

# The first byte of what a record key holds.
RECORD: Final = b"R"
ABSENT_USER: Final = b"N"
FILL_LOCK: Final = b"L"
WRITE_MARKER: Final = b"B"

USERS_PREFIX: Final = "user:"
RECORDS_PREFIX: Final = USERS_PREFIX + "id:"
PROBE: Final = "usercache:probe"
HEARTBEAT: Final = "usercache:heartbeat"
CHANGES: Final = "usercache:changes"
"""The channel on which changes are published, for processes that may not track keys."""
EVERY_RECORD: Final = "usercache:every"
"""Published in a record key's place when all of them change."""
POINTER_PREFIXES: Final = {name: f"{USERS_PREFIX}{name}:" for name in IDENTIFIERS}
COLUMN_PREFIX: Final = USERS_PREFIX + "by:"
"""Before the name of any other column that users are looked up by."""
EXTENSION_PREFIX: Final = USERS_PREFIX + "ext:"
"""Before the names of records that an optional app adds, in a key as in a row of the outbox."""
RECORD_PREFIXES: Final = (RECORDS_PREFIX, EXTENSION_PREFIX)
"""Of all keys that hold records."""
OWN_PREFIXES: Final = (*RECORD_PREFIXES, *POINTER_PREFIXES.values(), COLUMN_PREFIX)
"""Keys with these prefixes belong to the cache; other keys of a project (`user:7`,
`user:settings:7`) are never touched."""

MAX_IDENTIFIER_LENGTH: Final = 200
"""Characters; with prefixes a key stays below the 250 that every Django cache backend accepts."""

_QUOTING: Final = "%"
_REFUSED: Final = re.compile(r"[\x00-\x20\x7f]")  # controls, the space, delete


def record_key(pk: Any) -> str:
    """Return the key of a user's record, fill lock or write marker: `user:id:7`.

    Text is quoted as in a URL, since some backends refuse some characters in a key.
    """
    return f"{RECORDS_PREFIX}{quote(pk) if isinstance(pk, str) else pk}"


def pk_of(key: str) -> str:
    """Return the primary key in a record key, as text: the `7` of `user:id:7`.

    "" for an extension's record, which is no user's.
    """
    if key.startswith(EXTENSION_PREFIX):
        return ""
    pk = key.removeprefix(RECORDS_PREFIX)
    return unquote(pk) if _QUOTING in pk else pk


def extension_key(name: str) -> str:
    """Return the key of an extension's record: its name, `user:ext:group:3`, quoted as a user's."""
    return quote(name, safe=":")


def pointer_key(identifier: str, value: str) -> str | None:
    """Return the key of an identifier's pointer: `user:email:alice@example.com`, `user:by:uid:7`.

    None for a value that some backends refuse in a key; such a user is found by query.
    """
    if len(value) > MAX_IDENTIFIER_LENGTH or _REFUSED.search(value):
        return None
    return POINTER_PREFIXES.get(identifier, f"{COLUMN_PREFIX}{identifier}:") + value
