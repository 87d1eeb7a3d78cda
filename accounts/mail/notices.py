"""What a user is told of by mail; `services/announcements.py` has what is recorded with it."""

from functools import partial
from typing import Final

from django.db import transaction

from accounts.mail import mailer

PASSWORD_CHANGED: Final = "Your password was changed"  # noqa: S105  # a subject
ACCOUNT_CLOSED: Final = "Your account was closed"
ACCOUNT_REOPENED: Final = "Your account was opened again"
ACCOUNT_ERASED: Final = "Your account was erased"


def notify(email: str, what: str, advice: str = mailer.NEW_PASSWORD) -> None:
    """Send a notice once the transaction is committed."""
    task = partial(mailer.send_notice, email, what, advice)
    transaction.on_commit(lambda: mailer.MAILER.submit(task), robust=True)
