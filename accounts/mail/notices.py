"""What a user is told of by mail, at the address they had before."""

from functools import partial
from typing import Final

from django.db import transaction

from accounts.mail import mailer

PASSWORD_CHANGED: Final = "Your password was changed"  # noqa: S105  # a subject
KEY_CREATED: Final = "An API key was made for your account"
KEY_REVOKED: Final = "An API key of your account was revoked"
EMAIL_CHANGED: Final = "The email address of your account was changed"
PHONE_CHANGED: Final = "The phone number of your account was changed"
SECOND_FACTOR_ON: Final = "Your account now has a second factor"
SECOND_FACTOR_OFF: Final = "Your account no longer has a second factor"
PASSKEY_ADDED: Final = "A passkey was added to your account"
PASSKEY_REMOVED: Final = "A passkey of your account was removed"
RECOVERY_CODES_REPLACED: Final = "The recovery codes of your account were replaced"
RECOVERY_CODE_USED: Final = "A recovery code of your account was used"
ACCOUNT_CLOSED: Final = "Your account was closed"
ACCOUNT_REOPENED: Final = "Your account was opened again"
ACCOUNT_ERASED: Final = "Your account was erased"
IDENTITY_LINKED: Final = "A provider was linked to your account, and logs in to it"
UNLINK: Final = """If it wasn't you, unlink it, and choose a new password at once, which ends
every session and API key."""
IDENTITY_UNLINKED: Final = "A provider was unlinked from your account"


def notify(email: str, what: str, advice: str = mailer.NEW_PASSWORD) -> None:
    """Send a notice once the transaction is committed."""
    task = partial(mailer.send_notice, email, what, advice)
    transaction.on_commit(lambda: mailer.MAILER.submit(task), robust=True)
