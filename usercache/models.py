"""The outbox: a row for each committed change that Redis has not confirmed."""

from django.db import models
from django.db.models.functions import Now


class PendingInvalidation(models.Model):
    """A user to invalidate in Redis; the row is deleted once Redis has confirmed.

    On PostgreSQL triggers insert it, for any client's change; elsewhere the ORM does if Redis did
    not take the write marker. See Note [The outbox] in `usercache/orm/outbox.py`.
    """

    id = models.BigAutoField(primary_key=True)
    # Text and no foreign key: the row outlives the user, whatever the key's type.
    user_id = models.CharField(max_length=255)
    # The write that deletes the row itself, since Redis knows of it; empty if there is none.
    write_label = models.CharField(max_length=32, blank=True, db_default="")
    # One of many rows that one statement changed; all other rows are drained first.
    is_bulk = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["write_label"], name="usercache_outbox_label"),
            models.Index(fields=["is_bulk", "id"], name="usercache_outbox_order"),
        ]

    def __str__(self) -> str:
        """Name the user."""
        return f"invalidation of user {self.user_id}"
