"""Events that their user is told of by mail as well."""

from typing import Final

from accounts.mail.mailer import NEW_PASSWORD
from accounts.mail.notices import notify
from accounts.models import User
from accounts.security_log.models import Event
from accounts.security_log.recording import record

NOTICES: Final = {
    Event.EMAIL_CHANGED: "The email address of your account was changed",
    Event.PHONE_CHANGED: "The phone number of your account was changed",
    Event.FACTOR_ON: "Your account now has a second factor",
    Event.FACTOR_OFF: "Your account no longer has a second factor",
    Event.CODES_REPLACED: "The recovery codes of your account were replaced",
    Event.CODE_USED: "A recovery code of your account was used",
    Event.PASSKEY_ADDED: "A passkey was added to your account",
    Event.PASSKEY_REMOVED: "A passkey of your account was removed",
    Event.IDENTITY_LINKED: "A provider was linked to your account, and logs in to it",
    Event.IDENTITY_UNLINKED: "A provider was unlinked from your account",
    Event.KEY_CREATED: "An API key was made for your account",
    Event.KEY_REVOKED: "An API key of your account was revoked",
}
UNLINK: Final = """If it wasn't you, unlink it, and choose a new password at once, which ends
every session and API key."""
ADVICE: Final = {Event.IDENTITY_LINKED: UNLINK}
"""Where it isn't that of every notice."""


def announce(event: Event, user: User, *, about: str = "", email: str = "") -> None:
    """Record the event, and mail the user a notice once the transaction is committed.

    To `email`, if that is another than the user's: the one they had before.
    """
    record(event, user_id=user.pk, about=about)
    notify(email or user.email, NOTICES[event], ADVICE.get(event, NEW_PASSWORD))
