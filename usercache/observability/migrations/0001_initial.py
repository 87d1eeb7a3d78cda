from django.db import migrations


class Migration(migrations.Migration):
    initial = True

    dependencies = [("usercache", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Dashboard",
            fields=[],
            options={
                "verbose_name": "dashboard",
                "verbose_name_plural": "dashboard",
                "permissions": [("clear_cache", "Can clear the user cache")],
                "proxy": True,
                "default_permissions": ("view",),
                "indexes": [],
                "constraints": [],
            },
            bases=("usercache.pendinginvalidation",),
        )
    ]
