"""The rows of this app: authenticator apps and recovery codes; see Note [Second factor]."""

from django.conf import settings
from django.db import models

SHA256_HEX_LENGTH = 64


class AuthenticatorApp(models.Model):
    """The secret that a user's authenticator app shares with us (TOTP, RFC 6238)."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    # Encrypted: read access to this table is not enough to make codes.
    secret = models.TextField(editable=False)
    # By the database's clock. Until it is confirmed, no log-in asks for it.
    created_at = models.DateTimeField(editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    # The time step of the last code that was used: it and those before it are used up.
    last_step = models.BigIntegerField(default=0, editable=False)

    class Meta:
        db_table = "second_factor_apps"

    def __str__(self) -> str:
        """Name the user."""
        return f"authenticator app of user {self.pk}"


class RecoveryCode(models.Model):
    """A code for one log-in without the authenticator app."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    code_hash = models.CharField(max_length=SHA256_HEX_LENGTH, editable=False)
    used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "second_factor_recovery_codes"
        constraints = [
            models.UniqueConstraint(fields=["user", "code_hash"], name="recovery_code_is_unique")
        ]

    def __str__(self) -> str:
        """Name the user."""
        return f"recovery code of user {self.user_id}"
