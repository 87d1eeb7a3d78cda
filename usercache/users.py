"""Look users up through the cache, and drop them from it.

What a look-up returns is a real `User` built from the whitelisted columns; every other column is
deferred, so that `.password` costs a query and is never in the cache. It is read-only: load the
row to change it. A pointer (`user:email:…`) is believed only when the record it leads to carries
that very email, name or phone, so the truth of every answer hangs on the record key alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from asgiref.sync import sync_to_async
from django.db import router, transaction

from usercache import outbox
from usercache.codec import Codec, Values, get_codec
from usercache.identifiers import clean_pk, identifiers_of, normalise, spell_pointers
from usercache.keys import pointer_key, record_key
from usercache.process import get_store
from usercache.rows import READ_ONLY_MARK, build, load, load_many, load_pk, may_fill
from usercache.sought import Sought, SoughtMany
from usercache.store import CachedState
from usercache.writes import Write

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

BATCH: Final = 500
"""Users who are looked up in one round trip, and loaded in one query."""


class ReadOnlyUserError(TypeError):
    """Say that a user who came from the cache can't be written."""


def get_user_by_id(user_id: object) -> "User | None":
    """Return the user with this primary key; None for no such user and for what can't be a key.

    Warm, no query, and one GET unless he is in process memory; cold, one query.
    """
    codec = get_codec()
    pk = clean_pk(codec.model, user_id)
    return None if pk is None else _look_up(codec, pk)


def get_user_by_email(email: str) -> "User | None":
    """Return the user with this email, however it is cased; warm, two GETs and no query."""
    return _look_up_by("email", email)


def get_user_by_username(username: str) -> "User | None":
    """Return the user with this username, however it is cased; warm, two GETs and no query."""
    return _look_up_by("username", username)


def get_user_by_phone(phone: str) -> "User | None":
    """Return the user with this phone number; warm, two GETs and no query."""
    return _look_up_by("phone", phone)


def get_users_by_ids(user_ids: Iterable[object]) -> "dict[Any, User]":
    """Return those of these users that there are, by primary key, in the order of the ids.

    One round trip for each 500 of them who are not in process memory; one query, and one round
    trip more, where some are not cached. What can't be a key is nobody's.
    """
    codec = get_codec()
    cleaned = (clean_pk(codec.model, user_id) for user_id in user_ids)
    pks = {record_key(pk): pk for pk in cleaned if pk is not None}
    users = dict[Any, "User"]()
    for start in range(0, len(pks), BATCH):
        batch = dict(islice(pks.items(), start, start + BATCH))
        found = _look_up_many(codec, batch)
        users |= {pk: build(codec, found[key]) for key, pk in batch.items() if key in found}
    return users


async def aget_user_by_id(user_id: object) -> "User | None":
    """Do as `get_user_by_id()` does, and let the event loop go on meanwhile.

    Who is in process memory is returned at once, on the loop.
    """
    codec = get_codec()
    pk = clean_pk(codec.model, user_id)
    if pk is None:
        return None
    key = record_key(pk)
    values = get_store().recall(key, partial(_seek, codec, key, pk))
    if values is not None:
        return build(codec, values)
    return await sync_to_async(_look_up)(codec, pk)


async def aget_user_by_email(email: str) -> "User | None":
    """Do as `get_user_by_email()` does, and let the event loop go on meanwhile."""
    return await sync_to_async(get_user_by_email)(email)


async def aget_user_by_username(username: str) -> "User | None":
    """Do as `get_user_by_username()` does, and let the event loop go on meanwhile."""
    return await sync_to_async(get_user_by_username)(username)


async def aget_user_by_phone(phone: str) -> "User | None":
    """Do as `get_user_by_phone()` does, and let the event loop go on meanwhile."""
    return await sync_to_async(get_user_by_phone)(phone)


async def aget_users_by_ids(user_ids: Iterable[object]) -> "dict[Any, User]":
    """Do as `get_users_by_ids()` does, and let the event loop go on meanwhile."""
    return await sync_to_async(get_users_by_ids)(user_ids)


def cache_user(user: "User") -> None:
    """See that the cache holds this user and leads to him by each of his identifiers.

    Only the primary key is taken from the instance: its columns may be older than the row's, or
    not saved yet. One GET when he is cached, one query when he isn't.
    """
    current = get_user_by_id(user.pk)
    if current is not None:
        codec, store = get_codec(), get_store()
        for key in spell_pointers(codec.model, identifiers_of(codec, current)):
            store.set_pointer(key, str(current.pk))


def invalidate_user(
    user_id: object,
    email: str | None = None,
    username: str | None = None,
    phone: str | None = None,
) -> None:
    """Drop a user's record, and the pointers of the identifiers given.

    Writes through the ORM do this by themselves; it is for those that don't (raw SQL, another
    service), after their commit. Called within a transaction, it holds from now until the commit.
    """
    codec = get_codec()
    pk = clean_pk(codec.model, user_id)
    if pk is None:
        return
    given = {"email": email, "username": username, "phone": phone}
    pointers = spell_pointers(codec.model, given)
    using = router.db_for_write(codec.model)
    write = Write(using)
    write.announce_new([pk])
    write.note_pointers(pointers)
    write.finish()


def invalidate_all_users() -> None:
    """Drop every user; a round trip per thousand keys. Writes that are under way stay announced.

    Called within a transaction, it is done after the commit. While Redis can't be reached, it is
    remembered and done when it can.
    """
    transaction.on_commit(_forget_everybody, using=outbox.get_alias())


def inspect_user(user_id: object) -> CachedState:
    """Say what the cache holds of a user, in the tier that would answer now; changes nothing."""
    codec = get_codec()
    return get_store().inspect(record_key(clean_pk(codec.model, user_id)), codec)


def is_read_only(user: object) -> bool:
    """Say whether the instance came from a look-up."""
    return hasattr(getattr(user, "_state", None), READ_ONLY_MARK)


def refuse_read_only(user: object) -> None:
    """Refuse to write an instance that came from a look-up.

    Raises:
        ReadOnlyUserError: it did; the message says what to do.
    """
    if is_read_only(user):
        raise ReadOnlyUserError(
            "This user came from the cache and can't be saved or deleted, since his other columns "
            "were never loaded. Load the row first: "
            "User.objects.select_for_update().get(pk=user.pk)."
        )


def _forget_everybody() -> None:
    if not get_store().forget_all():
        outbox.note(outbox.get_alias(), [outbox.EVERYBODY])


def _look_up_by(identifier: str, value: str) -> "User | None":
    codec, store = get_codec(), get_store()
    normal = normalise(codec.model, identifier, value)
    if normal is None:
        return None
    key = pointer_key(identifier, normal)
    if key is not None and (pointer := store.get_pointer(key)) is not None:
        user = get_user_by_id(pointer)
        if user is not None and getattr(user, identifier) == normal:
            return user
        store.forget([], [key])
    pk = load_pk(codec, {identifier: normal})
    if pk is None:
        return None
    user = _look_up(codec, pk)
    if user is not None and getattr(user, identifier) == normal:
        if key is not None:
            store.set_pointer(key, str(pk))
        return user
    # The identifier went to somebody else between the two; whom it belongs to now, only the
    # database can say.
    values = load(codec, {identifier: normal})
    return None if values is None else build(codec, values)


def _look_up(codec: Codec, pk: Any) -> "User | None":
    key, store = record_key(pk), get_store()
    seek = partial(_seek, codec, key, pk)
    values = store.recall(key, seek)
    if values is None:
        values = store.look_up(seek())
    return None if values is None else build(codec, values)


def _seek(codec: Codec, key: str, pk: Any) -> Sought:
    load_row, may_fill_now = partial(load, codec, {"pk": pk}), partial(may_fill, codec)
    return Sought(key, codec, load_row, may_fill_now, perf_counter())


def _look_up_many(codec: Codec, pks: Mapping[str, Any]) -> dict[str, Values]:
    def load_missed(keys: Sequence[str]) -> dict[str, Values]:
        rows = load_many(codec, [pks[key] for key in keys])
        return {key: rows[pks[key]] for key in keys if pks[key] in rows}

    store, recalled = get_store(), dict[str, Values]()
    for key, pk in pks.items():
        if (values := store.recall(key, partial(_seek, codec, key, pk))) is not None:
            recalled[key] = values
    rest = [key for key in pks if key not in recalled]
    if not rest:
        return recalled
    return recalled | store.look_up_many(
        SoughtMany(rest, codec, load_missed, partial(may_fill, codec), perf_counter())
    )
