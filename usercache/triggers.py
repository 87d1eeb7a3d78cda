"""PostgreSQL's part of the outbox: the triggers on the user table, and all SQL that goes with them.

Plain SQL, installed after each `migrate`, rather than a migration or django-pgtrigger: what the
triggers watch follows from the settings (the user model, `USERCACHE_FIELDS`), which change without
a migration of this app.
"""

import hashlib
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, TextField, Value

from usercache.codec import Codec
from usercache.models import PendingInvalidation

CHANNEL: Final = "usercache"
LABEL_VARIABLE: Final = "usercache.write"
UNCONFIRMED: Final = "!"
"""Begins the label of a write that Redis did not hear of: somebody else must, at once."""

UPDATE_TRIGGER: Final = "usercache_note_update"
DELETE_TRIGGER: Final = "usercache_note_delete"
FUNCTION: Final = "usercache_note_change"

# SECURITY DEFINER: whoever may change a user may leave a note, and need no right to the outbox.
# The search path is that of the installation, since another session's may lead elsewhere.
_INSTALL: Final = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $body$
DECLARE label text := coalesce(current_setting('{variable}', true), '');
BEGIN
  INSERT INTO {outbox} (user_id, write_label, created_at)
  VALUES (OLD.{pk}::text, label, clock_timestamp());
  IF label = '' OR left(label, 1) = '{unconfirmed}' THEN
    PERFORM pg_notify('{channel}', '');
  END IF;
  RETURN NULL;
END $body$;
DROP TRIGGER IF EXISTS {update_trigger} ON {users};
DROP TRIGGER IF EXISTS {delete_trigger} ON {users};
CREATE TRIGGER {update_trigger} AFTER UPDATE ON {users} FOR EACH ROW
  WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION {function}();
CREATE TRIGGER {delete_trigger} AFTER DELETE ON {users} FOR EACH ROW
  EXECUTE FUNCTION {function}();
"""

_INSTALLED: Final = """
SELECT obj_description(oid, 'pg_trigger') FROM pg_trigger
WHERE tgrelid = to_regclass(%s) AND tgname IN (%s, %s) AND tgenabled <> 'D'
"""


def has_triggers(connection: BaseDatabaseWrapper) -> bool:
    """Say whether this kind of database notes changes by triggers."""
    return connection.vendor == "postgresql"


def install(connection: BaseDatabaseWrapper, codec: Codec) -> None:
    """Put the triggers on the user table, unless those that the settings ask for are there."""
    if is_installed(connection, codec):
        return
    statements = _spell(connection, codec)
    users = connection.ops.quote_name(codec.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statements)
        for trigger in (UPDATE_TRIGGER, DELETE_TRIGGER):
            cursor.execute(f"COMMENT ON TRIGGER {trigger} ON {users} IS '{_digest(statements)}'")


def is_installed(connection: BaseDatabaseWrapper, codec: Codec) -> bool:
    """Say whether the triggers on the user table are those that the settings ask for."""
    users = connection.ops.quote_name(codec.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(_INSTALLED, [users, UPDATE_TRIGGER, DELETE_TRIGGER])
        installed = [description for (description,) in cursor.fetchall()]
    return installed == [_digest(_spell(connection, codec))] * 2


def labelling(label: str, *, for_transaction: bool) -> Func:
    """Return the expression that, when selected, labels what is changed from then on.

    The label holds until the transaction ends or, outside of one, until it is cleared.
    """
    return Func(
        Value(LABEL_VARIABLE),
        Value(label),
        Value(for_transaction),
        function="set_config",
        output_field=TextField(),
    )


def set_label(connection: BaseDatabaseWrapper, label: str) -> None:
    """Label what this transaction changes, or outside of one this connection. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config(%s, %s, %s)", [LABEL_VARIABLE, label, connection.in_atomic_block]
        )


def clear_label_and_delete(
    connection: BaseDatabaseWrapper, labels: list[str], user_ids: list[str]
) -> None:
    """Take the rows of these labels and users away, and label nothing more. One statement."""
    outbox = connection.ops.quote_name(PendingInvalidation._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH cleared AS (SELECT set_config(%s, '', false)) DELETE FROM {outbox} "  # noqa: S608  # a table's name
            "USING cleared WHERE write_label = ANY(%s) AND user_id = ANY(%s)",
            [LABEL_VARIABLE, labels, user_ids],
        )


def _spell(connection: BaseDatabaseWrapper, codec: Codec) -> str:
    quote, meta = connection.ops.quote_name, codec.model._meta
    columns = [quote(str(f.column)) for f in meta.concrete_fields if f.attname in codec.field_set]
    return _INSTALL.format(
        function=FUNCTION,
        variable=LABEL_VARIABLE,
        unconfirmed=UNCONFIRMED,
        channel=CHANNEL,
        update_trigger=UPDATE_TRIGGER,
        delete_trigger=DELETE_TRIGGER,
        outbox=quote(PendingInvalidation._meta.db_table),
        users=quote(meta.db_table),
        pk=quote(str(meta.pk.column)),
        old=", ".join(f"OLD.{column}" for column in columns),
        new=", ".join(f"NEW.{column}" for column in columns),
    )


def _digest(statements: str) -> str:
    return "usercache " + hashlib.blake2b(statements.encode(), digest_size=8).hexdigest()
