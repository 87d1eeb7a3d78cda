"""Make a user of the columns of a record."""

from collections.abc import Sequence
from functools import lru_cache
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, cast

from django.db import models
from django.db.models.base import ModelState
from django.db.models.signals import post_init, pre_init

from usercache.codec import Codec, Values, type_of
from usercache.database import database_of
from usercache.instances.columns import (
    UNCHANGEABLE,
    absorb,
    are_plain,
    set_columns,
    set_fingerprints,
)
from usercache.instances.fingerprints import Fingerprints

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User


def build(codec: Codec, values: Values) -> "User":
    """Return a user of these columns; the others are loaded, together, when one is read."""
    if not codec.extras.types:
        return _make(codec, values)
    end = len(codec.fields)
    user = _make(codec, values[:end])
    set_fingerprints(user, Fingerprints(*values[end:]))
    return user


def _make(codec: Codec, values: Sequence[Any]) -> "User":
    model, db = codec.model, database_of(codec)
    if _is_plain(codec) and not (_is_heard(pre_init, model) or _is_heard(post_init, model)):
        # What `from_db()` does then, in a third of its time: it is most of an L1 hit.
        user = cast("User", model.__new__(model))
        columns, key = dict(zip(codec.fields, values, strict=True)), model._meta.pk.attname
        user.__dict__[key] = columns[key]
        user._state = ModelState()
        user._state.adding, user._state.db = False, db
        set_columns(user, columns)
    else:
        user = cast("User", model.from_db(db, codec.field_set, values))
        set_columns(user, {})
        absorb(user, codec.fields)
    return user


@lru_cache(maxsize=8)
def _is_plain(codec: Codec) -> bool:
    # The model runs no code of its own when an instance is made or a column is set.
    model = codec.model
    fields = (f for f in model._meta.concrete_fields if f.attname in codec.field_set)
    return (
        model.__new__ is object.__new__
        and model.__init__ is models.Model.__init__
        and model.__setattr__ is object.__setattr__
        and getattr_static(model, "from_db") is getattr_static(models.Model, "from_db")
        and are_plain(model, codec.fields)
        and UNCHANGEABLE.issuperset(map(type_of, fields))
    )


def _is_heard(signal: models.signals.ModelSignal, model: type[models.Model]) -> bool:
    return bool(signal.receivers) and signal.has_listeners(model)
