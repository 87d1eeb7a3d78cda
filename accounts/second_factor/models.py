"""The rows of this app: apps, recovery codes and passkeys; see Note [Second factor]."""

from django.conf import settings
from django.db import models

from accounts.columns.fields import SHA256_HEX_LENGTH
from accounts.columns.visible_text import validate_visible
from accounts.models import UsedOnce

PASSKEY_NAME_MAX_LENGTH = 100
# 1023 bytes in base64. Source: WebAuthn, section 4, "Credential ID".
CREDENTIAL_ID_MAX_LENGTH = 1364


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


class UsedChallenge(UsedOnce):
    """The challenge of a log-in by a passkey alone, which was answered."""

    class Meta:
        db_table = "second_factor_used_challenges"


class Passkey(models.Model):
    """A key of WebAuthn, which logs in alone or stands in for a code; we hold its public half."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=PASSKEY_NAME_MAX_LENGTH, validators=[validate_visible])
    # In base64url. One credential is one user's.
    credential_id = models.CharField(
        max_length=CREDENTIAL_ID_MAX_LENGTH, unique=True, editable=False
    )
    # As the authenticator attested it: id and public key.
    credential = models.BinaryField(editable=False)
    # How the authenticator names the user. Null for one that was made before this was kept: then it
    # is what SECRET_KEY makes of the id.
    user_handle = models.BinaryField(null=True, editable=False)
    # The last that the authenticator sent, which counts its signatures; 0 if it doesn't.
    sign_count = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        db_table = "second_factor_passkeys"

    def __str__(self) -> str:
        """Name the user."""
        return f"passkey of user {self.user_id}"
