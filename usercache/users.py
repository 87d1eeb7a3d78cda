"""Look users up through the cache, and drop them from it.

What a look-up returns is a real `User` built from the whitelisted columns; every other column is
deferred, so that `.password` costs a query and is never in the cache. A save of it writes only what
was assigned: see Note [Saving a cached user] in `usercache/instances/saving.py`. A pointer
(`user:email:…`) is believed only when the record it leads to carries that very email, name or
phone, so the truth of every answer hangs on the record key alone.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured

from usercache.codec import Codec, get_codec, is_unique
from usercache.conf import conf
from usercache.database import after_commit, database_of
from usercache.identifiers import (
    PK,
    canonical_pk,
    clean_pk,
    find_unique_column,
    format_pointers,
    identifiers_of,
    normalise,
    row_pk,
)
from usercache.instances.building import build
from usercache.keys import pointer_key, record_key
from usercache.orm import outbox
from usercache.orm.loading import load, load_pk, load_users, source_of
from usercache.orm.writes import Write
from usercache.runtime import get_store

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

LOOKUPS_AT_ONCE: Final = 500
"""Users looked up in one round trip, and loaded in one query."""


def get_user_by_id(user_id: object) -> "User | None":
    """Return the user with this primary key; None if there is none or the value can't be a key.

    Warm: no query, and one GET unless the user is in process memory. Cold: one query.
    """
    codec = get_codec()
    pk = clean_pk(codec.model, user_id)
    return None if pk is None else _look_up(codec, pk)


def get_user_by_email(email: str) -> "User | None":
    """Return the user with this email, however it is cased.

    Warm: no query, and two GETs unless the user is in process memory.

    Raises:
        ImproperlyConfigured: the user model has no such unique column.
    """
    return _look_up_by("email", email)


def get_user_by_username(username: str) -> "User | None":
    """Return the user with this username, however it is cased; see `get_user_by_email()`."""
    return _look_up_by("username", username)


def get_user_by_phone(phone: str) -> "User | None":
    """Return the user with this phone number; see `get_user_by_email()`."""
    return _look_up_by("phone", phone)


def get_user_by(column: str, value: object) -> "User | None":
    """Return the user with this value in a unique column; warm, two GETs and no query.

    None if there is none, or the column can't hold the value; text is looked up by text alone.

    Raises:
        ImproperlyConfigured: the column isn't unique, or not in USERCACHE_FIELDS.
    """
    codec = get_codec()
    name = _find_column(codec, column)
    if name is None:
        raise ImproperlyConfigured(
            f"Users can't be looked up by '{column}': {codec.model._meta.label} has no such unique "
            "column in USERCACHE_FIELDS."
        )
    return get_user_by_id(value) if name == PK else _look_up_by(name, value)


def get_users_by_ids(user_ids: Iterable[object]) -> "dict[Any, User]":
    """Return the users that exist, by primary key, in the order of the ids.

    One round trip for each 500 of them that are not in process memory; one query and one more
    round trip if some are not cached. Values that can't be a key are left out.
    """
    codec = get_codec()
    database_of(codec)
    cleaned = (clean_pk(codec.model, user_id) for user_id in user_ids)
    pks = {record_key(pk): pk for pk in cleaned if pk is not None}
    users = dict[Any, "User"]()
    for start in range(0, len(pks), LOOKUPS_AT_ONCE):
        batch = dict(islice(pks.items(), start, start + LOOKUPS_AT_ONCE))
        if not conf.USERCACHE_ENABLED:
            rows = {user.pk: user for user in load_users(codec, {"pk__in": batch.values()})}
            users |= {pk: rows[pk] for pk in batch.values() if pk in rows}
            continue
        found = get_store().look_up_many(batch, source_of(codec))
        users |= {pk: build(codec, found[key]) for key, pk in batch.items() if key in found}
    return users


async def aget_user_by_id(user_id: object) -> "User | None":
    """Do as `get_user_by_id()` without blocking the event loop.

    A user in process memory is returned at once, on the loop.
    """
    codec = get_codec()
    pk = clean_pk(codec.model, user_id)
    if pk is None:
        return None
    user = _recall(codec, pk)
    return user if user is not None else await sync_to_async(_look_up)(codec, pk)


async def aget_user_by_email(email: str) -> "User | None":
    """Do as `get_user_by_email()` without blocking the event loop.

    A user in process memory is returned at once, on the loop, if emails are in USERCACHE_FIELDS.
    """
    return await _alook_up_by("email", email)


async def aget_user_by_username(username: str) -> "User | None":
    """Do as `get_user_by_username()` without blocking; see `aget_user_by_email()`."""
    return await _alook_up_by("username", username)


async def aget_user_by_phone(phone: str) -> "User | None":
    """Do as `get_user_by_phone()` without blocking; see `aget_user_by_email()`."""
    return await _alook_up_by("phone", phone)


async def aget_user_by(column: str, value: object) -> "User | None":
    """Do as `get_user_by()` without blocking the event loop."""
    user = recall_user_by(column, value)
    return user if user is not None else await sync_to_async(get_user_by)(column, value)


def recall_user_by(column: str, value: object) -> "User | None":
    """Return the user with this value in a unique column if they are in process memory; no I/O.

    None says nothing about the user.
    """
    codec = get_codec()
    name = _find_column(codec, column)
    if name == PK:
        pk = clean_pk(codec.model, value)
        return None if pk is None else _recall(codec, pk)
    normal = None if name is None else normalise(codec.model, name, value)
    if name is None or normal is None or (key := pointer_key(name, str(normal))) is None:
        return None
    pk = get_store().recall_pointer(key)
    user = None if pk is None else _recall(codec, pk)
    return user if user is not None and getattr(user, name) == normal else None


async def aget_users_by_ids(user_ids: Iterable[object]) -> "dict[Any, User]":
    """Do as `get_users_by_ids()` without blocking the event loop."""
    return await sync_to_async(get_users_by_ids)(user_ids)


def cache_user(user: "User") -> None:
    """Cache this user, and a pointer for each of their identifiers.

    Only the primary key is taken from the instance: its columns may be older than the row's, or
    not saved yet. One GET if the user is cached, else one query.
    """
    if not conf.USERCACHE_ENABLED:
        return
    codec, store = get_codec(), get_store()
    current = get_user_by_id(row_pk(codec, user))
    if current is not None:
        for key in format_pointers(codec.model, identifiers_of(codec, current)):
            store.set_pointer(key, str(current.pk))


def invalidate_user(
    user_id: object,
    email: str | None = None,
    username: str | None = None,
    phone: str | None = None,
) -> None:
    """Drop a user's record, and the pointers of the identifiers given.

    Writes through the ORM do this by themselves. Call it after the commit of any other write (raw
    SQL, another service). Inside a transaction it holds from the call until the commit.
    """
    codec = get_codec()
    pk = canonical_pk(codec.model, user_id)
    if pk is None or not conf.USERCACHE_ENABLED:
        return
    given = {"email": email, "username": username, "phone": phone}
    # The model may have no column for one that isn't given.
    known = {name: value for name, value in given.items() if value is not None}
    pointers = format_pointers(codec.model, known)
    write = Write(outbox.get_alias())
    write.announce_new([pk])
    write.note_pointers(pointers)
    write.finish()


def invalidate_all_users() -> None:
    """Drop every user; a round trip per thousand keys. Open writes stay announced.

    Inside a transaction it runs after the commit. While Redis can't be reached, it goes into the
    outbox.
    """
    if conf.USERCACHE_ENABLED:
        after_commit(_invalidate_everybody, outbox.get_alias())


def _invalidate_everybody() -> None:
    if not get_store().invalidate_all():
        outbox.enqueue(outbox.get_alias(), [outbox.EVERYBODY])


@lru_cache(maxsize=32)
def _find_column(codec: Codec, column: str) -> str | None:
    return find_unique_column(codec.model, codec.field_set, column)


@lru_cache(maxsize=32)
def _require_unique(codec: Codec, identifier: str) -> None:
    if not is_unique(codec.model, identifier):
        raise ImproperlyConfigured(
            f"Users can't be looked up by '{identifier}': {codec.model._meta.label} has no such "
            "unique column."
        )


def _look_up_by(identifier: str, value: object) -> "User | None":
    codec, store = get_codec(), get_store()
    _require_unique(codec, identifier)
    normal = normalise(codec.model, identifier, value)
    if normal is None:
        return None
    if not conf.USERCACHE_ENABLED:
        return next(iter(load_users(codec, {identifier: normal})), None)
    key = pointer_key(identifier, str(normal))
    if key is not None:
        user = _follow_pointer(codec, key, identifier, normal)
        if user is not None:
            return user
    pk = load_pk(codec, {identifier: normal})
    if pk is None:
        return None
    user = _look_up(codec, pk)
    if user is not None and getattr(user, identifier) == normal:
        if key is not None:
            store.set_pointer(key, str(pk))
            store.keep_pointer(key, pk)
        return user
    # The identifier moved to another user between the two queries; only the database
    # knows which user has it now.
    values = load(codec, {identifier: normal})
    return None if values is None else build(codec, values)


def _follow_pointer(codec: Codec, key: str, identifier: str, normal: object) -> "User | None":
    # The pointer in process memory first. Each is believed if the record has this identifier.
    store = get_store()
    pk = store.recall_pointer(key)
    if pk is not None:
        user = _look_up(codec, pk)
        if user is not None and getattr(user, identifier) == normal:
            return user
    pointer = store.get_pointer(key)
    if pointer is not None:
        user = get_user_by_id(pointer)
        if user is not None and getattr(user, identifier) == normal:
            store.keep_pointer(key, user.pk)
            return user
    if pk is not None or pointer is not None:
        store.invalidate([], [key])
    return None


async def _alook_up_by(identifier: str, value: object) -> "User | None":
    user = recall_user_by(identifier, value)
    return user if user is not None else await sync_to_async(_look_up_by)(identifier, value)


def _recall(codec: Codec, pk: Any) -> "User | None":
    key = record_key(pk)
    values = get_store().recall(key, pk, source_of(codec))
    return None if values is None else build(codec, values)


def _look_up(codec: Codec, pk: Any) -> "User | None":
    if not conf.USERCACHE_ENABLED:
        return next(iter(load_users(codec, {"pk": pk})), None)
    key, store, source = record_key(pk), get_store(), source_of(codec)
    values = store.recall(key, pk, source)
    if values is None:
        values = store.look_up(key, pk, source)
    if values is None:
        database_of(codec)  # raises if the router names another database now
        return None
    return build(codec, values)
