"""A query set for user models whose writes the cache learns of, though they send no signals."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import Q

from usercache.users import refuse_read_only
from usercache.writes import BATCH, Write, touches_cache

UserT = TypeVar("UserT", bound=models.Model)


class CachedUserQuerySet(models.QuerySet[UserT]):
    """Give a user model's manager this query set: `UserManager.from_queryset(…)`.

    `update()`, `bulk_update()` and `bulk_create()` announce what they change; `delete()` needs no
    help, since Django sends signals for each row of a model that is listened to.
    """

    def update(self, **kwargs: Any) -> int:
        """Update as Django does, and invalidate the users it changes.

        Costs one query for their keys and identifiers more, when a cached column is among them.
        The rows are those that match when it begins, in statements of 500 and one transaction.
        """
        if not touches_cache(kwargs):
            return super().update(**kwargs)
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            pks = list(self.order_by().values_list("pk", flat=True))
            write = Write(self.db)
            write.announce(pks)
            changed = 0
            for start in range(0, len(pks), BATCH):
                batch = self.filter(pk__in=pks[start : start + BATCH])
                changed += super(CachedUserQuerySet, batch).update(**kwargs)
            write.finish()
        return changed

    update.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own

    def bulk_update(
        self, objs: Iterable[UserT], fields: Iterable[str], batch_size: int | None = None
    ) -> int:
        """Update as Django does, by way of `update()`.

        Raises:
            ReadOnlyUserError: one of the instances came from the cache.
        """
        users = list(objs)
        for user in users:
            refuse_read_only(user)
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

        Django knows their keys only afterwards, which within the transaction is soon enough.

        Raises:
            ReadOnlyUserError: one of the instances came from the cache.
        """
        users = list(objs)
        for user in users:
            refuse_read_only(user)
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            write = Write(self.db)
            if update_conflicts:
                write.announce(self._find_conflicts(users, unique_fields or ()))
                write.label()
            created = super().bulk_create(
                users,
                batch_size=batch_size,
                ignore_conflicts=ignore_conflicts,
                update_conflicts=update_conflicts,
                update_fields=update_fields,
                unique_fields=unique_fields,
            )
            write.announce_new([user.pk for user in created if user.pk is not None])
            for user in created:
                write.note_instance(user)
            write.finish()
        return created

    def _find_conflicts(self, users: Sequence[UserT], unique_fields: Collection[str]) -> list[Any]:
        # Where keys are made by the client, Django never learns those of the rows it updated.
        pks = list[Any]()
        for start in range(0, len(users), BATCH):
            condition = Q(pk__in=())
            for user in users[start : start + BATCH]:
                values = {name: getattr(user, name) for name in unique_fields}
                if None not in values.values():  # NULL conflicts with nothing
                    condition |= Q(**values)
            pks += (
                self.model._base_manager.using(self.db)
                .filter(condition)
                .values_list("pk", flat=True)
            )
        return pks

    bulk_create.alters_data = True  # type: ignore[attr-defined]  # as Django marks its own
