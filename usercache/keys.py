"""Every key of the cache is spelled here, and what its value may begin with."""

from typing import Any, Final

IDENTIFIERS: Final = ("email", "username", "phone")
"""What a user can be looked up by, besides his primary key."""

# The first byte of what a record key holds.
RECORD: Final = b"R"
ABSENT_USER: Final = b"N"
LEASE: Final = b"L"
BARRIER: Final = b"B"

RECORDS_PREFIX: Final = "user:id:"
# One hash tag, so that one script can reach all of them in a cluster, too.
_FIGURES: Final = "usercache:{figures}:"
TOTALS: Final = _FIGURES + "totals"
PROCESSES: Final = _FIGURES + "processes"
WARMING: Final = "usercache:warming"
PROBE: Final = "usercache:probe"
HEARTBEAT: Final = "usercache:heartbeat"
USERS_PATTERN: Final = "user:*"

MAX_IDENTIFIER_LENGTH: Final = 200
"""Characters; with prefixes a key stays below the 250 that every Django cache backend accepts."""

_FIRST_PLAIN_CHARACTER: Final = 33  # up to here: controls and the space
_DELETE_CHARACTER: Final = 127


def record_key(pk: Any) -> str:
    """Spell the key that holds a user's record, a lease or a barrier: `user:id:7`."""
    return f"{RECORDS_PREFIX}{pk}"


def pk_of(key: str) -> str:
    """Return what a record key has after its prefix: the `7` of `user:id:7`."""
    return key.removeprefix(RECORDS_PREFIX)


def slice_key(start: int, span_seconds: int) -> str:
    """Spell the key of a minute's or an hour's figures: `usercache:{figures}:60:1763971200`."""
    return f"{_FIGURES}{span_seconds}:{start}"


def ranking_key(start: int, span_seconds: int) -> str:
    """Spell the key of who had the most hits in a minute or an hour."""
    return f"{slice_key(start, span_seconds)}:users"


def delivered_key(process_token: str) -> str:
    """Spell the key that holds the number of a process's last batch of figures."""
    return f"{_FIGURES}delivered:{process_token}"


def pointer_key(identifier: str, value: str) -> str | None:
    """Spell the key that holds the id behind an identifier: `user:email:alice@example.com`.

    None for a value that not every backend takes in a key; such a user is found by query.
    """
    if len(value) > MAX_IDENTIFIER_LENGTH:
        return None
    if any(ord(c) < _FIRST_PLAIN_CHARACTER or ord(c) == _DELETE_CHARACTER for c in value):
        return None
    return f"user:{identifier}:{value}"
