"""The trigger that refuses to change events; see Note [The security log]."""

from django.db import migrations

CREATE = """
CREATE FUNCTION security_events_are_final() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.at := statement_timestamp();
    RETURN NEW;
  END IF;
  IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW'
     AND current_setting('security_log.pruning', true) = 'on'
     AND OLD.at < statement_timestamp() - interval '30 days' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'The security log is append-only: % is refused.', TG_OP
    USING ERRCODE = 'restrict_violation';
END $body$;
CREATE TRIGGER security_events_are_final BEFORE INSERT OR UPDATE OR DELETE ON security_events
  FOR EACH ROW EXECUTE FUNCTION security_events_are_final();
CREATE TRIGGER security_events_stay BEFORE TRUNCATE ON security_events
  FOR EACH STATEMENT EXECUTE FUNCTION security_events_are_final();
"""
DROP = """
DROP TRIGGER security_events_are_final ON security_events;
DROP TRIGGER security_events_stay ON security_events;
DROP FUNCTION security_events_are_final();
"""


def create(_apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(CREATE, params=None)


def drop(_apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP, params=None)


class Migration(migrations.Migration):
    dependencies = [("security_log", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]
