"""Normalise what callers pass for a user's id, email, name or phone to the database's form.

An identifier is normalised by its own model field (`get_prep_value`), which the ORM calls for
every filter and save as well: one rule for the database, the key and the look-up. The same applies
to every form of a primary key: `"001"`, `3.0`, a UUID without dashes.
"""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, cast

from django.core.exceptions import ValidationError
from django.db import connections, models, router

from usercache.codec import Codec, is_unique, target_of
from usercache.keys import pointer_key

LARGEST_PLAIN_ID: Final = 2**31 - 1
"""Up to this, an int is a valid key for each of Django's integer fields."""
PK: Final = "pk"
"""Django's name for the primary key, whatever it is called."""
_PLAIN_ID: Final = re.compile(r"[1-9][0-9]{0,8}")
"""Below it, as text, which is how pointers and URLs have it."""


def clean_pk(model: type[models.Model], value: object) -> Any:
    """Return the primary key that a caller asks for, None if the value can't be one."""
    if type(value) is int and 0 < value <= LARGEST_PLAIN_ID and _keeps_ints(model):
        return value
    if type(value) is str and _PLAIN_ID.fullmatch(value) and _keeps_ints(model):
        return int(value)
    return _clean(target_of(model._meta.pk), value)


def canonical_pk(model: type[models.Model], value: object) -> Any:
    """Return the primary key that the row has when this value is saved or filtered by.

    Every key of the cache is made from it, or from what the database returned. None if the value
    can't be a key; the ORM refuses that itself.
    """
    return _canonical(target_of(model._meta.pk), value)


def row_pk(codec: Codec, user: models.Model) -> Any:
    """Return the primary key of this instance's row in the user table.

    A child model's own key may differ.
    """
    return canonical_pk(codec.model, getattr(user, codec.model._meta.pk.attname))


def normalise(model: type[models.Model], identifier: str, value: object) -> Any:
    """Return the identifier as the database stores it, None if no row can hold it.

    Text is looked up by text alone.
    """
    field = target_of(cast("models.Field[Any, Any]", model._meta.get_field(identifier)))
    if not isinstance(field, models.CharField | models.TextField):
        return _clean(field, value)
    if not isinstance(value, str) or not _is_storable(value):
        return None
    normal = field.get_prep_value(value)
    if not normal or len(normal) > (field.max_length or len(normal)):
        return None
    return str(normal)


def find_unique_column(model: type[models.Model], fields: Collection[str], name: str) -> str | None:
    """Return the cached column that alone tells users apart, by the name of its field or its own.

    PK for the primary key, under any of its names; None for any other column.
    """
    if name == PK or name in _key_names(model):
        return PK
    named = (f.attname for f in model._meta.concrete_fields if name in (f.name, f.attname))
    column = next(named, None)
    return column if column in fields and is_unique(model, name) else None


def identifiers_of(codec: Codec, user: models.Model) -> dict[str, object]:
    """Return the cacheable identifiers loaded in this instance, without a query."""
    deferred = user.get_deferred_fields()
    return {name: getattr(user, name) for name in codec.identifiers if name not in deferred}


def format_pointers(model: type[models.Model], identifiers: Mapping[str, object]) -> list[str]:
    """Return the pointer keys of one user's identifiers; an empty identifier has none."""
    keys = []
    for identifier, value in identifiers.items():
        normal = normalise(model, identifier, value)
        if normal is not None and (key := pointer_key(identifier, str(normal))) is not None:
            keys.append(key)
    return keys


def _key_names(model: type[models.Model]) -> set[str]:
    # With a concrete parent, the parent's key is the user's under another name.
    field, names = model._meta.pk, set[str]()
    while True:
        names |= {field.name, field.attname}
        if not isinstance(field, models.ForeignKey):
            return names
        field = field.target_field


def _clean(field: "models.Field[Any, Any]", value: object) -> Any:
    if isinstance(value, bool | float | Decimal):
        return None  # int() would convert them, True to 1 and 7.5 to 7
    cleaned = _canonical(field, value)
    if cleaned == 0 and not _may_be_zero(field):
        return None
    try:
        field.run_validators(cleaned)
    except ValidationError:
        return None
    return cleaned


def _may_be_zero(field: "models.Field[Any, Any]") -> bool:
    # MySQL gives such a row the next number instead, and Django refuses to look for it.
    is_mysql = connections[router.db_for_write(field.model)].vendor == "mysql"
    return not (is_mysql and isinstance(field, models.AutoField))


def _canonical(field: "models.Field[Any, Any]", value: object) -> Any:
    if hasattr(value, "resolve_expression"):
        return None  # only the database knows
    try:
        canonical = field.to_python(field.get_prep_value(value))
    except (ValidationError, TypeError, ValueError, OverflowError):
        return None
    if isinstance(canonical, str) and not _is_storable(canonical):
        return None
    return canonical


@cache
def _keeps_ints(model: type[models.Model]) -> bool:
    return type(canonical_pk(model, LARGEST_PLAIN_ID)) is int


def _is_storable(value: str) -> bool:
    # PostgreSQL stores no zero character, UTF-8 no lone surrogate; a query with one is an error.
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
