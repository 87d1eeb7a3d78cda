"""What is asked for once more before an account changes: Note [Proof].

Note [Proof]
An access token may be stolen, so what would give the account away for good asks for the password.
An account may have none, as one whose owner signs in with another provider: it is asked for a
log-in a few minutes ago, of the session that the access token belongs to.

A second factor protects an account whose password is known as well: where there is one, a code is
asked for, too. What ends something (a session, a key) asks for nothing, so that its owner loses no
time.

A change is made in the transaction that the proof was checked in, with the user's row locked: were
the owner to change the password in between, a thief's API key would outlive that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from rest_framework.request import Request

from accounts.errors import PASSWORD_IS_WRONG, RecentLoginRequired, field_error
from accounts.hooks import CODE_CHECKS
from accounts.limits.rates import check_limit, make_code_counter
from accounts.limits.workload import slow_work
from accounts.models import LoginSession, User
from accounts.services.active_users import load_active_user
from accounts.tokens.viewer import get_session_id, get_viewer


class Proof(NamedTuple):
    """What came with a request besides its access token."""

    password: str | None = None
    session_id: UUID | None = None
    """Of the session that the access token is of."""
    code: str = ""
    before_code: Callable[[], None] = lambda: None
    """Called before a code is looked at, to count it."""


@contextmanager
def take_proof(
    request: Request, values: dict[str, Any], *, field: str = "password"
) -> Iterator[Proof]:
    """Move the proof out of a body's values, for a block that has it checked.

    It counts as `password`, and the block is slow work. Raises: TooManyAttempts, Busy.
    """
    user_id = get_viewer(request).pk
    proof = Proof(
        password=values.pop(field, None),
        session_id=get_session_id(request),
        code=values.pop("code", ""),
        before_code=make_code_counter(request, user_id=user_id),
    )
    with slow_work():
        check_limit(request, "password", account=user_id)
        yield proof


def check_proof_of(*, user_id: int, proof: Proof) -> None:
    """Do as `check_proof()` does, in a transaction of its own.

    Raises: what `check_proof()` does; AccountGone.
    """
    with transaction.atomic():
        check_proof(load_active_user(user_id), proof)


def check_proof(user: User, proof: Proof, *, field: str = "password") -> None:
    """Check what the account has: the password and a code of the second factor.

    Without a password, the session must have just begun. The user's row is locked.

    Raises: ValidationError on `field` if the password is missing or wrong; RecentLoginRequired;
    what `before_code` and CODE_CHECKS do.
    """
    if not user.has_usable_password():
        if not _has_just_begun(user, proof.session_id):
            raise RecentLoginRequired
    elif not proof.password:
        raise field_error(field, "Enter your password.", "required")
    elif not user.check_password(proof.password):
        raise field_error(field, PASSWORD_IS_WRONG)
    if proof.code:
        proof.before_code()
    for check in CODE_CHECKS.values():
        check(user, proof.code)


def _has_just_begun(user: User, session_id: UUID | None) -> bool:
    # By the database's clock. A session that was ended has no row.
    if session_id is None:
        return False
    recently = Now() - timedelta(seconds=settings.AUTH_RECENT_LOGIN_SECONDS)
    sessions = LoginSession.objects.filter(pk=session_id, user=user, created_at__gte=recently)
    return sessions.exists()
