"""What the triggers noted, and what has them note it."""

from typing import Any

from django.core.checks import Tags, run_checks
from django.db import connection, models

from usercache.models import PendingInvalidation

LABELLED = "/* usercache=0123456789abcdef */ "


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def check_ids() -> list[str]:
    found = run_checks(tags=[Tags.database], databases=["default"])
    return [m.id for m in found if m.id and m.id.startswith("usercache.")]


def noted() -> list[str]:
    """Return whose rows wait, each as often as it was noted, and take them away."""
    user_ids = sorted(PendingInvalidation.objects.values_list("user_id", flat=True))
    PendingInvalidation.objects.all().delete()
    return user_ids


def noted_labels() -> list[str]:
    return list(PendingInvalidation.objects.values_list("write_label", flat=True))


def make_model(
    name: str, /, *bases: type[models.Model], table: str = "people", **attributes: Any
) -> type[models.Model]:
    meta = type("Meta", (), {"app_label": "usercache", "db_table": table})
    attributes |= {"__module__": __name__, "Meta": meta}
    return type(name, bases or (models.Model,), attributes)
