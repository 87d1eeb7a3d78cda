"""Closing an account, opening it again, and erasure; see Note [Leaving]."""

from datetime import timedelta
from functools import partial
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.errors import field_error
from accounts.mail import mailer
from accounts.mail.notices import ACCOUNT_CLOSED, ACCOUNT_ERASED, ACCOUNT_REOPENED, notify
from accounts.mail.tokens import ReopenTokens, make_reopen_token, read_token, refuse_token
from accounts.models import User
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.active_users import load_active_user
from accounts.services.administration import activate_user, deactivate_user
from accounts.services.proof import Proof, check_proof
from accounts.services.recovery import verify_email_of

BATCH: Final = 100
PRIVILEGED: Final = Q(is_admin=True) | Q(is_superuser=True)
STAFF: Final = "Admins can't be erased. Have a superuser take your privileges first."
CLOSING: Final = """In {days} days it will be erased, with all that belongs to it. Until then you
can open it again, with a message to this address. If it wasn't you, do so,
and choose a new password at once."""
FAREWELL: Final = "All that belonged to it is deleted. Nothing brings it back."


def close_account(*, user_id: int, proof: Proof) -> None:
    """Deactivate a user at their own wish, and tell them by mail how long they can come back.

    Raises: what `check_proof()` does; AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        check_proof(user, proof)
        deactivate_user(user_id=user_id, is_by_owner=True)
        advice = CLOSING.format(days=settings.AUTH_CLOSED_ACCOUNT_DAYS)
        notify(user.email, ACCOUNT_CLOSED, advice)


def erase_account(*, user_id: int, proof: Proof) -> None:
    """Delete a user at their own wish, with all that is theirs, and tell them by mail.

    Raises: what `check_proof()` does; ValidationError on `erase` for an admin; AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        check_proof(user, proof)
        if user.is_admin or user.is_superuser:
            raise field_error("erase", STAFF, "privileged")
        _erase(user)
        notify(user.email, ACCOUNT_ERASED, FAREWELL)


def erase_closed_accounts() -> int:
    """Delete the accounts that were closed for long enough; return how many.

    Each in a transaction of its own. Their owners were told at the closing.
    """
    erased, last = 0, 0
    while True:
        due = User.objects.filter(_is_over(), pk__gt=last).exclude(PRIVILEGED).order_by("pk")
        ids = list(due.values_list("pk", flat=True)[:BATCH])
        if not ids:
            return erased
        erased += sum(map(_erase_if_over, ids))
        last = ids[-1]


def count_closed_staff() -> int:
    """Return how many accounts stay closed for good since they have privileges."""
    return User.objects.filter(_is_over(), PRIVILEGED).count()


def ask_for_reopening(*, email: str) -> None:
    """Mail a token that opens a closed account again, if there is one with this email."""
    mailer.MAILER.submit(partial(_mail_reopening, email))


def reopen_account(*, token: str) -> None:
    """Open a closed account again; the email counts as verified. Its owner logs in as before.

    Raises: ValidationError on `token`.
    """
    parts = read_token(token)
    with transaction.atomic():
        user = User.objects.select_for_update().filter(_can_be_opened(), pk=parts.user_id).first()
        is_good = user is not None and not parts.new_email
        if not is_good or user is None or not ReopenTokens().check_token(user, parts.signature):
            raise refuse_token()
        user = activate_user(user_id=user.pk)
        verify_email_of(user)
        notify(user.email, ACCOUNT_REOPENED)


def _erase_if_over(user_id: int) -> bool:
    with transaction.atomic():
        due = User.objects.select_for_update().filter(_is_over(), pk=user_id)
        user = due.exclude(PRIVILEGED).first()
        if user is not None:
            _erase(user)
        return user is not None


def _erase(user: User) -> None:
    record(Event.ACCOUNT_ERASED, user_id=user.pk)
    user.delete()


def _mail_reopening(email: str) -> None:
    user = User.objects.filter(_can_be_opened(), email=email).first()
    if user is not None:
        mailer.send_token(mailer.REOPEN, user.email, make_reopen_token(user))


def _is_over() -> Q:
    return Q(is_active=False, closed_at__lte=Now() - _period())


def _can_be_opened() -> Q:
    return Q(is_active=False, closed_at__gt=Now() - _period())


def _period() -> timedelta:
    return timedelta(days=settings.AUTH_CLOSED_ACCOUNT_DAYS)
