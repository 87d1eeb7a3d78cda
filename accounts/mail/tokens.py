"""Tokens that are sent by mail: signed, for one use, and good for PASSWORD_RESET_TIMEOUT seconds.

Django's own generator makes them: the signature is over what their use changes.
"""

from typing import Final, NamedTuple

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.utils.http import (
    base36_to_int,
    int_to_base36,
    urlsafe_base64_decode,
    urlsafe_base64_encode,
)

from accounts.columns.fields import LARGEST_INTEGER
from accounts.errors import field_error
from accounts.models import User

SEPARATOR: Final = "."
INVALID: Final = "This isn't valid any more. Ask for another message."


class ResetTokens(PasswordResetTokenGenerator):
    """Ended by a new password, another email, a log-in, and the end of all sessions."""

    key_salt = "accounts.mail_tokens.ResetTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)} {user.token_version} {user.is_active}"


class EmailTokens(PasswordResetTokenGenerator):
    """For one address; ended by its confirmation, a new password, and the end of all sessions."""

    key_salt = "accounts.mail_tokens.EmailTokens"

    def __init__(self, new_email: str) -> None:
        """Take the address that the message goes to."""
        super().__init__()
        self._new_email = new_email

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        state = (user.password, user.token_version, user.is_active, user.is_email_verified)
        return f"{user.pk} {timestamp} {state} {user.email} {self._new_email}"


class ReopenTokens(PasswordResetTokenGenerator):
    """For a closed account; ended by its opening, and by whatever an admin does to it."""

    key_salt = "accounts.mail_tokens.ReopenTokens"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        state = (user.password, user.token_version, user.is_active, user.closed_at)
        return f"{user.pk} {timestamp} {state} {user.email}"


class MailToken(NamedTuple):
    """The parts of a token: whose it is, the address for one that confirms one, the signature."""

    user_id: int
    new_email: str
    signature: str

    def format(self) -> str:
        """Return the text, as in `7.YWxpY2VAZXhhbXBsZS5jb20.d2k…`."""
        address = urlsafe_base64_encode(self.new_email.encode())
        return SEPARATOR.join((int_to_base36(self.user_id), address, self.signature))


def make_reset_token(user: User) -> str:
    """Return a token that lets its owner choose a new password."""
    return MailToken(user.pk, "", ResetTokens().make_token(user)).format()


def make_email_token(user: User, new_email: str) -> str:
    """Return a token that makes this address the user's, and verified."""
    return MailToken(user.pk, new_email, EmailTokens(new_email).make_token(user)).format()


def make_reopen_token(user: User) -> str:
    """Return a token that lets its owner open their closed account again."""
    return MailToken(user.pk, "", ReopenTokens().make_token(user)).format()


def read_token(text: str) -> MailToken:
    """Return the parts of a token; the signature isn't checked.

    Raises: ValidationError.
    """
    try:
        user_id, address, signature = text.split(SEPARATOR)
        token = MailToken(
            base36_to_int(user_id), urlsafe_base64_decode(address).decode(), signature
        )
    except ValueError as error:
        raise refuse_token() from error
    if token.user_id > LARGEST_INTEGER:
        raise refuse_token()
    return token


def refuse_token() -> ValidationError:
    """Return the one refusal of whatever is wrong with a token."""
    return field_error("token", INVALID)
