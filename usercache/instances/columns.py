"""Where a cached user keeps the columns that it came with, apart from those its code assigned.

Note [What a cached user's code assigned]
-----------------------------------------
A save of a cached user may write only what was assigned: every other column in it is as old as its
record, and the row may have changed since. A comparison of values can't tell what was assigned
(`user.is_active = True` over a cached True, while the row says False by now). So the columns of the
record are kept beside the instance's attributes, in its `_state`, and attributes that read them
from there take the place of Django's own in the class. What is in `vars(user)` was assigned.

Some columns are in both places, and count as assigned once their values differ: those whose
attribute is not Django's plain one (files, a tracker of fields), and values that can be changed in
place. Ordinary instances keep everything where Django does; nothing is slower for them.
"""

import copy
import datetime
import decimal
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import getattr_static
from typing import Any, Final

from django.core.exceptions import SynchronousOnlyOperation
from django.core.files import File
from django.db import models
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute

from usercache.instances.fingerprints import Fingerprints

COLUMNS: Final = "usercache_columns"  # as `CachedColumn` spells it
"""Of a cached user's `_state`: the value of each column as it was read. Replaced, never changed:
copies of the instance share it."""
MIRRORED: Final = "usercache_mirrored"
"""Of a cached user's `_state`: the columns that are among its attributes as well, if any are."""
ROW_LOADED: Final = "usercache_row_loaded"
"""Of a cached user's `_state` once the whole row was loaded, for a save."""
FINGERPRINTS: Final = "usercache_fingerprints"
"""Of a cached user's `_state`: the password's fingerprints in its record, if records have them."""
UNCHANGEABLE: Final = frozenset(
    {
        bool,
        bytes,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        float,
        int,
        str,
        type(None),
        uuid.UUID,
    }
)
"""Types of values that can only be replaced."""


class CachedColumn(DeferredAttribute):
    """Django's attribute of a column, which finds a cached user's value in its `_state`.

    Python asks it only for what is not among the instance's own attributes.
    """

    def __init__(self, field: "models.Field[Any, Any]") -> None:
        """Keep the name, which each read needs."""
        super().__init__(field)
        self._name = field.attname

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        """Return the value; a column that is not there is loaded, with all others like it.

        Raises:
            SynchronousOnlyOperation: it must be loaded, and this is an event loop.
        """
        try:
            return instance._state.usercache_columns[self._name]
        except (AttributeError, KeyError):
            return self._find(instance, cls)

    def _find(self, instance: Any, cls: type | None) -> Any:
        if instance is None or not is_cached(instance):
            return super().__get__(instance, cls)
        value = self._check_parent_chain(instance)  # type: ignore[attr-defined]  # Django's own
        if value is not None:
            return value
        try:
            instance.refresh_from_db(fields=[self._name])
        except SynchronousOnlyOperation as error:
            error.add_note(
                f"'{self._name}' isn't cached: before it, await user.arefresh_from_db()."
            )
            raise
        data = vars(instance)
        return data[self._name] if self._name in data else columns_of(instance)[self._name]


class CachedForeignKey(ForeignKeyDeferredAttribute, CachedColumn):
    """The same for a foreign key's column, whose assignment drops the object it led to."""

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        """Return the value: as it can be set, Python asks for the instance's own as well."""
        if instance is not None and self._name in vars(instance):
            return vars(instance)[self._name]
        return super().__get__(instance, cls)

    def __set__(self, instance: Any, value: Any) -> None:
        """Set the value; one that was in the `_state` is compared as well."""
        if self.field.is_cached(instance) and getattr(instance, self._name) != value:
            self.field.delete_cached_value(instance)
        vars(instance)[self._name] = value


_KINDS: Final[dict[type, type[CachedColumn]]] = {
    DeferredAttribute: CachedColumn,
    ForeignKeyDeferredAttribute: CachedForeignKey,
}


def install(model: type[models.Model]) -> None:
    """Replace the plain attributes of the model's columns."""
    for field in model._meta.concrete_fields:
        kind = _KINDS.get(type(getattr_static(model, field.attname)))
        if kind is not None:
            setattr(model, field.attname, kind(field))


def is_cached(user: object) -> bool:
    """Return whether the instance came from a look-up, and was not loaded from its row since."""
    return COLUMNS in vars(getattr(user, "_state", object))


def columns_of(user: models.Model) -> Mapping[str, Any]:
    """Return a cached user's columns as they were read; empty for an ordinary instance."""
    columns: Mapping[str, Any] = vars(user._state).get(COLUMNS, {})
    return columns


def changed_columns(user: models.Model) -> frozenset[str]:
    """Return the columns, but for the key, that were assigned or changed in a cached user."""
    data, columns = vars(user), columns_of(user)
    mirrored = vars(user._state).get(MIRRORED, frozenset())
    return frozenset(
        name
        for name in changeable_names(type(user))
        if name in data and not (name in mirrored and is_same(data[name], columns[name]))
    )


def is_same(value: Any, read: Any) -> bool:
    """Return whether a value is the one that was read."""
    return value is read or bool(value == read)


def set_columns(user: models.Model, columns: dict[str, Any]) -> None:
    """Make this a cached user of these columns."""
    setattr(user._state, COLUMNS, columns)


def set_fingerprints(user: models.Model, fingerprints: Fingerprints) -> None:
    """Keep the fingerprints of the password that the record has."""
    setattr(user._state, FINGERPRINTS, fingerprints)


def fingerprints_of(user: models.Model) -> Fingerprints | None:
    """Return the fingerprints of the password that the record had, None if there are none."""
    fingerprints: Fingerprints | None = vars(user._state).get(FINGERPRINTS)
    return fingerprints


def absorb(user: models.Model, names: Iterable[str]) -> None:
    """Take these columns for read, as they are among the instance's attributes now."""
    data, state = vars(user), vars(user._state)
    columns, mirrored = dict(state[COLUMNS]), set(state.get(MIRRORED, ()))
    for name in names:
        value = data[name]
        if name == user._meta.pk.attname:
            columns[name] = value
        elif name in _plain_names(type(user)) and type(value) in UNCHANGEABLE:
            columns[name] = data.pop(name)
        else:
            columns[name] = value.name if isinstance(value, File) else copy.deepcopy(value)
            mirrored.add(name)
    state[COLUMNS] = columns
    if mirrored:
        state[MIRRORED] = frozenset(mirrored)


def forget(user: models.Model, name: str) -> None:
    """Let a column of a cached user be one that is loaded when it is read."""
    columns = {other: value for other, value in columns_of(user).items() if other != name}
    setattr(user._state, COLUMNS, columns)


def make_ordinary(user: models.Model) -> None:
    """Let the instance be what Django would have loaded; columns that were not stay deferred."""
    state = vars(user._state)
    columns = state.pop(COLUMNS)
    for name in (MIRRORED, ROW_LOADED, FINGERPRINTS):
        state.pop(name, None)
    vars(user).update({name: columns[name] for name in columns if name not in vars(user)})


def are_plain(model: type[models.Model], names: Iterable[str]) -> bool:
    """Return whether the model's attributes read all of these columns from the `_state`."""
    return _plain_names(model).issuperset(names)


@cache
def changeable_names(model: type[models.Model]) -> frozenset[str]:
    """Return the names of the model's columns, but for its keys."""
    return frozenset(f.attname for f in model._meta.concrete_fields if not f.primary_key)


@cache
def _plain_names(model: type[models.Model]) -> frozenset[str]:
    names = (field.attname for field in model._meta.concrete_fields)
    return frozenset(n for n in names if isinstance(getattr_static(model, n), CachedColumn))
