"""Deletes rows of the outbox that Redis has confirmed, in batches, while no request waits.

Note [Acknowledgements]
-----------------------
Once Redis has confirmed an invalidation, the row that names it does nothing but cost a drain, so no
response waits until it is deleted. A thread deletes the rows of all writes of a moment in one
statement. What it doesn't come to (the process is killed, the database fails, too many writes) is
drained as any other row is: see Note [The outbox] in `usercache/orm/outbox.py`.

A label that several writes share is acknowledged by each of them at once, since a later statement
may add a row to it that Redis hasn't confirmed.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from django.db import Error as AnyDatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache.events import Events
from usercache.lookup import Store
from usercache.models import PendingInvalidation
from usercache.postgresql import sql
from usercache.runtime import Service
from usercache.workers import Worker

logger = logging.getLogger(__name__)

GATHERING_SECONDS: Final = 0.2
"""How long a row waits for those of other writes; much shorter than outbox.WRITER_GRACE."""
MOST_ROWS: Final = 10_000
"""That wait at once; beyond them, each write deletes its own."""


class Confirmed(NamedTuple):
    """A row of the outbox that does nothing any more."""

    using: str
    label: str
    user_id: str


class Acknowledgements:
    """The rows of this process that are to be deleted, and the thread that does it."""

    def __init__(self) -> None:
        """Take nothing before `extend()`."""
        self._rows = deque[Confirmed]()
        self._called = threading.Event()
        self._worker: Worker | None = None

    def extend(self, store: Store) -> Iterable[Service]:
        """Restart with a new store of this process; see `usercache.runtime.Extension`."""
        self._rows, self._called = deque(), threading.Event()
        worker = Worker(
            "usercache-acknowledgements",
            lambda: self._run(worker.ended, store.events),
            store.events.note_unexpected,
            called=self._called,
        )
        self._worker = worker
        return [self]

    def start(self) -> None:
        """Start the thread; raises `RuntimeError` where there can't be one."""
        if self._worker is not None:
            self._worker.start()

    def end(self) -> None:
        """Delete what is left, and stop the thread."""
        if self._worker is not None:
            self._worker.end()

    def take(self, using: str, label: str, user_ids: Sequence[str]) -> bool:
        """Have these rows deleted soon; return False where the caller must do it."""
        worker = self._worker
        if worker is None or not worker.is_alive or worker.ended.is_set():
            return False
        if len(self._rows) + len(user_ids) > MOST_ROWS:
            return False
        self._rows.extend(Confirmed(using, label, user_id) for user_id in user_ids)
        self._called.set()
        return True

    def _run(self, ended: threading.Event, events: Events) -> None:
        while not ended.is_set():
            self._called.wait()
            ended.wait(GATHERING_SECONDS)
            self._called.clear()  # before: what is added from now on calls again
            try:
                self._delete(events)
            finally:
                connections.close_all()  # this thread's: a pool may have one for each request alone

    def _delete(self, events: Events) -> None:
        by_alias = dict[str, list[Confirmed]]()
        while self._rows:
            row = self._rows.popleft()
            by_alias.setdefault(row.using, []).append(row)
        for using, rows in by_alias.items():
            try:
                delete_rows(
                    connections[using], [row.label for row in rows], [row.user_id for row in rows]
                )
            except AnyDatabaseError as error:
                events.note_error(error)
                logger.warning("Confirmed rows were left in the outbox: %s", error)


def delete_rows(
    connection: BaseDatabaseWrapper, labels: Sequence[str], user_ids: Sequence[str]
) -> None:
    """Delete the rows that have one of these labels and its user. One statement."""
    outbox = connection.ops.quote_name(PendingInvalidation._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            sql.ACKNOWLEDGE.format(outbox=outbox), [list(map(str, labels)), list(user_ids)]
        )


ACKNOWLEDGEMENTS: Final = Acknowledgements()
"""Of this process."""
