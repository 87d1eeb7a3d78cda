"""What Redis must still be told to forget, kept in the database until it has confirmed.

Note [The outbox]
-----------------
A write that Redis did not hear of is as committed as any other, so the fact that somebody must
tell it is committed with the write: on PostgreSQL by triggers, for every change of a cached column
whoever makes it; on other databases by the ORM's path, where Redis did not take its barrier or
its invalidation. A row says only "forget this user": it is carried out by dropping the record and
any lease on it, and since the row is visible only after its transaction has committed, whatever is
filled later is that commit or a newer one. Carrying out twice is as good as once.

Who made the change through the ORM takes his row away himself, once Redis has confirmed; he finds
it by his label, which the triggers copy from a variable of the connection. Rows without a label
(raw SQL, another service) and rows of writes that Redis did not hear of are announced to the
relay at once; a labelled row is left to its writer for two seconds. What is left over is carried
out by the relay, by every process at its start, and by the process that sees Redis come back,
before it uses it again.
"""

import datetime
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections, models, router, transaction
from django.utils import timezone

from usercache import triggers
from usercache.codec import Codec, get_codec
from usercache.identifiers import clean_pk
from usercache.keys import record_key
from usercache.models import PendingInvalidation

BATCH: Final = 500
"""Rows carried out in one transaction and one round trip."""

WRITER_GRACE: Final = datetime.timedelta(seconds=2)
"""How long a row is left to the writer who labelled it."""

EVERYBODY: Final = "*"
"""In a row's user_id: every user must be forgotten."""


class Backlog(NamedTuple):
    """How much waits to be carried out, and for how long."""

    waiting: int
    oldest_seconds: float


def spell_labels(process_token: str) -> tuple[str, str]:
    """Return this thread's label for writes that Redis heard of, and that for those it did not.

    A thread makes one write after the other, so that its own rows are all older than the
    invalidation that it has just seen confirmed.
    """
    label = f"{process_token}{threading.get_ident():x}"
    return label, triggers.UNCONFIRMED + label


def read_identifiers(
    codec: Codec, using: str, pks: Sequence[Any], label: str
) -> list[dict[str, object]]:
    """Return these rows' identifiers, and label what this connection changes next. One query."""
    rows = codec.model._base_manager.using(using).filter(pk__in=pks)
    connection = connections[using]
    if not triggers.has_triggers(connection):
        return list(rows.values(*codec.identifiers))
    labelled = rows.annotate(
        usercache_label=triggers.labelling(label, for_transaction=connection.in_atomic_block)
    )
    return [
        {name: row[name] for name in codec.identifiers}
        for row in labelled.values("usercache_label", *codec.identifiers)
    ]


def note(using: str, user_ids: Iterable[Any], label: str = "") -> None:
    """Write rows, where no trigger does; within the caller's transaction, if there is one."""
    PendingInvalidation.objects.using(using).bulk_create(
        PendingInvalidation(user_id=str(user_id), write_label=label) for user_id in user_ids
    )


def settle(using: str, labels: Sequence[str], user_ids: Iterable[Any]) -> None:
    """Take this thread's rows of these users away, Redis having confirmed. One statement."""
    ids, connection = [str(user_id) for user_id in user_ids], connections[using]
    if triggers.has_triggers(connection):
        triggers.clear_label_and_delete(connection, list(labels), ids)
    else:
        rows = PendingInvalidation.objects.using(using)
        rows.filter(write_label__in=labels, user_id__in=ids).delete()


def carry_out(forget: Callable[[Sequence[str]], bool], *, overdue_only: bool) -> int:
    """Have what waits forgotten, and return how many rows that was.

    `forget` takes record keys, or `EVERYBODY` alone, and says whether Redis confirmed; where it
    did not, the rows stay. Several processes may do this at once. With `overdue_only`, as the relay
    does it, each takes rows that no other has in hand, and leaves labelled ones to their writers
    for a while. Without, as one who is about to trust Redis, it waits for those in others' hands.
    """
    using, done = get_alias(), 0
    while True:
        with transaction.atomic(using=using):
            rows = _take_rows(using, overdue_only=overdue_only)
            if not rows or not _forget_rows(forget, rows):
                return done
            taken = PendingInvalidation.objects.using(using).filter(pk__in=[r.pk for r in rows])
            done += taken.delete()[0]


def get_backlog() -> Backlog:
    """Return how much waits, and how old the oldest is. One query."""
    found = PendingInvalidation.objects.using(get_alias()).aggregate(
        waiting=models.Count("pk"), oldest=models.Min("created_at")
    )
    oldest = found["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return Backlog(found["waiting"], max(0.0, age))


def get_alias() -> str:
    """Return the database that users are written to, where the outbox is too."""
    return router.db_for_write(get_user_model())


def _take_rows(using: str, *, overdue_only: bool) -> list[PendingInvalidation]:
    rows = PendingInvalidation.objects.using(using).order_by("pk")
    if overdue_only:
        rows = rows.filter(
            models.Q(write_label="")
            | models.Q(write_label__startswith=triggers.UNCONFIRMED)
            | models.Q(created_at__lt=timezone.now() - WRITER_GRACE)
        )
    can_skip = connections[using].features.has_select_for_update_skip_locked
    return list(rows.select_for_update(skip_locked=overdue_only and can_skip)[:BATCH])


def _forget_rows(
    forget: Callable[[Sequence[str]], bool], rows: Sequence[PendingInvalidation]
) -> bool:
    user_ids = {row.user_id for row in rows}
    if EVERYBODY in user_ids:
        return forget([EVERYBODY])
    # What can't be a key of this model is in no cache either; it must not stop the others.
    model = get_codec().model
    pks = [pk for user_id in sorted(user_ids) if (pk := clean_pk(model, user_id)) is not None]
    return forget([record_key(pk) for pk in pks])
