"""The text that the directory's search looks into, and PostgreSQL's indexes on it.

Note [Search by trigrams]
-------------------------
A word may occur anywhere in any of several columns, in any case. So the columns are searched as
one text in capitals, with line breaks between them, which no word has, and the extension pg_trgm
indexes all runs of three characters of it. A word of one or two characters has no such run: for
it PostgreSQL reads all active users. Without the extension it does so for every word
(accounts.W001).

The indexes are made after each `migrate`, so that an extension installed later is used, too.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.db import connections, models, router
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.models import User

SEPARATOR: Final = " || '\n' || "
PUBLIC_COLUMNS: Final = ("first_name", "last_name", "username", "occupation", "location")
CONTACT_COLUMNS: Final = ("email", "phone")
INDEXES: Final = {
    "users_public_search": PUBLIC_COLUMNS,
    "users_contact_search": CONTACT_COLUMNS,
}
IS_AVAILABLE: Final = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'"
CREATE_EXTENSION: Final = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
CREATE_INDEX: Final = (
    "CREATE INDEX IF NOT EXISTS {name} ON {table} USING gin (upper(({text})::text) gin_trgm_ops) "
    "WHERE is_active"
)


class OrEmpty(models.Func):
    """The text of a column, or an empty one where it has none."""

    template = "COALESCE(%(expressions)s, '')"


class JoinedColumns(models.Func):
    """Several columns as one text."""

    template = "(%(expressions)s)"
    arg_joiner = SEPARATOR
    output_field = models.TextField()

    def __init__(self, *columns: str) -> None:
        """Take their names."""
        super().__init__(*map(OrEmpty, columns))


def install_indexes(*, using: str, **_kwargs: Any) -> None:
    """Make the indexes and the extension that they need; a receiver of `post_migrate`.

    Raises: django.db.ProgrammingError if this role may not create the extension.
    """
    connection = connections[using]
    if connection.vendor != "postgresql" or not _has_users(connection):
        return
    with connection.cursor() as cursor:
        cursor.execute(IS_AVAILABLE)
        if not cursor.fetchone()[0]:
            return
        cursor.execute(CREATE_EXTENSION)
        for name, columns in INDEXES.items():
            text = _format_text(connection, columns)
            table = connection.ops.quote_name(User._meta.db_table)
            cursor.execute(CREATE_INDEX.format(name=name, table=table, text=text))


def check_indexes(*, databases: Collection[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that PostgreSQL searches by an index (W001); asks the database."""
    alias = router.db_for_write(User)
    connection = connections[alias]
    if alias not in (databases or ()) or connection.vendor != "postgresql":
        return []
    if not _has_users(connection) or not _is_missing(connection):
        return []
    return [
        CheckWarning(
            "Each search of the directory reads all users, for want of an index.",
            hint="Install PostgreSQL's additional modules, of which pg_trgm is one, and run "
            "`manage.py migrate`.",
            id="accounts.W001",
        )
    ]


def _has_users(connection: BaseDatabaseWrapper) -> bool:
    return User._meta.db_table in connection.introspection.table_names()


def _is_missing(connection: BaseDatabaseWrapper) -> bool:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, User._meta.db_table)
    return not found.keys() >= INDEXES.keys()


def _format_text(connection: BaseDatabaseWrapper, columns: Sequence[str]) -> str:
    # As JoinedColumns is written in a query, or the index isn't used.
    quoted = map(connection.ops.quote_name, columns)
    return SEPARATOR.join(f"COALESCE({name}, '')" for name in quoted)
