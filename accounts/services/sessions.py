"""Log-in sessions: a row per log-in, a chain of single-use refresh tokens.

Note [Rotation is one UPDATE]
The row names the one token that may be used next. Using it is a single UPDATE that asks for this
token and puts its successor there, so of two requests with one token the database lets one through;
the other then finds the successor in the row. Everything the UPDATE asks of the session must stand
on the row itself: PostgreSQL looks again at the row's own columns after waiting for the first
request's commit, and not at what a join or a subquery had found. What it asks of the user may be a
moment old; the new tokens carry the token_version that was asked for, and so are dead on arrival if
that user has just been revoked.

How old a session or a rotation is, the database's clock says, which all servers have in common; so
their own may differ. `issued_at` is the clock of the server that made the token: with it, another
makes the very same.

Note [Ended sessions]
Access tokens are believed without a look at the session's row. So a session that ends is named in
its user's row until the last of its access tokens has expired, and that column is in the user's
cached record: the next request with such a token is refused, in every process and without a query.
The column is written under the user's lock, which is taken before the session's, as a log-in does.
What ends all sessions of a user raises token_version instead, and so does one session too many.
"""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Least, Now
from django.utils import timezone

from accounts.clients.devices import UNKNOWN_DEVICE, Device
from accounts.errors import SessionEnded, TokenReused
from accounts.models import LoginSession, User
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.tokens.claims import (
    AccessToken,
    RefreshClaims,
    TokenPair,
    access_lifetime,
    read_refresh_token,
    refresh_lifetime,
)

logger = logging.getLogger(__name__)

MAX_ENDED: Final = 100
"""So many ended sessions are named; 5 kB. With one more, every token of the user is revoked."""
MAX_LISTED: Final = 100
SWEEP_ROWS: Final = 1000


def start_session(*, user: User, device: Device = UNKNOWN_DEVICE) -> TokenPair:
    """Log a user in and return the first pair; delete the user's expired sessions.

    Raises: ValueError for an inactive user: they must never get a token.
    """
    if not user.is_active:
        raise ValueError(f"User {user.pk} is not active: check before starting a session.")
    issued_at = timezone.now()
    LoginSession.objects.filter(user=user, expires_at__lte=Now()).delete()
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
        created_at=Now(),
        rotated_at=Now(),
        issued_at=issued_at,
        expires_at=Now() + min(refresh_lifetime(), _longest_lifetime()),
        **device._asdict(),
    )
    record(Event.SESSION_STARTED, user_id=user.pk, about=str(claims.session_id))
    return _mint_pair(claims, issued_at=issued_at)


def refresh_session(*, refresh_token: str, device: Device = UNKNOWN_DEVICE) -> TokenPair:
    """Exchange a refresh token for a new pair: one UPDATE; see Note [Rotation is one UPDATE].

    Raises: InvalidRefreshToken, SessionEnded, or TokenReused, which ends the session.
    """
    claims = read_refresh_token(refresh_token)
    successor = claims.succeed()
    issued_at = timezone.now()
    rotated = (
        _live_sessions(claims)
        .filter(token_hash=claims.token_hash)
        .update(
            token_hash=successor.token_hash,
            rotated_at=Now(),
            issued_at=issued_at,
            expires_at=Least(Now() + refresh_lifetime(), F("created_at") + _longest_lifetime()),
            **device._asdict(),
        )
    )
    if not rotated:
        issued_at = _find_issue(claims, successor)
    return _mint_pair(successor, issued_at=issued_at)


def list_sessions(*, user_id: int) -> QuerySet[LoginSession]:
    """Return the user's sessions that aren't over, a hundred at most, the last used first."""
    sessions = LoginSession.objects.filter(user_id=user_id, expires_at__gt=Now())
    return sessions.order_by("-rotated_at", "pk")[:MAX_LISTED]


def log_out(*, refresh_token: str) -> None:
    """End the session of this token, its last one or an earlier, and its access tokens.

    Raises: InvalidRefreshToken.
    """
    claims = read_refresh_token(refresh_token)
    end_session(user_id=claims.user_id, session_id=claims.session_id)


def end_session(*, user_id: int, session_id: uuid.UUID, event: Event = Event.SESSION_ENDED) -> bool:
    """End one of the user's sessions and its access tokens; return whether there was such one.

    See Note [Ended sessions].
    """
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        deleted, _ = LoginSession.objects.filter(pk=session_id, user_id=user_id).delete()
        if user is None or not deleted:
            return False
        record(event, user_id=user_id, about=str(session_id))
        entries = [*_entries_within(user), (str(session_id), _seconds(timezone.now()))]
        if len(entries) > MAX_ENDED:
            user.token_version += 1
            user.save(update_fields=["token_version"])
            end_all_sessions(user=user)
            return True
        _name_ended(user, entries)
        return True


def end_all_sessions(*, user: User) -> None:
    """End every session; the caller increments token_version to end access tokens."""
    LoginSession.objects.filter(user=user).delete()


def sweep_sessions() -> tuple[int, int]:
    """Delete the sessions that are over; return how many, and how many users named old ones.

    In transactions of a thousand rows: no log-in waits for long.
    """
    swept = 0
    while True:
        over = LoginSession.objects.filter(expires_at__lte=Now()).values_list("pk", flat=True)
        deleted, _ = LoginSession.objects.filter(pk__in=list(over[:SWEEP_ROWS])).delete()
        swept += deleted
        if not deleted:
            break
    naming = User.objects.exclude(ended_sessions="").values_list("pk", flat=True)
    return swept, sum(map(_forget_ended, list(naming)))


def _forget_ended(user_id: int) -> bool:
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            return False
        before, entries = user.ended_sessions, _entries_within(user)
        if _format_ended(entries) == before:
            return False
        _name_ended(user, entries)
        return True


def _entries_within(user: User) -> list[tuple[str, int]]:
    # The ended sessions whose access tokens may still be good.
    words = user.ended_sessions.split()
    entries = zip(words[::2], map(int, words[1::2]), strict=True)
    since = _seconds(timezone.now() - access_lifetime())
    return [(session_id, ended) for session_id, ended in entries if ended >= since]


def _name_ended(user: User, entries: list[tuple[str, int]]) -> None:
    user.ended_sessions = _format_ended(entries)
    user.save(update_fields=["ended_sessions"])


def _format_ended(entries: list[tuple[str, int]]) -> str:
    return " ".join(f"{session_id} {ended}" for session_id, ended in entries)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _longest_lifetime() -> timedelta:
    return timedelta(seconds=settings.AUTH_SESSION_LONGEST_SECONDS)


def _live_sessions(claims: RefreshClaims) -> QuerySet[LoginSession]:
    user = User.objects.filter(
        pk=OuterRef("user_id"), is_active=True, token_version=claims.token_version
    )
    sessions = LoginSession.objects.filter(
        pk=claims.session_id,
        user_id=claims.user_id,
        expires_at__gt=Now(),
        # On its own: the setting may be shorter than it was.
        created_at__gt=Now() - _longest_lifetime(),
    )
    return sessions.filter(Exists(user))


def _find_issue(claims: RefreshClaims, successor: RefreshClaims) -> datetime:
    # When the successor was issued, if that was for this very token and within the grace.
    grace = timedelta(seconds=settings.AUTH_REFRESH_GRACE_SECONDS)
    session = _live_sessions(claims).annotate(is_fresh=Q(rotated_at__gte=Now() - grace)).first()
    if session is None:
        raise SessionEnded
    if session.is_fresh and session.token_hash == successor.token_hash:
        return session.issued_at
    end_session(user_id=claims.user_id, session_id=claims.session_id, event=Event.TOKEN_REUSED)
    logger.warning("A refresh token of user %s was used twice; session ended.", claims.user_id)
    raise TokenReused


def _mint_pair(claims: RefreshClaims, *, issued_at: datetime) -> TokenPair:
    return TokenPair(
        access_token=AccessToken.mint(
            user_id=claims.user_id,
            token_version=claims.token_version,
            session_id=claims.session_id,
        ),
        refresh_token=claims.sign(issued_at=issued_at),
    )
