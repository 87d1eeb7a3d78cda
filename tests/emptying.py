"""Empty the tables after a test with transactions, at the cost of what it wrote.

Django truncates every table instead and sends `post_migrate`, which makes the same content types
and permissions again: a hundred milliseconds for each of a thousand tests.
"""

from typing import Final

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase

from usercache.models import PendingInvalidation

MADE_BY_MIGRATE: Final = {ContentType._meta.db_table, Permission._meta.db_table}
"""Their ids stay as they are, so that a server that outlives the test may remember them."""


SECURITY_LOG: Final = "security_events"
"""Whose trigger refuses to delete rows; only the table's owner can do without it."""


def empty_after(case: TransactionTestCase) -> None:
    """Take the place of `TransactionTestCase._fixture_teardown`."""
    for alias in case._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        empty_written_tables(connections[alias])


def empty_written_tables(connection: BaseDatabaseWrapper) -> None:
    """Delete all rows but those that `migrate` makes."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    quote = connection.ops.quote_name
    with (
        transaction.atomic(connection.alias),
        # Elsewhere than on MySQL, foreign keys are checked at the commit: any order is right.
        connection.constraint_checks_disabled(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {quote(table)})"
                for table in set(tables) - MADE_BY_MIGRATE
            )
        )
        for (table,) in cursor.fetchall():
            if table == SECURITY_LOG and connection.vendor == "postgresql":
                _empty_security_log(cursor)
            else:
                cursor.execute(f"DELETE FROM {quote(table)}")
        if (outbox := PendingInvalidation._meta.db_table) in tables:
            # Triggers have noted the other deletions there.
            cursor.execute(f"DELETE FROM {quote(outbox)}")


def _empty_security_log(cursor: CursorWrapper) -> None:
    cursor.execute(
        f"ALTER TABLE {SECURITY_LOG} DISABLE TRIGGER USER; DELETE FROM {SECURITY_LOG}; "
        f"ALTER TABLE {SECURITY_LOG} ENABLE TRIGGER USER"
    )
