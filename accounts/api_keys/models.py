"""The rows of this app: API keys."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.columns.fields import SHA256_HEX_LENGTH

ID_LENGTH = 16
NAME_MAX_LENGTH = 100


class Scope(models.TextChoices):
    """What a key may do; each includes those before it."""

    READ = "read", "read"
    WRITE = "write", "read and write"


class ApiKey(models.Model):
    """A key with which a program signs in as a user."""

    # The part of the key that may be shown.
    id = models.CharField(primary_key=True, max_length=ID_LENGTH, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys"
    )
    name = models.CharField(max_length=NAME_MAX_LENGTH)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    # Of the whole key: read access to this table is not enough to sign in.
    key_hash = models.CharField(max_length=SHA256_HEX_LENGTH)
    # The user's at the time; a higher one ends the key.
    token_version = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"

    def __str__(self) -> str:
        """Name the key by what may be shown."""
        return f"API key {self.id}"
