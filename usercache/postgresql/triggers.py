"""The triggers: which tables they watch, whether they are there, how they get there.

Plain SQL, installed after each `migrate`, rather than a migration or django-pgtrigger: what the
triggers watch follows from the settings (the user model, `USERCACHE_FIELDS`, the optional apps),
which change without a migration of this app.

Note [Triggers]
---------------
- One call per statement, over all rows that it changed: the label is read once, and many rows cost
  little more than one. If a key has changed, both keys get a row in the outbox.
- Of an extension's table, a row in the outbox names a record, once for all rows of a statement.
- Rows are compared in their stored form. Equality may be missing (json), or ignore case
  (collations).
- Columns are named in the function's body only: the column list or WHEN clause of a trigger would
  forbid `ALTER COLUMN … TYPE`. Between a migration that renames or drops a column and the end of
  `migrate`, which installs the function for the new columns, each change invalidates every user; it
  doesn't fail.
- `session_replication_role = replica` disables triggers, and logical replication runs no statement
  triggers: there, a row trigger is enabled. The trigger for TRUNCATE is always enabled.
- A version (`USERCACHE_VERSION_FIELD`) is raised by a row trigger, whatever the statement assigns
  to it: an instance that was loaded earlier has an older one. Replicated rows keep their origin's.
- SECURITY DEFINER: a role that may change a user needs no right to the outbox. So every name that
  is not PostgreSQL's own is qualified, temporary objects are looked up last, and no other role may
  use the function on a table of its own.
- Each row of the outbox is told to the processes that listen, if any do, by a trigger of the
  outbox's own: see Note [Who listens] in `sql.py`.
- A transaction with a notification can't be prepared. Where PostgreSQL allows prepared transactions
  (`max_prepared_transactions`), there are no notifications: the relay polls, and nobody listens.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from usercache.codec import Codec
from usercache.conf import conf
from usercache.models import PendingInvalidation
from usercache.orm.outbox import EVERYBODY, ExtensionTable, extension_tables
from usercache.postgresql import sql
from usercache.postgresql.labels import (
    LABEL_CHARACTERS,
    OPENING,
    WatchedTable,
    names_of_tables,
    watched_tables,
)
from usercache.postgresql.notifications import CHANGES_CHANNEL, CHANNEL

FUNCTION: Final = "usercache_note_change"
BULK_ROWS: Final = 100
"""The rows of a statement that changes more are drained after those of smaller ones."""

LONGEST_PAYLOAD_BYTES: Final = 7_900
"""A notification with more would be an error; every user is dropped instead."""

TRIGGERS: Final = {
    "usercache_note_insert": "O",
    "usercache_note_update": "O",
    "usercache_note_delete": "O",
    "usercache_note_truncate": "A",
    "usercache_note_replicated": "R",
}
"""By name, when each is enabled, as in pg_trigger.tgenabled: origin, always, replica."""
OUTBOX_TRIGGERS: Final = {"usercache_tell_listeners": "A"}
"""The outbox's own."""
VERSION_TRIGGERS: Final = {"usercache_raise_version": "O"}
"""Of the table with the users' version."""


class _Place(NamedTuple):
    """Where a table is."""

    oid: int
    schema: str
    """Quoted."""


def has_outbox(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the outbox exists."""
    return _find_outbox(connection) is not None


def can_be_installed(connection: BaseDatabaseWrapper, codec: Codec) -> bool:
    """Return whether the outbox and all tables to watch exist as ordinary tables.

    A view and a foreign table have no triggers that see each change.
    """
    users = watched_tables(codec)
    return (
        _find_outbox(connection) is not None
        and all(table.has_users_key for table in users)
        and all(_locate(connection, name) for name in names_of_tables(codec))
    )


def install(connection: BaseDatabaseWrapper, codec: Codec) -> None:
    """Install the triggers on the tables, unless they match the settings already."""
    outbox = _find_outbox(connection)
    if outbox is None or is_installed(connection, codec):
        return
    statements = [sql.REMOVE.format(schema=outbox.schema, function=FUNCTION)]
    for formatted in _format_all(connection, codec, outbox):
        comment = f"COMMENT ON FUNCTION {formatted.function}() IS '{formatted.digest}';"
        statements += [formatted.statements, comment]
    with connection.cursor() as cursor:
        cursor.execute("".join(statements))


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop triggers and functions, before their outbox is dropped."""
    outbox = _find_outbox(connection)
    if outbox is not None:
        with connection.cursor() as cursor:
            cursor.execute(sql.REMOVE.format(schema=outbox.schema, function=FUNCTION))


def is_installed(connection: BaseDatabaseWrapper, codec: Codec) -> bool:
    """Return whether exactly the triggers for the settings are installed and enabled."""
    outbox = _find_outbox(connection)
    if outbox is None:
        return False
    wanted = {
        (place.oid, name, enabled, formatted.digest)
        for formatted in _format_all(connection, codec, outbox)
        if (place := _locate(connection, formatted.table))
        for name, enabled in formatted.triggers.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.INSTALLED, [outbox.schema, FUNCTION])
        return set(cursor.fetchall()) == wanted


def _find_outbox(connection: BaseDatabaseWrapper) -> _Place | None:
    return _locate(connection, PendingInvalidation._meta.db_table)


def _locate(connection: BaseDatabaseWrapper, table: str) -> _Place | None:
    with connection.cursor() as cursor:
        cursor.execute(sql.LOCATE, [connection.ops.quote_name(table)])
        found = cursor.fetchone()
    return None if found is None else _Place(*found)


class _Formatted(NamedTuple):
    """The function and triggers of one table."""

    table: str
    triggers: Mapping[str, str]
    function: str
    statements: str
    digest: str


def _format_all(
    connection: BaseDatabaseWrapper, codec: Codec, outbox: _Place
) -> Iterator[_Formatted]:
    quote = connection.ops.quote_name
    tables: list[WatchedTable | ExtensionTable] = [*watched_tables(codec), *extension_tables()]
    for number, table in enumerate(tables, start=1):
        function = f"{outbox.schema}.{FUNCTION}_{number}"
        if isinstance(table, WatchedTable):
            template, names = sql.CREATE_FUNCTION, _name_columns(quote, table)
        else:
            template, names = sql.CREATE_EXTENSION_FUNCTION, _name_records(quote, table)
        statements = (template + sql.CREATE_TRIGGERS).format(
            **_name_places(quote, table.name, function, outbox), **names
        )
        yield _Formatted(table.name, TRIGGERS, function, statements, _digest(statements))
        if isinstance(table, WatchedTable) and (version := _version_column(codec, table)):
            yield _format_version(quote, table, version, outbox)
    yield _format_telling(quote, outbox)


def _format_telling(quote: Callable[[str], str], outbox: _Place) -> _Formatted:
    table, function = PendingInvalidation._meta.db_table, f"{outbox.schema}.{FUNCTION}_tell"
    statements = sql.CREATE_TELLING_FUNCTION.format(
        **_name_places(quote, table, function, outbox) | {"channel": CHANGES_CHANNEL},
        longest_payload=LONGEST_PAYLOAD_BYTES,
    )
    return _Formatted(table, OUTBOX_TRIGGERS, function, statements, _digest(statements))


def _version_column(codec: Codec, table: WatchedTable) -> str:
    fields = codec.model._meta.concrete_fields
    names = {field.attname: str(field.column) for field in fields}
    column = names.get(conf.USERCACHE_VERSION_FIELD, "")
    return column if column in table.columns else ""


def _format_version(
    quote: Callable[[str], str], table: WatchedTable, version: str, outbox: _Place
) -> _Formatted:
    function = f"{outbox.schema}.{FUNCTION}_version"
    others = table._replace(columns=tuple(c for c in table.columns if c != version))
    statements = sql.CREATE_VERSION_TRIGGER.format(
        **_name_places(quote, table.name, function, outbox),
        **_name_columns(quote, others),
        version=quote(version),
    )
    return _Formatted(table.name, VERSION_TRIGGERS, function, statements, _digest(statements))


def _name_columns(quote: Callable[[str], str], table: WatchedTable) -> dict[str, str]:
    columns = list(map(quote, dict.fromkeys((table.key, *table.columns))))
    return {
        "key": quote(table.key),
        "cached": ", ".join(columns),
        "old": ", ".join(f"OLD.{column}" for column in columns),
        "new": ", ".join(f"NEW.{column}" for column in columns),
    }


def _name_records(quote: Callable[[str], str], table: ExtensionTable) -> dict[str, str]:
    names = dict[str, str]()
    for name, row in (("record", ""), ("old_record", "OLD."), ("new_record", "NEW.")):
        ending = f" || {row}{quote(table.column)}::text" if table.column else "::text"
        names[name] = f"'{table.record}'{ending}"
    return names


def _name_places(
    quote: Callable[[str], str], table: str, function: str, outbox: _Place
) -> dict[str, str | int]:
    return {
        "function": function,
        "table": quote(table),
        "outbox": f"{outbox.schema}.{quote(PendingInvalidation._meta.db_table)}",
        "columns": "user_id, write_label, is_bulk, created_at",
        "everybody": EVERYBODY,
        "channel": CHANNEL,
        "opening": OPENING,
        "label_start": len(OPENING) + 1,
        "label_characters": LABEL_CHARACTERS,
        "bulk_rows": BULK_ROWS,
    }


def _digest(statements: str) -> str:
    return "usercache " + hashlib.blake2b(statements.encode(), digest_size=8).hexdigest()
