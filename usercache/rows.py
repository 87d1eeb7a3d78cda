"""From the database: the whitelisted columns of a user's row, and a user made of them."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Final, cast

from django.db import connections, models, router
from django.db.models.base import ModelState
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_init, pre_init

from usercache.codec import Codec, Values
from usercache.process import is_in_transaction

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

READ_ONLY_MARK: Final = "usercache_read_only"
"""Set on the `_state` of every user that came from a look-up."""
_PLAIN_COLUMNS: Final = (DeferredAttribute, ForeignKeyDeferredAttribute)


def load(codec: Codec, by: Mapping[str, Any]) -> Values | None:
    """Return the columns of the row with these values, None where there is none. One query."""
    found = list(_rows(codec).filter(**by).values_list(*codec.fields)[:1])
    return found[0] if found else None


def load_pk(codec: Codec, by: Mapping[str, Any]) -> Any:
    """Return the primary key of the row with these values, None where there is none. One query."""
    found = list(_rows(codec).filter(**by).values_list("pk", flat=True)[:1])
    return found[0] if found else None


def load_many(codec: Codec, pks: Sequence[Any]) -> dict[Any, Values]:
    """Return the columns of those of these rows that there are, by primary key. One query."""
    found = _rows(codec).filter(pk__in=pks).values_list("pk", *codec.fields)
    return {pk: tuple(values) for pk, *values in found}


def may_fill(codec: Codec) -> bool:
    """Say whether what this thread loads now is sure to be committed."""
    return not is_in_transaction(connections[router.db_for_write(codec.model)])


def build(codec: Codec, values: Values) -> "User":
    """Return a user of these columns, read-only; each of the others costs a query."""
    model, db = codec.model, router.db_for_write(codec.model)
    if _is_plain(codec) and not (_is_heard(pre_init, model) or _is_heard(post_init, model)):
        # What `from_db()` comes to then, in a third of its time: it is most of a near hit.
        user = cast("User", model.__new__(model))
        user.__dict__.update(zip(codec.fields, values, strict=True))
        user._state = ModelState()
        user._state.adding, user._state.db = False, db
    else:
        user = cast("User", model.from_db(db, codec.field_set, values))
    setattr(user._state, READ_ONLY_MARK, True)
    return user


@lru_cache(maxsize=8)
def _is_plain(codec: Codec) -> bool:
    # Nothing of the model's own happens when an instance is made or a column is set.
    model = codec.model
    return (
        model.__new__ is object.__new__
        and model.__init__ is models.Model.__init__
        and model.__setattr__ is object.__setattr__
        and getattr_static(model, "from_db") is getattr_static(models.Model, "from_db")
        and all(type(getattr_static(model, name)) in _PLAIN_COLUMNS for name in codec.fields)
    )


def _is_heard(signal: models.signals.ModelSignal, model: type[models.Model]) -> bool:
    return bool(signal.receivers) and signal.has_listeners(model)


def _rows(codec: Codec) -> "models.QuerySet[models.Model]":
    # From the database that is written to: a replica may lag behind the write that emptied the key.
    return codec.model._base_manager.using(router.db_for_write(codec.model))
