"""The rows of this app: events."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from accounts.models import USER_AGENT_MAX_LENGTH

ABOUT_MAX_LENGTH = 200


class Event(models.TextChoices):
    """What can happen; `about` says of which session, key or columns."""

    ACCOUNT_CREATED = "account_created", "account created"
    ACCOUNT_DEACTIVATED = "account_deactivated", "account deactivated or closed"
    ACCOUNT_ACTIVATED = "account_activated", "account activated again"
    ACCOUNT_DELETED = "account_deleted", "account deleted"
    ACCOUNT_ERASED = "account_erased", "account erased, at its owner's wish"
    SESSION_STARTED = "session_started", "logged in"
    ADMIN_LOGIN = "admin_login", "logged in to the admin site"
    LOGIN_FAILED = "login_failed", "failed log-in"
    SESSION_ENDED = "session_ended", "session ended"
    TOKEN_REUSED = "token_reused", "session ended: a refresh token was used twice"
    TOKENS_REVOKED = "tokens_revoked", "logged out everywhere"
    PASSWORD_CHANGED = "password_changed", "password changed"
    EMAIL_CHANGED = "email_changed", "email changed"
    PHONE_CHANGED = "phone_changed", "phone changed"
    EMAIL_VERIFIED = "email_verified", "email verified"
    PRIVILEGES_CHANGED = "privileges_changed", "privileges changed"
    FACTOR_ON = "second_factor_on", "second factor switched on"
    FACTOR_OFF = "second_factor_off", "second factor switched off"
    CODES_REPLACED = "recovery_codes_replaced", "recovery codes replaced"
    CODE_USED = "recovery_code_used", "recovery code used"
    CODE_FAILED = "code_failed", "wrong code or passkey at log-in"
    PASSKEY_ADDED = "passkey_added", "passkey added"
    PASSKEY_REMOVED = "passkey_removed", "passkey removed"
    IDENTITY_LINKED = "identity_linked", "provider linked"
    IDENTITY_UNLINKED = "identity_unlinked", "provider unlinked"
    KEY_CREATED = "api_key_created", "API key made"
    KEY_REVOKED = "api_key_revoked", "API key revoked"


def list_events() -> list[tuple[str, str]]:
    """Return the choices of a column; by a function, a new event needs no migration."""
    return Event.choices


class SecurityEvent(models.Model):
    """One event; see Note [The security log]."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    event = models.CharField(max_length=30, choices=list_events)
    # Without a constraint: the event outlives its user. Null if there was no such account.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    # An admin, where it wasn't the user.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=USER_AGENT_MAX_LENGTH)
    about = models.CharField(max_length=ABOUT_MAX_LENGTH)

    class Meta:
        db_table = "security_events"
        indexes = [
            models.Index(fields=["user", "-id"], name="security_events_of_user"),
            models.Index(fields=["at"], name="security_events_by_time"),
        ]

    def __str__(self) -> str:
        """Name the event and its user."""
        return f"{self.get_event_display()}: user {self.user_id}"
