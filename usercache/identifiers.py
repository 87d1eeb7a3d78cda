"""What callers pass for a user's id, email, name or phone, made into what the database holds.

An identifier is normalised by its own model field (`get_prep_value`), which the ORM calls for
every filter and save as well: one rule for the database, the key and the look-up.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from django.core.exceptions import ValidationError
from django.db import models

from usercache.codec import Codec
from usercache.keys import pointer_key

LARGEST_PLAIN_ID: Final = 2**31 - 1
"""Up to here an int is a valid key for each of Django's integer fields, without asking."""


def clean_pk(model: type[models.Model], value: object) -> Any:
    """Return the primary key as the model's field holds it, None for what can't be one."""
    if type(value) is int and 0 < value <= LARGEST_PLAIN_ID:
        return value
    if isinstance(value, bool | float):
        return None  # int() would take them for 1 or cut them down
    field = model._meta.pk
    try:
        pk = field.to_python(value)
        field.run_validators(pk)
    except ValidationError:
        return None
    if isinstance(pk, str) and not _is_storable(pk):
        return None
    return pk


def normalise(model: type[models.Model], identifier: str, value: object) -> str | None:
    """Return the identifier as the database holds it, None for what no row can hold."""
    if not isinstance(value, str) or not _is_storable(value):
        return None
    field = cast("models.Field[Any, Any]", model._meta.get_field(identifier))
    normal = field.get_prep_value(value)
    if not normal or len(normal) > (field.max_length or len(normal)):
        return None
    return str(normal)


def identifiers_of(codec: Codec, user: models.Model) -> dict[str, object]:
    """Return the cacheable identifiers that this instance carries, without a query."""
    loaded = vars(user)
    return {name: loaded[name] for name in codec.identifiers if name in loaded}


def spell_pointers(model: type[models.Model], identifiers: Mapping[str, object]) -> list[str]:
    """Return the pointer keys of one user's identifiers; an empty identifier has none."""
    keys = []
    for identifier, value in identifiers.items():
        normal = normalise(model, identifier, value)
        if normal is not None and (key := pointer_key(identifier, normal)) is not None:
            keys.append(key)
    return keys


def _is_storable(value: str) -> bool:
    # PostgreSQL has no zero character, UTF-8 no lone surrogate; asking with one is an error.
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
