"""The loop that drains the outbox as it fills, and how much is left in it."""

import logging
import threading
from contextlib import suppress
from typing import Final, NamedTuple

from django.db import Error as AnyDatabaseError
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from usercache.conf import conf
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.orm.outbox import Journal, journal_of
from usercache.runtime import get_store

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS: Final = 5.0
"""Between two attempts while the database can't be reached."""


class Backlog(NamedTuple):
    """How many rows are pending, and the age of the oldest."""

    waiting: int
    oldest_seconds: float


class Relay:
    """Wait for a notification or the next poll, drain what is due, repeat.

    PostgreSQL sends NOTIFY for a committed change that Redis did not take. Polling every
    `poll_seconds` covers lost notifications, and rows that a writer left behind.
    """

    def __init__(self, poll_seconds: float) -> None:
        """Connect to nothing yet."""
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let `run()` return after its present batch; safe in a signal handler."""
        self._stopped.set()

    def run(self) -> int:
        """Drain until stopped, and return how many rows were drained."""
        done, pause = 0, self._poll_seconds
        home = connections[outbox.get_alias()]
        journal = journal_of(connections[conf.USERCACHE_LISTEN_ALIAS or outbox.get_alias()])
        while not self._stopped.is_set():
            try:
                journal.listen()
                while not self._stopped.is_set():
                    done += outbox.drain(get_store(), overdue_only=True)
                    pause = self._poll_seconds
                    journal.wait(self._poll_seconds, self._stopped)
            except AnyDatabaseError as error:
                logger.warning("The database failed (%s); next try in %.1f s.", error, pause)
                _disconnect(journal, home)
                self._stopped.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        _disconnect(journal, home)
        return done


def _disconnect(journal: Journal, home: BaseDatabaseWrapper) -> None:
    # A pool would give a session that still listens to others of this process.
    with suppress(AnyDatabaseError):
        journal.unlisten()
    home.close()
    journal.connection.close()


def get_backlog() -> Backlog:
    """Return the number of pending rows, and the age of the oldest. One query."""
    found = PendingInvalidation.objects.using(outbox.get_alias()).aggregate(
        waiting=models.Count("pk"), oldest=models.Min("created_at")
    )
    oldest = found["oldest"]
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    return Backlog(found["waiting"], max(0.0, age))
