"""The rows of this app: registrations that aren't confirmed."""

from django.db import models

from accounts.columns.fields import SHA256_HEX_LENGTH, EmailField
from accounts.models import EMAIL_MAX_LENGTH

HASH_MAX_LENGTH = 128
"""As in Django's users."""


class PendingRegistration(models.Model):
    """One registration; of an address there may be several, and the first one confirmed counts."""

    # Read access to this table is not enough to confirm.
    token_hash = models.CharField(max_length=SHA256_HEX_LENGTH, unique=True)
    email = EmailField(max_length=EMAIL_MAX_LENGTH, db_index=True)
    password = models.CharField(max_length=HASH_MAX_LENGTH)
    # The other columns of the user-to-be, by name.
    profile = models.JSONField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "pending_registrations"

    def __str__(self) -> str:
        """Name the end, and nobody's address."""
        return f"registration until {self.expires_at:%Y-%m-%d %H:%M}"
