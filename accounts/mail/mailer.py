"""Messages to users, sent in the background: Note [Mail].

Note [Mail]
What is sent, and whether anything is, is decided on a thread of its own, after the answer: neither
its words nor its time tell who has an account. A message that can't be sent is logged without its
recipient, and not tried again: the user asks for another. While a hundred tasks wait, more are
dropped.
"""

from typing import Final

from django.conf import settings
from django.core.mail import send_mail

from accounts.limits.background import BackgroundTasks

TOKEN: Final = "{token}"  # noqa: S105  # a placeholder

RESET_SUBJECT: Final = "Choose a new password"
RESET: Final = """Somebody, probably you, wants to choose a new password for {email}.

{link}

This works once, within {minutes} minutes. If it wasn't you, ignore this message.
"""
CONFIRM_SUBJECT: Final = "Confirm your email address"
CONFIRM: Final = """Confirm that {email} is your address:

{link}

This works once, within {minutes} minutes. If it wasn't you, ignore this message.
"""
REGISTER_SUBJECT: Final = "Confirm your new account"
REGISTER: Final = """Somebody, probably you, wants an account with {email}.
To make it, confirm that this is your address, with the password you chose:

{link}

This works once, within {minutes} minutes. If it wasn't you, ignore this message.
"""
EXISTS_SUBJECT: Final = "You have an account already"
EXISTS: Final = """Somebody, probably you, wanted to make an account with {email}, which has one.

Log in with it. If you don't know your password any more, ask for a new one
there; if you have closed the account, for opening it again. If it wasn't you,
ignore this message: nothing was changed.
"""
REOPEN_SUBJECT: Final = "Open your account again"
REOPEN: Final = """Somebody, probably you, wants to open the closed account of {email} again.

{link}

This works once, within {minutes} minutes. If it wasn't you, ignore this message.
"""
NEW_PASSWORD: Final = """If it wasn't you, choose a new password at once, which ends every session
and API key."""  # noqa: S105  # advice

MAILER: Final = BackgroundTasks("mailer", "A message can't be sent")


def send_reset(email: str, token: str) -> None:
    """Send the token that lets its owner choose a new password."""
    _send(RESET_SUBJECT, RESET, email, _make_link(settings.AUTH_RESET_PASSWORD_URL, token))


def send_confirmation(email: str, token: str) -> None:
    """Send the token that shows that its owner reads the mail of this address."""
    _send(CONFIRM_SUBJECT, CONFIRM, email, _make_link(settings.AUTH_CONFIRM_EMAIL_URL, token))


def send_registration(email: str, token: str) -> None:
    """Send the token that makes the account with this address."""
    _send(REGISTER_SUBJECT, REGISTER, email, _make_link(settings.AUTH_CONFIRM_EMAIL_URL, token))


def send_account_exists(email: str) -> None:
    """Tell the owner of an address that somebody wanted to register with it."""
    send_mail(EXISTS_SUBJECT, EXISTS.format(email=email), None, [email])


def send_reopening(email: str, token: str) -> None:
    """Send the token that lets its owner open their closed account again."""
    _send(REOPEN_SUBJECT, REOPEN, email, _make_link(settings.AUTH_REOPEN_ACCOUNT_URL, token))


def send_notice(email: str, what: str, advice: str = NEW_PASSWORD) -> None:
    """Tell the user what was changed, and what to do about it."""
    send_mail(what, f"{what}\n\n{advice}\n", None, [email])


def _make_link(url: str, token: str) -> str:
    return url.replace(TOKEN, token) if url else token


def _send(subject: str, text: str, email: str, link: str) -> None:
    minutes = settings.PASSWORD_RESET_TIMEOUT // 60
    send_mail(subject, text.format(email=email, link=link, minutes=minutes), None, [email])
