"""Logins that last: a row per login, a chain of single-use refresh tokens.

Note [Rotation is one UPDATE]
The row names the one token that may be used next. Using it is a single UPDATE that asks for this
token and puts its successor there, so of two requests with one token the database lets one through;
the other then finds the successor in the row. Everything the UPDATE asks of the session must stand
on the row itself: PostgreSQL looks again at the row's own columns after waiting for the first
request's commit, and not at what a join or a subquery had found. What it asks of the user may be a
moment old; the new tokens carry the token_version that was asked for, and so are dead on arrival if
that user has just been revoked.
"""

import logging
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.errors import SessionEnded, TokenReused
from accounts.models import LoginSession, User
from accounts.tokens import (
    AccessToken,
    RefreshClaims,
    TokenPair,
    read_refresh_token,
    refresh_lifetime,
)

logger = logging.getLogger(__name__)


def start_session(*, user: User) -> TokenPair:
    """Log a user in and hand out the first pair; sweep away the user's expired sessions.

    Raises: ValueError for an inactive user, who must never get a token.
    """
    if not user.is_active:
        raise ValueError(f"User {user.pk} is not active: check before starting a session.")
    now = timezone.now()
    LoginSession.objects.filter(user=user, expires_at__lte=now).delete()
    claims = RefreshClaims(
        session_id=uuid.uuid4(),
        token_id=uuid.uuid4().hex,
        user_id=user.pk,
        token_version=user.token_version,
    )
    LoginSession.objects.create(
        id=claims.session_id,
        user=user,
        token_hash=claims.token_hash,
        created_at=now,
        rotated_at=now,
        expires_at=now + refresh_lifetime(),
    )
    return _mint_pair(claims, issued_at=now)


def refresh_session(*, refresh_token: str) -> TokenPair:
    """Exchange a refresh token for a new pair: one UPDATE; see Note [Rotation is one UPDATE].

    Raises: InvalidRefreshToken, SessionEnded, or TokenReused, which ends the session.
    """
    claims = read_refresh_token(refresh_token)
    successor = claims.succeed()
    now = timezone.now()
    rotated = (
        _live_sessions(claims, now)
        .filter(token_hash=claims.token_hash)
        .update(
            token_hash=successor.token_hash,
            rotated_at=now,
            expires_at=now + refresh_lifetime(),
        )
    )
    issued_at = now if rotated else _find_rotation(claims, successor, now)
    return _mint_pair(successor, issued_at=issued_at)


def end_session(*, refresh_token: str) -> None:
    """Log out: the session of this token, its last one or an earlier, is over.

    Raises: InvalidRefreshToken.
    """
    claims = read_refresh_token(refresh_token)
    LoginSession.objects.filter(pk=claims.session_id).delete()


def end_all_sessions(*, user: User) -> None:
    """End every session; access tokens end with the token_version, which is the caller's matter."""
    LoginSession.objects.filter(user=user).delete()


def _live_sessions(claims: RefreshClaims, now: datetime) -> QuerySet[LoginSession]:
    user = User.objects.filter(
        pk=OuterRef("user_id"), is_active=True, token_version=claims.token_version
    )
    sessions = LoginSession.objects.filter(
        pk=claims.session_id, user_id=claims.user_id, expires_at__gt=now
    )
    return sessions.filter(Exists(user))


def _find_rotation(claims: RefreshClaims, successor: RefreshClaims, now: datetime) -> datetime:
    session = _live_sessions(claims, now).first()
    if session is None:
        raise SessionEnded
    grace = timedelta(seconds=settings.AUTH_REFRESH_GRACE_SECONDS)
    if session.token_hash == successor.token_hash and now - session.rotated_at <= grace:
        return session.rotated_at
    session.delete()
    logger.warning("A refresh token of user %s was used twice; session ended.", claims.user_id)
    raise TokenReused


def _mint_pair(claims: RefreshClaims, *, issued_at: datetime) -> TokenPair:
    return TokenPair(
        access_token=AccessToken.mint(user_id=claims.user_id, token_version=claims.token_version),
        refresh_token=claims.sign(issued_at=issued_at),
    )
