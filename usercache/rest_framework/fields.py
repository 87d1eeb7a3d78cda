"""A serializer field that shows a user from the cache.

Note [One batch for a response]
-------------------------------
A field of Django REST framework sees one row at a time. So the first `CachedUserField` that is
asked for a user collects the keys of all users that the response shows, from the rows that are in
memory already: those that the outermost serializer was given, and below them what
`select_related()` and `prefetch_related()` loaded. It never queries the database for more rows.

Each key is handed out as often as it was collected. What is asked for beyond that (a row that
wasn't in memory, another use of the same serializer) is looked up then. So no user is kept longer
than it takes to show the rows.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from rest_framework import serializers
from rest_framework.fields import get_attribute

from usercache.codec import get_codec
from usercache.identifiers import clean_pk
from usercache.users import get_user_by_id, get_users_by_ids

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

_BATCH: Final = "_usercache_batch"
"""An attribute of the outermost serializer."""


class CachedUserField(serializers.Field[Any, Any, Any, Any]):
    """Show cached columns of the user that a foreign key, or a key in any row, refers to.

    All users of a response cost no query and one round trip to Redis, or none if they are in
    process memory. A user who doesn't exist is null, and so is an inactive one, unless
    `show_inactive` is set.
    """

    def __init__(
        self, *, fields: Sequence[str], show_inactive: bool = False, **options: Any
    ) -> None:
        """Name the columns to show, of those in USERCACHE_FIELDS.

        Raises:
            ImproperlyConfigured: `fields` names no columns.
        """
        if isinstance(fields, str) or not fields:
            raise ImproperlyConfigured(
                'CachedUserField needs the columns to show, as in fields=("id", "username").'
            )
        super().__init__(**(options | {"read_only": True}))
        self._names = tuple(fields)
        self._show_inactive = show_inactive

    def bind(self, field_name: str, parent: Any) -> None:
        """Check the columns, once there are models.

        Raises:
            ImproperlyConfigured: one of them isn't cached.
        """
        super().bind(field_name, parent)
        uncached = [name for name in self._names if name not in get_codec().field_set]
        if uncached:
            raise ImproperlyConfigured(
                f"CachedUserField '{field_name}' of {type(parent).__name__} shows "
                f"{', '.join(uncached)}: list what it shows in USERCACHE_FIELDS, or each user "
                "costs a query."
            )

    def get_attribute(self, instance: Any) -> Any:
        """Return the user's key, without loading the user."""
        if self.source_attrs:
            *steps, name = self.source_attrs
            with suppress(AttributeError, KeyError):  # which the framework's own way explains
                row = get_attribute(instance, steps)
                if isinstance(row, models.Model):
                    return getattr(row, _find_users_column(type(row), name))
        return super().get_attribute(instance)

    def to_representation(self, value: Any) -> dict[str, Any] | None:
        """Return the columns of the user with this key."""
        user = _find_user(self.root, value)
        if user is None or not (user.is_active or self._show_inactive):
            return None
        shown: dict[str, Any] = self._user_serializer.to_representation(user)
        return shown

    @cached_property
    def _user_serializer(self) -> serializers.BaseSerializer[Any]:
        return _make_serializer(get_codec().model, self._names)(context=self.context)


class _Batch:
    """The users of one response who are still to be shown."""

    def __init__(self, rows_by_pk: Counter[Any]) -> None:
        self._left = rows_by_pk
        self._users = get_users_by_ids(rows_by_pk)

    def __bool__(self) -> bool:
        return bool(self._left)

    def __contains__(self, pk: object) -> bool:
        return pk in self._left

    def take(self, pk: Any) -> "User | None":
        self._left[pk] -= 1
        if self._left[pk]:
            return self._users.get(pk)
        del self._left[pk]
        return self._users.pop(pk, None)


def _find_user(root: Any, value: object) -> "User | None":
    pk = _clean(value)
    batch: _Batch | None = getattr(root, _BATCH, None)
    if not batch:
        keys = map(_clean, _collect_keys(root, getattr(root, "instance", None)))
        rows_by_pk = Counter(key for key in keys if key is not None)
        if pk not in rows_by_pk:
            return get_user_by_id(pk)
        batch = _Batch(rows_by_pk)
        setattr(root, _BATCH, batch)
    return batch.take(pk) if pk in batch else get_user_by_id(pk)


def _clean(value: object) -> Any:
    # A row may hold the user themselves.
    return clean_pk(get_codec().model, getattr(value, "pk", value))


def _collect_keys(serializer: object, value: Any) -> Iterator[object]:
    if isinstance(serializer, serializers.ListSerializer):
        for row in _rows_in_memory(value):
            yield from _collect_keys(serializer.child, row)
    elif isinstance(serializer, serializers.Serializer) and value is not None:
        for field in serializer.fields.values():
            if isinstance(field, CachedUserField):
                yield _follow(value, field.source_attrs)
            elif isinstance(field, serializers.BaseSerializer) and not field.write_only:
                yield from _collect_keys(field, _follow(value, field.source_attrs))


def _rows_in_memory(value: object) -> Iterable[object]:
    if isinstance(value, models.QuerySet):
        return value._result_cache or ()
    return value if isinstance(value, Sequence) else ()  # also a page


def _follow(value: Any, names: Sequence[str]) -> Any:
    # None where there is nothing in memory.
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, models.Model):
            value = _get_loaded(value, name)
        else:
            value = getattr(value, "__dict__", {}).get(name)
    return value


def _get_loaded(row: models.Model, name: str) -> Any:
    # A user's key; a column, or what `to_attr` names; a related row; prefetched rows. Not a
    # property, which may query.
    column = _find_users_column(type(row), name)
    prefetched = getattr(row, "_prefetched_objects_cache", {})
    for loaded in (vars(row), row._state.fields_cache, prefetched):
        if column in loaded:
            return loaded[column]
    return None


@cache
def _find_users_column(model: type[models.Model], name: str) -> str:
    # The column of a foreign key to users; the name itself if it isn't one.
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return name
    if not isinstance(field, models.ForeignKey):
        return name
    is_key = field.target_field.primary_key and issubclass(field.related_model, get_codec().model)
    return field.attname if is_key else name


@cache
def _make_serializer(
    model: type[models.Model], names: tuple[str, ...]
) -> type[serializers.BaseSerializer[Any]]:
    meta = type("Meta", (), {"model": model, "fields": names})
    return type("CachedUserSerializer", (serializers.ModelSerializer,), {"Meta": meta})
