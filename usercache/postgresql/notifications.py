"""Notifications: whether they arrive, and the relay's wait for one."""

import logging
import select
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3

logger = logging.getLogger(__name__)

CHANNEL: Final = "usercache"
"""Of rows that anyone may drain."""
CHANGES_CHANNEL: Final = "usercache_changes"
"""Of all rows, by the user that each names, while somebody listens."""


def hears_notifications(connection: BaseDatabaseWrapper) -> bool:
    """Return whether notifications can reach this connection. One query.

    A connection pooler passes none on. It is found by the process id that it names when it is
    connected to: one of its own.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [(pid,)] = cursor.fetchall()
    return bool(pid == connection.connection.info.backend_pid)


def listen(connection: BaseDatabaseWrapper) -> bool:
    """Have `wait()` return at a notification; return False, and log why, where none arrives."""
    if not hears_notifications(connection):
        # Asked through it, a session would listen on behalf of all clients that get it next.
        logger.warning(
            "A connection pooler passes no notifications on, so changes past the ORM are looked "
            "for by polling alone (--poll). Set USERCACHE_LISTEN_ALIAS to an alias of DATABASES "
            "that leads past it.",
        )
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    return True


def unlisten(connection: BaseDatabaseWrapper) -> None:
    """Have no more notifications sent to this session."""
    with connection.cursor() as cursor:
        cursor.execute(f"UNLISTEN {CHANNEL}")


def wait(connection: BaseDatabaseWrapper, seconds: float) -> None:
    """Wait for a notification, up to so long; handlers of signals run meanwhile."""
    session = connection.connection
    with connection.wrap_database_errors:
        if is_psycopg3:
            for _ in session.notifies(timeout=seconds, stop_after=1):
                pass
        else:
            _wait_with_psycopg2(session, seconds)


def _wait_with_psycopg2(session: Any, seconds: float) -> None:
    # Some may have come with the answer to a query.
    if not session.notifies and select.select([session], [], [], seconds)[0]:
        session.poll()
    session.notifies.clear()
