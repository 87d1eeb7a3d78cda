"""Everything that the cache holds of one user, beside what the database has."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from django.db import router

from usercache.codec import Codec, Record, Values, get_codec
from usercache.identifiers import clean_pk, normalise
from usercache.keys import pointer_key, record_key
from usercache.process import get_store
from usercache.store import CachedState

ID: Final = "id"


class Difference(NamedTuple):
    """A column in which the cached record isn't what the database has."""

    field: str
    cached: object
    database: object


class Inspection(NamedTuple):
    """What was found of one user."""

    key: str
    row: Mapping[str, Any] | None
    """His whitelisted columns; None where there is no such user."""
    state: CachedState
    pointers: Mapping[str, str | None]
    """By their key, the primary key that each of his identifiers leads to."""
    differences: tuple[Difference, ...]
    """Read from the database first, so that a write in between is no difference: the cache loses
    a record before its change can be seen. See Note [The audit]."""


def find_pk(text: str) -> Any:
    """Return the primary key that an operator means; None for what can be nobody's.

    An id, email, username or phone, tried in that order, each as the database spells it; or said
    outright, as in `username:42`. An id need not be in the database: a user who was deleted may
    still be cached. One query for each that it could be.
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
    values = _load(codec, pk)
    state = store.inspect(key, codec)
    row = None if values is None else dict(zip(codec.fields, values, strict=True))
    pointers = {}
    for name in codec.identifiers:
        value = None if row is None else normalise(codec.model, name, row[name])
        if value is not None and (pointer := pointer_key(name, value)) is not None:
            pointers[pointer] = store.get_pointer(pointer)
    return Inspection(key, row, state, pointers, tuple(_compare(codec, state.record, values)))


def _find_by(codec: Codec, name: str, text: str) -> Any:
    if name == ID:
        wanted, value = "pk", clean_pk(codec.model, text)
    else:
        wanted, value = name, normalise(codec.model, name, text)
    if value is None:
        return None
    rows = codec.model._base_manager.using(router.db_for_write(codec.model))
    return rows.filter(**{wanted: value}).values_list("pk", flat=True).first()


def _load(codec: Codec, pk: Any) -> Values | None:
    rows = codec.model._base_manager.using(router.db_for_write(codec.model))
    return rows.filter(pk=pk).values_list(*codec.fields).first()


def _compare(codec: Codec, record: Record | None, row: Values | None) -> Iterator[Difference]:
    if record is None or record.values == row:
        return
    nothing = (None,) * len(codec.fields)
    pairs = zip(codec.fields, record.values or nothing, row or nothing, strict=True)
    for field, cached, database in pairs:
        if cached != database:
            yield Difference(field, cached, database)
