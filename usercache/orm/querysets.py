"""A query set for user models that announces bulk writes, which send no signals."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from django.db import connections, models, transaction
from django.db.models import Q
from django.db.models.expressions import DatabaseDefault

from usercache.codec import get_codec
from usercache.identifiers import row_pk
from usercache.instances.columns import is_cached
from usercache.instances.saving import load_row, refuse_read_only
from usercache.orm.writes import WRITES_AT_ONCE, Write, touches_cache

UserT = TypeVar("UserT", bound=models.Model)


class CachedUserQuerySet(models.QuerySet[UserT]):
    """Give a user model's manager this query set: `UserManager.from_queryset(…)`.

    `update()`, `bulk_update()` and `bulk_create()` announce what they change. `delete()` needs no
    override: Django sends signals for each row of a model with receivers. Each method changes,
    returns and raises what Django's own does.
    """

    def update(self, **kwargs: Any) -> int:
        """Update as Django does, in its own statement, and invalidate the users it changes.

        If a cached column is among them, this costs one query for the keys of the matching rows,
        and one round trip for each 500 of them; if an identifier is, one query more for each 500.
        """
        if not touches_cache(kwargs):
            return super().update(**kwargs)
        # On an empty query set Django runs no query, and raises errors in the arguments.
        super(CachedUserQuerySet, self.none()).update(**kwargs)
        self._for_write = True
        with _one_transaction(self.db):
            write = Write(self.db, kwargs)
            with transaction.mark_for_rollback_on_error(self.db):
                pks = self._matching_pks()
            write.announce(pks)
            with write.changing():
                changed = super().update(**kwargs)
            write.announce_changed()
            write.finish()
        return changed

    update.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own

    def bulk_update(
        self, objs: Iterable[UserT], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Update as Django does, by way of `update()`.

        Raises:
            ReadOnlyUserError: one of the instances came from the cache, and may only be read.
        """
        users = list(objs)
        cached = [user for user in users if is_cached(user)]
        if not cached:
            return super().bulk_update(users, fields, batch_size)
        self._for_write = True
        with _one_transaction(self.db):
            self._load_rows(cached)
            return super().bulk_update(users, fields, batch_size)

    bulk_update.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own

    def bulk_create(  # noqa: PLR0917  # the signature is Django's
        self,
        objs: Iterable[UserT],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[UserT]:
        """Create or update as Django does, and invalidate the rows it wrote.

        Django knows their keys only afterwards, which is early enough inside the transaction.

        Raises:
            ReadOnlyUserError: one of the instances came from the cache, and may only be read.
        """
        users = list(objs) if objs else objs
        create = partial(
            super().bulk_create,
            users,
            batch_size=batch_size,
            ignore_conflicts=ignore_conflicts,
            update_conflicts=update_conflicts,
            update_fields=update_fields,
            unique_fields=unique_fields,
        )
        self._for_write = True
        with _one_transaction(self.db):
            self._load_rows(user for user in users or () if is_cached(user))
            if not touches_cache(None):
                return create()
            write = Write(self.db)
            with write.changing():
                created = create()
            codec = get_codec()
            pks = [pk for user in created or () if (pk := row_pk(codec, user)) is not None]
            if update_conflicts:
                pks += self._find_pks(created, unique_fields or ())
            write.announce_new(list(dict.fromkeys(pks)))
            write.announce_changed()
            for user in created or ():
                write.note_instance(user)
            write.finish()
        return created

    def _load_rows(self, cached: Iterable[models.Model]) -> None:
        # Locked, since these statements write columns that were not assigned, too.
        for user in cached:
            refuse_read_only(user)
            load_row(user, lock=user._state.db == self.db)

    def _matching_pks(self) -> list[Any]:
        # Django's statement ignores order, distinct fields and locks.
        pks = self.order_by().distinct().values_list(get_codec().model._meta.pk.name, flat=True)
        pks.query.select_for_update = False
        return list(pks)

    def _find_pks(self, users: Sequence[UserT], unique_fields: Collection[str]) -> list[Any]:
        # The rows that have these values now, inserted or updated: Django doesn't get the keys of
        # those it updated.
        pks = list[Any]()
        for start in range(0, len(users), WRITES_AT_ONCE):
            condition = Q(pk__in=())
            for user in users[start : start + WRITES_AT_ONCE]:
                values = {name: getattr(user, name) for name in unique_fields}
                if not any(map(_conflicts_with_nothing, values.values())):
                    condition |= Q(**values)
            pks += (
                self.model._base_manager.using(self.db)
                .filter(condition)
                .values_list("pk", flat=True)
            )
        return pks

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own


def _conflicts_with_nothing(value: object) -> bool:
    return value is None or isinstance(value, DatabaseDefault)


@contextmanager
def _one_transaction(using: str) -> Iterator[None]:
    """Commit the block as one; inside a transaction, leave commit and rollback to its owner.

    There, Django's own method decides whether an error ends the transaction.
    """
    connection = connections[using]
    if connection.in_atomic_block or not connection.get_autocommit():
        yield
    else:
        with transaction.atomic(using=using):
            yield
