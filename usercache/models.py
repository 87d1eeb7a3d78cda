"""The outbox, whose rows are committed changes that the cache may not know of; the dashboard."""

from django.db import models
from django.db.models.functions import Now


class PendingInvalidation(models.Model):
    """A user whom Redis must be told to forget; the row goes once Redis has confirmed it.

    On PostgreSQL triggers write it, whoever makes the change; elsewhere the ORM's path does,
    where it could not raise the barrier. See Note [The outbox] in `outbox.py`.
    """

    id = models.BigAutoField(primary_key=True)
    # Text and no foreign key: the row outlives the user, whatever the key's type.
    user_id = models.CharField(max_length=255)
    # Of the write that will take the row away itself; empty where nobody will.
    write_label = models.CharField(max_length=32, blank=True, db_default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["write_label"], name="usercache_outbox_label")]

    def __str__(self) -> str:
        """Say who is to be forgotten."""
        return f"invalidation of user {self.user_id}"


class Dashboard(PendingInvalidation):
    """The dashboard's place in the admin's index, and its permissions; it has no rows of its own.

    A proxy, since whatever goes through all tables, as dumpdata does, would look for that of an
    unmanaged model.
    """

    class Meta:
        proxy = True
        default_permissions = ("view",)
        permissions = [("clear_cache", "Can clear the user cache")]
        verbose_name = verbose_name_plural = "dashboard"

    def __str__(self) -> str:
        """Say what an entry of the admin's log is about."""
        return "user cache"
