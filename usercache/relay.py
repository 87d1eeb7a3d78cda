"""The loop that carries the outbox out as it fills."""

import logging
import threading
from typing import Final

from django.db import Error as AnyDatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache import outbox, triggers
from usercache.process import carry_out

logger = logging.getLogger(__name__)

LONGEST_PAUSE_SECONDS: Final = 5.0
"""Between two tries while the database can't be reached."""


class Relay:
    """Wait for a call or for the next look, carry out what is due, and again.

    PostgreSQL calls by NOTIFY when a change was committed that Redis did not hear of; looking every
    `poll_seconds` finds what calls were lost, and what its writer left behind.
    """

    def __init__(self, poll_seconds: float) -> None:
        """Connect to nothing yet."""
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let `run()` return after what it has in hand; safe in a signal handler."""
        self._stopped.set()

    def run(self) -> int:
        """Relay until stopped, and return how many rows were carried out."""
        done, pause = 0, self._poll_seconds
        connection = connections[outbox.get_alias()]
        while not self._stopped.is_set():
            try:
                self._listen(connection)
                while not self._stopped.is_set():
                    done += carry_out(overdue_only=True)
                    pause = self._poll_seconds
                    self._wait(connection)
            except AnyDatabaseError as error:
                logger.warning("The database failed (%s); next try in %.1f s.", error, pause)
                connection.close()
                self._stopped.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        connection.close()
        return done

    def _listen(self, connection: BaseDatabaseWrapper) -> None:
        if triggers.has_triggers(connection):
            with connection.cursor() as cursor:
                cursor.execute(f"LISTEN {triggers.CHANNEL}")

    def _wait(self, connection: BaseDatabaseWrapper) -> None:
        if not triggers.has_triggers(connection):
            self._stopped.wait(self._poll_seconds)
            return
        with connection.wrap_database_errors:
            for _ in connection.connection.notifies(timeout=self._poll_seconds, stop_after=1):
                pass
