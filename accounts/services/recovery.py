"""The ways that lead through a user's mailbox: a new password, a verified or another email.

Each `ask_…` answers at once, and the same for every email; see Note [Mail].
"""

from functools import partial

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.errors import AccountGone
from accounts.hooks import FIRST_PROOFS, OTHER_LOGINS
from accounts.mail import mailer
from accounts.mail.tokens import (
    EmailTokens,
    MailToken,
    ResetTokens,
    make_email_token,
    make_reset_token,
    read_token,
    refuse_token,
)
from accounts.models import User
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.active_users import load_active_user
from accounts.services.administration import set_password
from accounts.services.announcements import announce
from accounts.services.identifiers import save_with_free_identifiers


def ask_for_reset(*, email: str) -> None:
    """Mail a token for a new password to the active user with this email, if there is one.

    Not if they have neither a password nor another way to log in: so an admin locks people out.
    """
    mailer.MAILER.submit(partial(_mail_reset, email))


def reset_password(*, token: str, new_password: str) -> None:
    """Set a new password; every session ends, and the email counts as verified.

    Raises: ValidationError on `token` or `new_password`.
    """
    parts = read_token(token)
    with transaction.atomic():
        user = _load(parts)
        if parts.new_email or not ResetTokens().check_token(user, parts.signature):
            raise refuse_token()
        try:
            validate_password(new_password, user)
        except ValidationError as error:
            raise ValidationError({"new_password": error.messages}) from error
        user = set_password(user_id=user.pk, new_password=new_password)
        verify_email_of(user)


def ask_for_confirmation(*, user_id: int) -> None:
    """Mail a token to the user's own address."""
    mailer.MAILER.submit(partial(_mail_confirmation, user_id))


def ask_for_new_email(*, user_id: int, new_email: str) -> None:
    """Mail a token to the new address, if nobody has it. The caller checks the proof."""
    mailer.MAILER.submit(partial(_mail_confirmation, user_id, new_email))


def confirm_email(*, token: str) -> None:
    """Make the token's address the user's, verified; a former address is told.

    Raises: ValidationError on `token`, also if somebody else has the address by now.
    """
    parts = read_token(token)
    with transaction.atomic():
        user = _load(parts)
        if not parts.new_email or not _is_of_email(user, parts):
            raise refuse_token()
        former, user.email = user.email, parts.new_email
        is_first, user.is_email_verified = not user.is_email_verified, True
        try:
            save_with_free_identifiers(
                user, update_fields=["email", "is_email_verified", "updated_at"]
            )
        except ValidationError as error:
            raise refuse_token() from error
        if former != user.email:
            announce(Event.EMAIL_CHANGED, user, email=former)
        else:
            record(Event.EMAIL_VERIFIED, user_id=user.pk)
        if is_first:
            _begin_anew(user)


def verify_email_of(user: User) -> None:
    """Note that the user, whose row is locked, has shown that they read its mail."""
    if not user.is_email_verified:
        user.is_email_verified = True
        user.save(update_fields=["is_email_verified"])
        record(Event.EMAIL_VERIFIED, user_id=user.pk)
        _begin_anew(user)


def _begin_anew(user: User) -> None:
    for forget in FIRST_PROOFS.values():
        forget(user)


def _mail_reset(email: str) -> None:
    user = User.objects.filter(email=email, is_active=True).first()
    if user is not None and _may_log_in(user):
        mailer.send_token(mailer.RESET, user.email, make_reset_token(user))


def _may_log_in(user: User) -> bool:
    return user.has_usable_password() or any(find(user) for find in OTHER_LOGINS.values())


def _mail_confirmation(user_id: int, new_email: str | None = None) -> None:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or (user.is_email_verified and new_email in (None, user.email)):
        return
    email = new_email or user.email
    if email == user.email or not User.objects.filter(email=email).exists():
        mailer.send_token(mailer.CONFIRM, email, make_email_token(user, email))


def _load(parts: MailToken) -> User:
    try:
        return load_active_user(parts.user_id)
    except AccountGone as error:
        raise refuse_token() from error


def _is_of_email(user: User, parts: MailToken) -> bool:
    return EmailTokens(parts.new_email).check_token(user, parts.signature)
