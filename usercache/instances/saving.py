"""Save, delete and refresh a cached user as Django does an ordinary one, and write nothing old.

Note [Saving a cached user]
---------------------------
The columns of a cached user are as old as its record. So an UPDATE of it is left with the columns
that were assigned, and those that receivers of `pre_save` or the fields themselves (`auto_now`)
changed: all else the row keeps, whatever another process wrote in between. Before a save that names
more than assigned columns, and before a deletion, the row is loaded, once: the model's own code and
the receivers then see what they would see in an ordinary instance. An UPDATE that finds no row
never becomes an INSERT, which would bring a deleted user back.

An instance that is no longer of its record (another key, another database) is saved as Django does.
What was written counts as assigned until the commit: after a rollback it is written again.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Final

from django.db import DatabaseError, models

from usercache.conf import conf
from usercache.database import after_commit
from usercache.instances.columns import (
    ROW_LOADED,
    absorb,
    changeable_names,
    changed_columns,
    columns_of,
    fingerprints_of,
    forget,
    is_cached,
    is_same,
    make_ordinary,
)
from usercache.instances.fingerprints import PASSWORD

ASSIGNED: Final = "usercache_assigned"
"""Of a `_state` during a save: the columns that were assigned, and not yet written."""
WRITTEN: Final = "usercache_written"
"""Of a `_state` during a save: the columns that it wrote."""
HASH_UPGRADE: Final = frozenset({PASSWORD})
"""What Django's `check_password()` saves to upgrade a hash."""
UPDATE_FIELDS_POSITION: Final = 3
"""Of `save()`'s arguments, where Django still takes them by position."""

Method = Callable[..., Any]


class ReadOnlyUserError(TypeError):
    """Raised when a cached user is saved or deleted, under USERCACHE_READ_ONLY_USERS."""


def refuse_read_only(user: object) -> None:
    """Refuse to write an instance that came from a look-up, where the settings say so.

    Raises:
        ReadOnlyUserError: it did; the message says what to do.
    """
    if conf.USERCACHE_READ_ONLY_USERS and is_cached(user):
        raise ReadOnlyUserError(
            "This user came from the cache and can't be saved or deleted, since "
            "USERCACHE_READ_ONLY_USERS is on. Load the row first: "
            "User.objects.select_for_update().get(pk=user.pk)."
        )


def upgrades_hash(user: object, update_fields: Collection[str] | None) -> bool:
    """Return whether this is `check_password()` storing the same password under a newer hash.

    A read-only user may do so: the password was loaded to be checked, and nothing else is written.
    If the password was changed, `_password` is set until it is saved.
    """
    return (
        update_fields is not None
        and set(update_fields) == HASH_UPGRADE
        and getattr(user, "_password", None) is None
    )


def load_row(user: models.Model, *, lock: bool = False) -> None:
    """Load the columns of a cached user that were not assigned. One query, once.

    A user whose row is gone stays as it is. With `lock`, the row is locked until the end of the
    transaction that the caller has begun.
    """
    state = vars(user._state)
    if not is_cached(user) or ROW_LOADED in state:
        return
    rows = type(user)._base_manager.using(user._state.db)
    rows = rows.filter(pk=columns_of(user)[user._meta.pk.attname])
    row = next(iter(rows.select_for_update()[:1] if lock else rows[:1]), None)
    if row is None:
        return
    names = (changeable_names(type(user)) - changed_columns(user)) & vars(row).keys()
    for name in names:
        setattr(user, name, getattr(row, name))
    absorb(user, names)
    state[ROW_LOADED] = True


def install(model: type[models.Model]) -> None:
    """Replace the methods of a user model that write or load an instance, or need its hash."""
    for name, replace in _REPLACEMENTS.items():
        method = getattr(model, name, None)
        if method is not None and not hasattr(method, "usercache_replaces"):
            replacement = wraps(method)(replace(method))
            vars(replacement)["usercache_replaces"] = method
            setattr(model, name, replacement)


def _replace_save(method: Method) -> Method:
    def save(user: models.Model, *args: Any, **kwargs: Any) -> Any:
        if not is_cached(user):
            return method(user, *args, **kwargs)
        args, kwargs, names = _read_update_fields(args, kwargs)
        if not upgrades_hash(user, names):
            refuse_read_only(user)
        if names is not None and not names:
            return method(user, *args, **kwargs)
        with _saving(user, names):
            return method(user, *args, **kwargs)

    return save


def _replace_delete(method: Method) -> Method:
    def delete(user: models.Model, *args: Any, **kwargs: Any) -> Any:
        if not is_cached(user):
            return method(user, *args, **kwargs)
        refuse_read_only(user)
        load_row(user)
        result = method(user, *args, **kwargs)
        make_ordinary(user)
        return result

    return delete


def _replace_do_update(method: Method) -> Method:
    def _do_update(  # noqa: PLR0917  # the signature is Django's
        user: models.Model,
        base_qs: Any,
        using: str,
        pk_val: Any,
        values: Any,
        update_fields: Any,
        *args: Any,
    ) -> Any:
        if not values or not is_cached(user) or _is_moved(user, using):
            return method(user, base_qs, using, pk_val, values, update_fields, *args)
        written = [value for value in values if _is_to_be_written(user, *value)]
        # Without values and update_fields, Django asks whether there is a row.
        named = update_fields if written else None
        updated = method(user, base_qs, using, pk_val, written, named, *args)
        if not updated:
            error = getattr(user, "NotUpdated", DatabaseError)  # Django 6 has one of its own
            raise error("Save of a cached user did not affect any rows.")
        names = frozenset(field.attname for field, _, _ in written)
        state = vars(user._state)
        if ASSIGNED in state:
            state[WRITTEN] = state.get(WRITTEN, frozenset()) | names
        _settle(user, using, names)
        return updated

    return _do_update


def _replace_refresh(method: Method) -> Method:
    def refresh_from_db(
        user: models.Model,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if not is_cached(user):
            return method(user, using, fields, *args, **kwargs)
        if fields is None:
            return _refresh_all(user, partial(method, user, using, None, *args, **kwargs))
        names = _attnames_of(user, fields)
        deferred = user.get_deferred_fields()
        if deferred.intersection(names):
            # All of them at once, but for the values that were assigned.
            names |= deferred
        result = method(user, using, {*fields, *names}, *args, **kwargs)
        absorb(user, names & vars(user).keys())
        return result

    return refresh_from_db


def _replace_get_deferred_fields(method: Method) -> Method:
    def get_deferred_fields(user: models.Model) -> Any:
        deferred = method(user)
        return deferred - columns_of(user).keys() if is_cached(user) else deferred

    return get_deferred_fields


def _replace_delattr(method: Method) -> Method:
    def delete_attribute(user: models.Model, name: str) -> None:
        # Django's way to have a column loaded again.
        if name in columns_of(user):
            forget(user, name)
            if name not in vars(user):
                return
        method(user, name)

    return delete_attribute


def _replace_acheck_password(method: Method) -> Method:
    async def acheck_password(user: Any, raw_password: str | None) -> Any:
        # Django's own reads the hash on the event loop.
        if is_cached(user) and PASSWORD in user.get_deferred_fields():
            await user.arefresh_from_db(fields=[PASSWORD])
        return await method(user, raw_password)

    return acheck_password


def _replace_has_usable_password(method: Method) -> Method:
    def has_usable_password(user: models.Model) -> Any:
        # Each page of the admin site asks; Django's own loads the hash for it.
        fingerprints = fingerprints_of(user)
        known = None if fingerprints is None else fingerprints.has_usable_password
        if known is None or PASSWORD not in user.get_deferred_fields():
            return method(user)
        return known

    return has_usable_password


_REPLACEMENTS: Final[dict[str, Callable[[Method], Method]]] = {
    "save": _replace_save,
    "delete": _replace_delete,
    "_do_update": _replace_do_update,
    "refresh_from_db": _replace_refresh,
    "get_deferred_fields": _replace_get_deferred_fields,
    "__delattr__": _replace_delattr,
    "acheck_password": _replace_acheck_password,
    "has_usable_password": _replace_has_usable_password,
}


@contextmanager
def _saving(user: models.Model, names: Collection[str] | None) -> Iterator[None]:
    state, db = vars(user._state), user._state.db
    outer = state.get(ASSIGNED)
    # Within another save of the instance, the columns it came with are among its attributes.
    assigned = changed_columns(user) if outer is None else outer | _differing(user)
    if names is None or not _attnames_of(user, names) <= assigned:
        load_row(user)
    if names is None:
        # So that Django finds nothing deferred, and saves the instance whole.
        missing = columns_of(user).keys() - vars(user).keys()
        vars(user).update({name: columns_of(user)[name] for name in missing})
    state[ASSIGNED] = assigned
    try:
        yield
    finally:
        # Again, for expressions: Django 6 has replaced them by their values since.
        _settle(user, str(db), state.pop(WRITTEN, frozenset()))
        if outer is None:
            del state[ASSIGNED]
            _end(user, db, assigned)
        else:
            state[ASSIGNED] &= outer


def _end(user: models.Model, db: str | None, assigned: frozenset[str]) -> None:
    if _is_moved(user, db) or user._state.db != db:
        make_ordinary(user)
        return
    data, columns = vars(user), columns_of(user)
    untouched = (name for name in columns.keys() & data.keys() if data[name] is columns[name])
    absorb(user, frozenset(untouched) - assigned)


def _settle(user: models.Model, using: str, names: Iterable[str]) -> None:
    # What a field's `pre_save()` returned without setting it is not among them.
    written = {name: vars(user)[name] for name in names if name in vars(user)}
    if written:
        after_commit(partial(_absorb_written, user, written), using)


def _absorb_written(user: models.Model, written: dict[str, Any]) -> None:
    if not is_cached(user):
        return
    data, state = vars(user), vars(user._state)
    unchanged = [name for name, value in written.items() if data.get(name) is value]
    absorb(user, [name for name in unchanged if not hasattr(data[name], "resolve_expression")])
    if ASSIGNED in state:
        state[ASSIGNED] -= written.keys()


def _is_to_be_written(user: models.Model, field: Any, _model: object, value: Any) -> bool:
    name, columns = field.attname, columns_of(user)
    assigned = vars(user._state).get(ASSIGNED)
    if assigned is None:  # `save_base()` without `save()`
        assigned = changed_columns(user)
    return name in assigned or name not in columns or not is_same(value, columns[name])


def _is_moved(user: models.Model, using: str | None) -> bool:
    # To another row or database, where the record says nothing.
    return using != user._state.db or user.pk != columns_of(user)[user._meta.pk.attname]


def _differing(user: models.Model) -> frozenset[str]:
    data, columns = vars(user), columns_of(user)
    return frozenset(
        name
        for name in changeable_names(type(user)) & data.keys()
        if name not in columns or not is_same(data[name], columns[name])
    )


def _refresh_all(user: models.Model, refresh: Callable[[], Any]) -> Any:
    data, state = vars(user), vars(user._state)
    data_before, state_before = data.copy(), state.copy()
    make_ordinary(user)
    # So that Django refreshes them, too; it leaves out what is deferred.
    data.update(dict.fromkeys(user.get_deferred_fields()))
    try:
        return refresh()
    except BaseException:
        for now, before in ((data, data_before), (state, state_before)):
            now.clear()
            now.update(before)
        raise


def _read_update_fields(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], Collection[str] | None]:
    # They may be an iterator, which is read once.
    names = kwargs.get("update_fields")
    if len(args) > UPDATE_FIELDS_POSITION:
        names = args[UPDATE_FIELDS_POSITION]
    if names is None or isinstance(names, Collection):
        return args, kwargs, names
    names = frozenset(names)
    if len(args) > UPDATE_FIELDS_POSITION:
        return (*args[:UPDATE_FIELDS_POSITION], names), kwargs, names
    return args, kwargs | {"update_fields": names}, names


def _attnames_of(user: models.Model, names: Iterable[str]) -> frozenset[str]:
    given = frozenset(names)
    fields = (f for f in user._meta.concrete_fields if not given.isdisjoint((f.name, f.attname)))
    return frozenset(field.attname for field in fields)
