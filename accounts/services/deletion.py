"""What goes with a user's row beyond the rows that refer to it, in whichever way it is deleted."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_delete

from accounts.models import User
from accounts.pictures.discarded import discard_picture


def connect() -> None:
    """Listen."""
    post_delete.connect(_clean_up, sender=User, dispatch_uid="accounts.services.deletion")


def _clean_up(*, instance: User, **_kwargs: Any) -> None:
    discard_picture(instance)
    # The admin site's history repeats the email of each user that it tells of.
    history = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(User), object_id=str(instance.pk)
    )
    history.update(object_repr=f"user {instance.pk}")
