"""Challenges: signed texts that say whose password was right, and in what state of the account."""

from typing import Final, NamedTuple

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from accounts.second_factor.errors import ChallengeNotValid
from accounts.second_factor.models import AuthenticatorApp

SALT: Final = "accounts.second_factor.challenges"


class Challenge(NamedTuple):
    """Whose it is, and a digest of the state that it was made at."""

    user_id: int
    state: str


def make_challenge(user: User, app: AuthenticatorApp | None) -> str:
    """Return a challenge to the user, in their present state."""
    return signing.dumps(Challenge(user.pk, _digest(user, app)), salt=SALT)


def read_challenge(text: str) -> Challenge:
    """Return what it says, if it is one of ours and not too old; the state isn't checked.

    Raises: ChallengeNotValid.
    """
    try:
        parts = signing.loads(
            text, salt=SALT, max_age=settings.AUTH_SECOND_FACTOR_CHALLENGE_SECONDS
        )
    except signing.BadSignature as error:
        raise ChallengeNotValid from error
    return Challenge(*parts)


def check_state(challenge: Challenge, user: User, app: AuthenticatorApp | None) -> None:
    """Check that nothing has changed since; `user` is the locked row.

    Raises: ChallengeNotValid.
    """
    if not constant_time_compare(challenge.state, _digest(user, app)):
        raise ChallengeNotValid


def _digest(user: User, app: AuthenticatorApp | None) -> str:
    # What a log-in, a new password, the end of all sessions and another app change.
    confirmed_at = app and app.confirmed_at
    state = f"{user.password} {user.token_version} {user.last_login} {confirmed_at}"
    return salted_hmac(SALT, state, algorithm="sha256").hexdigest()
