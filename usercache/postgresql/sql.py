"""The SQL of the triggers; `{names}` are filled in by `triggers.py`.

Note [Who listens]
------------------
A commit with a notification waits for every other such commit, so the outbox's trigger notifies
only if a process listens. Two advisory locks of the database decide that, so that no change is
missed, and nothing stays behind of a process that was killed:

- *listening* is held by each listener, shared, for the life of its session. The trigger tries
  to take it alone: if it can't, somebody listens. It gives the lock back in the same expression,
  within which PostgreSQL doesn't look for a cancellation. A session that kept it nevertheless would
  only have others notify in vain, and no new listener, until it ends.
- *changing* is held, shared, to the end of each transaction that found nobody listening: it commits
  without a notification. A new listener takes *listening* first, and then *changing* alone, for
  a moment: so it has waited for all such transactions. No transaction ever waits: one
  that can't have *changing* at once, since somebody is waiting for it, notifies.

An isolation level makes no difference, since locks are no rows of a snapshot. Two transactions that
try *listening* in the same moment may take each other for a listener, and notify in vain.
"""

from typing import Final

# `use_column`: a column may have the name of one of plpgsql's variables.
_OPEN: Final = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
#variable_conflict use_column
DECLARE usercache_label text := '';
BEGIN
  IF TG_LEVEL = 'STATEMENT' AND pg_trigger_depth() = 1
     AND starts_with(current_query(), '{opening}') THEN
    usercache_label := substr(current_query(), {label_start}, {label_characters});
  END IF;
  BEGIN
    IF TG_OP = 'TRUNCATE' THEN
      INSERT INTO {outbox} ({columns}) VALUES ('{everybody}', '', false, clock_timestamp());
"""

_NOTE_USERS: Final = """
    ELSIF TG_LEVEL = 'ROW' THEN
      INSERT INTO {outbox} ({columns})
      SELECT user_key, '', false, clock_timestamp()
      FROM (SELECT OLD.{key}::text AS user_key UNION SELECT NEW.{key}::text) AS keys
      WHERE user_key IS NOT NULL AND record_image_ne(ROW({old}), ROW({new}));
    ELSIF TG_OP = 'INSERT' THEN
      INSERT INTO {outbox} ({columns})
      SELECT {key}::text, usercache_label,
        (SELECT count(*) > {bulk_rows} FROM new_rows), clock_timestamp()
      FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
      INSERT INTO {outbox} ({columns})
      SELECT {key}::text, usercache_label,
        (SELECT count(*) > {bulk_rows} FROM old_rows), clock_timestamp()
      FROM old_rows;
    ELSE
      INSERT INTO {outbox} ({columns})
      SELECT user_key, usercache_label,
        (SELECT count(*) > {bulk_rows} FROM old_rows), clock_timestamp()
      FROM (SELECT {key}::text COLLATE "C" AS user_key, ROW({cached}) AS image FROM old_rows) AS o
      FULL JOIN (SELECT {key}::text COLLATE "C" AS user_key, ROW({cached}) AS image FROM new_rows)
        AS n USING (user_key)
      WHERE record_image_ne(o.image, n.image) IS NOT FALSE;
"""

# `{record}` is an expression over a row. Rows aren't compared: these tables are written rarely.
_NOTE_RECORDS: Final = """
    ELSIF TG_LEVEL = 'ROW' THEN
      INSERT INTO {outbox} ({columns})
      SELECT record, '', false, clock_timestamp()
      FROM (SELECT {old_record} AS record UNION SELECT {new_record}) AS records
      WHERE record IS NOT NULL;
    ELSIF TG_OP = 'INSERT' THEN
      INSERT INTO {outbox} ({columns})
      SELECT record, usercache_label, count(*) OVER () > {bulk_rows}, clock_timestamp()
      FROM (SELECT DISTINCT {record} AS record FROM new_rows) AS records;
    ELSIF TG_OP = 'DELETE' THEN
      INSERT INTO {outbox} ({columns})
      SELECT record, usercache_label, count(*) OVER () > {bulk_rows}, clock_timestamp()
      FROM (SELECT DISTINCT {record} AS record FROM old_rows) AS records;
    ELSE
      INSERT INTO {outbox} ({columns})
      SELECT record, usercache_label, count(*) OVER () > {bulk_rows}, clock_timestamp()
      FROM (SELECT {record} AS record FROM old_rows UNION SELECT {record} FROM new_rows)
        AS records;
"""

_CLOSE: Final = """
    END IF;
    IF NOT FOUND THEN RETURN NULL; END IF;
  EXCEPTION WHEN undefined_column THEN
    usercache_label := '';
    INSERT INTO {outbox} ({columns}) VALUES ('{everybody}', '', false, clock_timestamp());
  END;
  IF usercache_label = '' AND current_setting('max_prepared_transactions') = '0' THEN
    PERFORM pg_notify('{channel}', '');
  END IF;
  RETURN NULL;
END $body$;
REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC;
"""

LOCKS: Final = 1_970_496_882
"""The first key of both advisory locks: "user" in ASCII."""
CHANGING: Final = 1
LISTENING: Final = 2

# Called also after a statement that has added no row.
CREATE_TELLING_FUNCTION: Final = f"""
CREATE FUNCTION {{function}}() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
  added bigint;
  longest integer;
BEGIN
  IF current_setting('max_prepared_transactions') <> '0' THEN RETURN NULL; END IF;
  IF pg_try_advisory_xact_lock_shared({LOCKS}, {CHANGING}) AND (
    CASE WHEN pg_try_advisory_lock({LOCKS}, {LISTENING})
      THEN pg_advisory_unlock({LOCKS}, {LISTENING}) ELSE false END
  ) THEN RETURN NULL; END IF;
  SELECT count(*), max(octet_length(user_id)) INTO added, longest FROM new_rows;
  IF added > {{bulk_rows}} OR longest > {{longest_payload}} THEN
    PERFORM pg_notify('{{channel}}', '{{everybody}}');
  ELSE
    PERFORM pg_notify('{{channel}}', user_id) FROM new_rows;
  END IF;
  RETURN NULL;
END $body$;
REVOKE EXECUTE ON FUNCTION {{function}}() FROM PUBLIC;
CREATE TRIGGER usercache_tell_listeners AFTER INSERT ON {{outbox}}
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {{function}}();
ALTER TABLE {{outbox}} ENABLE ALWAYS TRIGGER usercache_tell_listeners;
"""  # noqa: S608  # constants of ours

# In this order: see Note [Who listens].
BEGIN_LISTENING: Final = (
    f"SELECT pg_advisory_lock_shared({LOCKS}, {LISTENING})",
    f"SELECT pg_advisory_xact_lock({LOCKS}, {CHANGING})",
)

CREATE_FUNCTION: Final = _OPEN + _NOTE_USERS + _CLOSE
CREATE_EXTENSION_FUNCTION: Final = _OPEN + _NOTE_RECORDS + _CLOSE

# A block with an exception costs no transaction id as long as it writes nothing.
CREATE_VERSION_TRIGGER: Final = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
  NEW.{version} := OLD.{version} + record_image_ne(ROW({old}), ROW({new}))::int;
  RETURN NEW;
EXCEPTION WHEN undefined_column THEN
  RETURN NEW;
END $body$;
REVOKE EXECUTE ON FUNCTION {function}() FROM PUBLIC;
CREATE TRIGGER usercache_raise_version BEFORE UPDATE ON {table}
  FOR EACH ROW EXECUTE FUNCTION {function}();
"""

CREATE_TRIGGERS: Final = """
CREATE TRIGGER usercache_note_insert AFTER INSERT ON {table}
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER usercache_note_update AFTER UPDATE ON {table}
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER usercache_note_delete AFTER DELETE ON {table}
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER usercache_note_truncate AFTER TRUNCATE ON {table}
  FOR EACH STATEMENT EXECUTE FUNCTION {function}();
CREATE TRIGGER usercache_note_replicated AFTER INSERT OR UPDATE OR DELETE ON {table}
  FOR EACH ROW WHEN (current_setting('session_replication_role') = 'replica')
  EXECUTE FUNCTION {function}();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER usercache_note_truncate;
ALTER TABLE {table} ENABLE REPLICA TRIGGER usercache_note_replicated;
"""

# On whatever table: those of an earlier user model are useless.
REMOVE: Final = """
DO $body$
DECLARE found_one regprocedure;
BEGIN
  FOR found_one IN SELECT oid FROM pg_catalog.pg_proc
    WHERE pronamespace = '{schema}'::regnamespace AND starts_with(proname, '{function}')
  LOOP
    EXECUTE 'DROP FUNCTION ' || found_one || ' CASCADE';
  END LOOP;
END $body$;
"""

LOCATE: Final = """
SELECT c.oid, quote_ident(n.nspname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s) AND c.relkind IN ('r', 'p')
"""

# A partition has copies of its parent's triggers.
INSTALLED: Final = """
SELECT t.tgrelid::bigint, t.tgname, t.tgenabled::text, obj_description(p.oid, 'pg_proc')
FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.pronamespace = %s::regnamespace AND starts_with(p.proname, %s) AND t.tgparentid = 0
"""

# Nobody waits for the disk, nor for a standby: a row that comes back with a crash is drained again.
ACKNOWLEDGE: Final = """
DELETE FROM {outbox} AS pending
USING (SELECT set_config('synchronous_commit', 'off', true)) AS asynchronous,
  unnest(%s::text[], %s::text[]) AS confirmed (label, user_id)
WHERE pending.write_label = confirmed.label AND pending.user_id = confirmed.user_id
"""
