"""Makes the tables as the models are now: nobody has older ones."""

from django.db import migrations, models

from tests.project.models import PlainUser, RenamedUser


def create(model: type[models.Model]) -> migrations.CreateModel:
    """Return the operation that makes the model's table, if AUTH_USER_MODEL names it."""
    fields = (*model._meta.local_fields, *model._meta.local_many_to_many)
    options = {"db_table": model._meta.db_table, "swappable": model._meta.swappable}
    return migrations.CreateModel(
        model.__name__, [(field.name, field.clone()) for field in fields], options
    )


class Migration(migrations.Migration):
    initial = True
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]
    operations = [create(PlainUser), create(RenamedUser)]
