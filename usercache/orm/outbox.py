"""The outbox: invalidations kept in the database until Redis has confirmed them.

Note [The outbox]
-----------------
A write may commit while Redis can't be reached, so the pending invalidation is committed with it:
on PostgreSQL by triggers, for every change of a cached column by any client; on other databases by
the ORM, if Redis did not take the write marker or the invalidation. A row names one user, or one
record of an extension (`user:ext:group:3`). Draining it drops the record and any fill lock. The row
is visible only after its transaction has committed, so whatever is filled later is that commit or a
newer one. Draining twice does no harm.

The rows of a write through the ORM are deleted once Redis has confirmed it, mostly by a thread: see
Note [Acknowledgements] in `usercache/postgresql/acknowledging.py`. They are found by its label: see
Note [The journal]. Rows without a label (raw SQL, another service, a write that Redis did not take)
are notified to the relay at once; a labelled row is left to its writer for two seconds. The relay
drains what is left, and so does every process before it uses Redis, at its start and after an
outage: see Note [In use, or not] in `usercache/backends/resilient.py`. Rows of a statement that
changed many users are drained last.

Note [The journal]
------------------
Where every change by any client is noted by the database, as by `usercache.postgresql`, the ORM
needs to add no rows. A write then gets a label, which its statements carry into their rows, and
deletes these once Redis has confirmed. Elsewhere the ORM adds rows itself, of its own writes alone.
"""

import datetime
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from django.contrib.auth import get_user_model
from django.db import connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from usercache.codec import get_codec
from usercache.identifiers import canonical_pk
from usercache.keys import EXTENSION_PREFIX, extension_key, record_key
from usercache.lookup import Store
from usercache.models import PendingInvalidation
from usercache.runtime import Service

ROWS_AT_ONCE: Final = 2000
"""Rows drained in one transaction and one round trip."""

WRITER_GRACE: Final = datetime.timedelta(seconds=2)
"""How long a labelled row is left to its writer."""

EVERYBODY: Final = "*"
"""In a row's user_id: invalidate every user."""


class ExtensionTable(NamedTuple):
    """A table, besides the users', whose changes invalidate an extension's records."""

    name: str
    record: str
    """What rows of the outbox begin with: `user:ext:group:`."""
    column: str
    """Its value ends what the row of the outbox names; "" if any change is one of one record."""


EXTENSION_TABLES: Final[dict[str, Callable[[], Iterable[ExtensionTable]]]] = {}
"""Each names tables; filled by extensions in `AppConfig.ready()`, by the app's name."""


def extension_tables() -> list[ExtensionTable]:
    """Return the tables that extensions want watched."""
    return [table for tables in EXTENSION_TABLES.values() for table in tables()]


class Label(str):
    """On the rows that a write's statements add; "" if anyone may drain them."""

    is_shared = False
    """Whether several writes had it at the same time."""


class Journal:
    """What one connection's database notes by itself; this one notes nothing."""

    notes_changes = False
    """Whether each change of a cached column adds a row."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        """Read and write over this connection."""
        self.connection = connection

    def begin(self, write: object, *, is_heard: bool) -> Label | None:
        """Label the statements from now on as this write's, and return the label.

        `is_heard` tells whether Redis took its write markers. Returns "" where anyone may drain the
        rows, None where there are none.
        """

    def end(self, write: object) -> None:
        """Stop labelling for this write."""

    def acknowledge(self, label: Label, user_ids: Sequence[str]) -> None:
        """Have the rows of these users with this label deleted: Redis has confirmed them."""

    def listen(self) -> None:
        """Have `wait()` return as soon as a row is added that anyone may drain."""

    def unlisten(self) -> None:
        """Undo `listen()`."""

    def wait(self, seconds: float, stopped: threading.Event) -> None:
        """Wait for such a row, up to so long."""
        stopped.wait(seconds)

    def why_unreported(self) -> str:
        """Return why no process can hear of changes while it doesn't use Redis; "" if it can."""
        return "only PostgreSQL reports changes"

    def remove(self) -> None:
        """Note no more changes, before the outbox is dropped."""


JOURNALS: Final[dict[str, type[Journal]]] = {}
"""Those that note changes, by the vendor of their databases."""


def journal_of(connection: BaseDatabaseWrapper) -> Journal:
    """Return the journal of a connection's database."""
    return JOURNALS.get(connection.vendor, Journal)(connection)


def enqueue(using: str, user_ids: Iterable[Any]) -> None:
    """Add rows without a label, in the caller's transaction if there is one."""
    PendingInvalidation.objects.using(using).bulk_create(
        PendingInvalidation(user_id=str(user_id)) for user_id in user_ids
    )


def read_labelled(using: str, label: str) -> set[str]:
    """Return the users in rows with this label, uncommitted ones included. One query."""
    rows = PendingInvalidation.objects.using(using).filter(write_label=label)
    return set(rows.values_list("user_id", flat=True))


class Target(Protocol):
    """The target of a drain: a store, or a bare backend."""

    def invalidate(self, keys: Sequence[str]) -> bool | None:
        """Invalidate record keys; return False where that isn't confirmed."""

    def invalidate_all(self) -> bool | None:
        """Invalidate every user; return False where that isn't confirmed."""


def drain(target: Target, *, overdue_only: bool) -> int:
    """Invalidate the users in pending rows, and return how many rows were deleted.

    Rows that the target doesn't confirm stay. Several processes may drain at once. With
    `overdue_only`, as in the relay, each takes rows that no other has locked, and leaves labelled
    rows to their writers for WRITER_GRACE. Without it, as in a process before it uses Redis, it
    covers every row that existed at its beginning and waits for no other process: users in rows
    locked by others are invalidated too, and the rows left.
    """
    using, done, after = get_alias(), 0, 0
    while True:
        with transaction.atomic(using=using):
            rows = _take_overdue_rows(using) if overdue_only else _read_rows(using, after)
            if not rows or not _invalidate_rows(target, set(rows.values())):
                return done
            locked = list(rows) if overdue_only else _lock_rows(using, rows)
            done += PendingInvalidation.objects.using(using).filter(pk__in=locked).delete()[0]
            after = max(rows)


def extend(store: Store) -> Iterable[Service]:
    """Drain the outbox before Redis is used; see `usercache.runtime.Extension`."""
    store.on_recovery.append(lambda redis: drain(redis, overdue_only=False))
    return ()


def keys_of(user_ids: Collection[str]) -> list[str] | None:
    """Return the record keys that the user_id of rows stand for, None for all there are."""
    if EVERYBODY in user_ids:
        return None
    # A value that can't be a key of this model is in no cache; the others must be dropped still.
    model, keys = get_codec().model, list[str]()
    for user_id in sorted(user_ids):
        if (pk := canonical_pk(model, user_id)) is not None:
            keys.append(record_key(pk))
        if user_id.startswith(EXTENSION_PREFIX):  # which a user's key may do, too
            keys.append(extension_key(user_id))
    return keys


def get_alias() -> str:
    """Return the database that users are written to, where the outbox is too."""
    return router.db_for_write(get_user_model())


def _take_overdue_rows(using: str) -> dict[int, str]:
    is_left_over = models.Q(created_at__lt=timezone.now() - WRITER_GRACE)
    rows = PendingInvalidation.objects.using(using).order_by("is_bulk", "pk")
    locked = _lock(using, rows.filter(models.Q(write_label="") | is_left_over))
    return dict(locked.values_list("pk", "user_id")[:ROWS_AT_ONCE])


def _read_rows(using: str, after: int) -> dict[int, str]:
    rows = PendingInvalidation.objects.using(using).filter(pk__gt=after).order_by("pk")
    return dict(rows.values_list("pk", "user_id")[:ROWS_AT_ONCE])


def _lock_rows(using: str, pks: Iterable[int]) -> list[int]:
    rows = PendingInvalidation.objects.using(using).filter(pk__in=pks)
    return list(_lock(using, rows).values_list("pk", flat=True))


def _lock(
    using: str, rows: "models.QuerySet[PendingInvalidation]"
) -> "models.QuerySet[PendingInvalidation]":
    # Skips rows that other processes are draining.
    can_skip = connections[using].features.has_select_for_update_skip_locked
    return rows.select_for_update(skip_locked=can_skip)


def _invalidate_rows(target: Target, user_ids: set[str]) -> bool:
    keys = keys_of(user_ids)
    told = target.invalidate_all() if keys is None else target.invalidate(keys)
    return told is not False
