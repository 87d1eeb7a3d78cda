import django.db.models.functions.datetime
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from usercache.orm.outbox import journal_of


def remove_triggers(_apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers before the outbox that they write to."""
    journal_of(schema_editor.connection).remove()


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PendingInvalidation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("user_id", models.CharField(max_length=255)),
                ("write_label", models.CharField(blank=True, db_default="", max_length=32)),
                ("is_bulk", models.BooleanField(db_default=False)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["write_label"], name="usercache_outbox_label"),
                    models.Index(fields=["is_bulk", "id"], name="usercache_outbox_order"),
                ],
            },
        ),
        # The last, and so the first to be undone. They are installed at the end of `migrate`.
        migrations.RunPython(migrations.RunPython.noop, remove_triggers),
    ]
