"""What is asked for once more before an account changes: Note [Proof].

Note [Proof]
An access token may be stolen, so what would give the account away for good asks for the password.
An account may have none, as one whose owner signs in with another provider: it is asked for a
log-in a few minutes ago, of the session that the access token belongs to.

A second factor protects an account whose password is known as well. Where there is one, a code is
asked for by what lasts longer than the token: a new password, which begins a session; another
email, which recovery goes to; an API key; the erasure.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from accounts.errors import AccountGone, RecentLoginRequired
from accounts.hooks import CODE_CHECKS
from accounts.models import LoginSession, User


def check_proof_of(*, user_id: int, password: str | None, session_id: UUID | None) -> None:
    """Do as `check_proof()` does, without a lock.

    Raises: ValidationError on `password`; RecentLoginRequired, AccountGone.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise AccountGone
    check_proof(user, password, session_id)


def check_proof(
    user: User, password: str | None, session_id: UUID | None = None, *, field: str = "password"
) -> None:
    """Check the password or, where the account has none, that the session has just begun.

    Raises: ValidationError on `field` if the password is missing or wrong; RecentLoginRequired.
    """
    if not user.has_usable_password():
        if not _has_just_begun(user, session_id):
            raise RecentLoginRequired
    elif not password:
        raise ValidationError({field: ValidationError("Enter your password.", code="required")})
    elif not user.check_password(password):
        raise ValidationError({field: ValidationError("This password is wrong.", code="invalid")})


def check_code(user: User, code: str, before: Callable[[], None] = lambda: None) -> None:
    """Check a code of the second factor, where the locked user has one.

    `before` is called before a code is looked at, to count it. Raises: what it and CODE_CHECKS do.
    """
    if code:
        before()
    for check in CODE_CHECKS.values():
        check(user, code)


def _has_just_begun(user: User, session_id: UUID | None) -> bool:
    # By the database's clock. A session that was ended has no row.
    if session_id is None:
        return False
    recently = Now() - timedelta(seconds=settings.AUTH_RECENT_LOGIN_SECONDS)
    sessions = LoginSession.objects.filter(pk=session_id, user=user, created_at__gte=recently)
    return sessions.exists()
