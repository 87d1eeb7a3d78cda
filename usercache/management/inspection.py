"""Everything that the cache holds of one user, compared with the database."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from usercache.backends.base import Backend, UnavailableError
from usercache.clocks import MILLISECONDS
from usercache.codec import Codec, EntryCodec, Record, UnreadableEntryError, Values, get_codec
from usercache.database import database_of
from usercache.identifiers import clean_pk, normalise
from usercache.keys import FILL_LOCK, WRITE_MARKER, pointer_key, record_key
from usercache.lookup import Store
from usercache.orm.loading import load
from usercache.runtime import get_store

ID: Final = "id"
UNREACHABLE: Final = "unreachable"


class CachedState(NamedTuple):
    """What one record key holds now."""

    backend: str
    state: str
    """record, absent user, fill lock, write marker, nothing, unreadable or unreachable."""
    age_seconds: float | None = None
    ttl_seconds: float | None = None
    record: Record | None = None


class Difference(NamedTuple):
    """A column in which the cached record isn't what the database has."""

    field: str
    cached: object
    database: object


class Inspection(NamedTuple):
    """The cached state and the row of one user."""

    key: str
    row: Mapping[str, Any] | None
    """Their whitelisted columns; None if there is no such user."""
    state: CachedState
    pointers: Mapping[str, str | None]
    """The primary key that each pointer leads to, by the pointer's key."""
    differences: tuple[Difference, ...]
    """The database is read first, so that a write in between is no difference: a record is dropped
    before its change is visible. See Note [The audit]."""


def find_pk(text: str) -> Any:
    """Return the primary key for an operator's text; None if it can't be any user's.

    The text is an id, email, username or phone, tried in that order, or names its kind, as in
    `username:42`. An id need not be in the database: a deleted user may still be cached. One query
    for each kind tried.
    """
    codec = get_codec()
    kind, _, rest = text.partition(":")
    if kind == ID and rest:
        return clean_pk(codec.model, rest)
    if kind in codec.identifiers and rest:
        return _find_by(codec, kind, rest)
    for name in (ID, *codec.identifiers):
        pk = _find_by(codec, name, text)
        if pk is not None:
            return pk
    return clean_pk(codec.model, text)


def inspect_fully(pk: Any) -> Inspection:
    """Return all that the cache holds of a user; changes nothing. A query and a few round trips."""
    codec, store = get_codec(), get_store()
    key = record_key(pk)
    values = load(codec, {"pk": pk})
    state = inspect_record(store, key, codec)
    row = None if values is None else dict(zip(codec.names, values, strict=True))
    pointers = {}
    for name in codec.identifiers:
        value = None if row is None else normalise(codec.model, name, row[name])
        if value is not None and (pointer := pointer_key(name, value)) is not None:
            pointers[pointer] = store.get_pointer(pointer)
    return Inspection(key, row, state, pointers, tuple(_compare(codec, state.record, values)))


def inspect_user(user_id: object) -> CachedState:
    """Return what the cache holds of a user, in the backend that would answer now."""
    codec = get_codec()
    return inspect_record(get_store(), record_key(clean_pk(codec.model, user_id)), codec)


def inspect_record(store: Store, key: str, codec: EntryCodec) -> CachedState:
    """Return what a record key holds in the backend that would answer now; changes nothing."""
    if store.redis is None:
        return _inspect(store, store.memory, key, codec)
    if store.redis.is_available():
        try:
            return _inspect(store, store.redis, key, codec)
        except UnavailableError:  # already counted
            pass
    return CachedState(store.redis.name, UNREACHABLE)


def _inspect(store: Store, backend: Backend, key: str, codec: EntryCodec) -> CachedState:
    held = backend.get(key)
    if held is None:
        return CachedState(backend.name, "nothing")
    redis = store.redis
    # Process memory doesn't expose it.
    ttl_seconds = redis.seconds_left(key) if redis is not None and backend is redis else None
    if held[:1] in (FILL_LOCK, WRITE_MARKER):
        state = "fill lock" if held[:1] == FILL_LOCK else "write marker"
        return CachedState(backend.name, state, None, ttl_seconds)
    try:
        record = codec.decode(key, held)
    except UnreadableEntryError:
        return CachedState(backend.name, "unreadable", None, ttl_seconds)
    age_seconds = (store.now_ms() - record.filled_at_ms) / MILLISECONDS
    state = "absent user" if record.values is None else "record"
    return CachedState(backend.name, state, age_seconds, ttl_seconds, record)


def _find_by(codec: Codec, name: str, text: str) -> Any:
    if name == ID:
        wanted, value = "pk", clean_pk(codec.model, text)
    else:
        wanted, value = name, normalise(codec.model, name, text)
    if value is None:
        return None
    # Also users that the default manager hides: they may still be cached.
    rows = codec.model._base_manager.using(database_of(codec))
    return rows.filter(**{wanted: value}).values_list("pk", flat=True).first()


def _compare(codec: Codec, record: Record | None, row: Values | None) -> Iterator[Difference]:
    if record is None:
        return
    nothing = (None,) * len(codec.names)
    held, row = codec.comparable(record.values), codec.comparable(row)
    if held == row:
        return
    pairs = zip(codec.names, held or nothing, row or nothing, strict=False)  # fewer are compared
    for field, cached, database in pairs:
        if cached != database:
            yield Difference(field, cached, database)
