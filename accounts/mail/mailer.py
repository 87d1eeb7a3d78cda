"""Messages to users, sent in the background: Note [Mail].

Note [Mail]
What is sent, and whether anything is, is decided on a thread of its own, after the answer: neither
its words nor its time tell who has an account. A message that can't be sent is logged without its
recipient, and not tried again: the user asks for another. While a hundred tasks wait, more are
dropped.
"""

from typing import Final, NamedTuple

from django.conf import settings
from django.core.mail import send_mail

from accounts.limits.background import BackgroundTasks

TOKEN: Final = "{token}"  # noqa: S105  # a placeholder


class TokenMessage(NamedTuple):
    """A message with a link that holds a token."""

    subject: str
    request: str
    """What somebody wants, and what the link is for."""
    url: str
    """The setting with the link's page; without one, the token stands by itself."""


RESET: Final = TokenMessage(
    "Choose a new password",
    "Somebody, probably you, wants to choose a new password for {email}.",
    "AUTH_RESET_PASSWORD_URL",
)
CONFIRM: Final = TokenMessage(
    "Confirm your email address",
    "Confirm that {email} is your address:",
    "AUTH_CONFIRM_EMAIL_URL",
)
REGISTER: Final = TokenMessage(
    "Confirm your new account",
    """Somebody, probably you, wants an account with {email}.
To make it, confirm that this is your address, with the password you chose:""",
    "AUTH_CONFIRM_EMAIL_URL",
)
REOPEN: Final = TokenMessage(
    "Open your account again",
    "Somebody, probably you, wants to open the closed account of {email} again.",
    "AUTH_REOPEN_ACCOUNT_URL",
)
ONCE: Final = (
    """This works once, within {minutes} minutes. If it wasn't you, ignore this message."""
)
EXISTS_SUBJECT: Final = "You have an account already"
EXISTS: Final = """Somebody, probably you, wanted to make an account with {email}, which has one.

Log in with it. If you don't know your password any more, ask for a new one
there; if you have closed the account, for opening it again. If it wasn't you,
ignore this message: nothing was changed.
"""
NEW_PASSWORD: Final = """If it wasn't you, choose a new password at once, which ends every session
and API key."""  # noqa: S105  # advice

MAILER: Final = BackgroundTasks("mailer", "A message can't be sent")


def send_token(message: TokenMessage, email: str, token: str) -> None:
    """Send a token to the address whose owner may use it."""
    url: str = getattr(settings, message.url)
    link = url.replace(TOKEN, token) if url else token
    once = ONCE.format(minutes=settings.PASSWORD_RESET_TIMEOUT // 60)
    text = f"{message.request.format(email=email)}\n\n{link}\n\n{once}\n"
    send_mail(message.subject, text, None, [email])


def send_account_exists(email: str) -> None:
    """Tell the owner of an address that somebody wanted to register with it."""
    send_mail(EXISTS_SUBJECT, EXISTS.format(email=email), None, [email])


def send_notice(email: str, what: str, advice: str = NEW_PASSWORD) -> None:
    """Tell the user what was changed, and what to do about it."""
    send_mail(what, f"{what}\n\n{advice}\n", None, [email])
