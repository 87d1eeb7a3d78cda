"""Log-in by a passkey alone: Note [Passkeys without a password].

Note [Passkeys without a password]
A passkey that has verified its user, by a finger, a face or a PIN, is two factors: what they have,
and what they are or know. So it needs neither password nor code. Nobody says who they are: the
browser shows the passkeys it has for this site, and the answer names the credential and its user.
The beginning is the same for everybody, without a query.

The challenge is a signed random text, which is stored when a good answer has used it, so that it is
of use once, for any answer. It is signed for this alone, and the passkey signs what is derived
from it: an answer to a log-in's second step is none to this, nor the other way round.
"""

import secrets
from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core import signing
from django.db import transaction
from fido2.webauthn import AuthenticationResponse

from accounts.clients.devices import UNKNOWN_DEVICE, Device
from accounts.errors import AccountGone
from accounts.models import User
from accounts.second_factor.errors import ChallengeNotValid, WrongPasskey
from accounts.second_factor.models import Passkey, UsedChallenge
from accounts.second_factor.passkeys import (
    find_passkey,
    get_user_handle,
    make_open_options,
    note_use,
    verify,
)
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.account import admit
from accounts.services.active_users import load_active_user
from accounts.services.announcements import announce
from accounts.tokens.claims import TokenPair

SALT: Final = "accounts.second_factor.passwordless"
RANDOM_BYTES: Final = 32
ABOUT: Final = "passkey"
"""What the security log says of a failed log-in."""


class Begun(NamedTuple):
    """What a browser needs to know to show a passkey, and what comes back with its answer."""

    options: dict[str, Any]
    challenge: str


def begin() -> Begun:
    """Begin a log-in of somebody; nothing is stored."""
    challenge = signing.dumps(secrets.token_urlsafe(RANDOM_BYTES), salt=SALT)
    return Begun(make_open_options(challenge), challenge)


def log_in(
    *, challenge: str, credential: AuthenticationResponse, device: Device = UNKNOWN_DEVICE
) -> tuple[User, TokenPair]:
    """Start the session of a user whose passkey has verified them.

    Raises: ChallengeNotValid; WrongPasskey, also for an account that is closed.
    """
    with transaction.atomic():
        user = identify(challenge, credential)
        if user is not None:
            return user, admit(user=user, device=device)
    record_failure(credential)
    raise WrongPasskey


def identify(challenge: str, credential: AuthenticationResponse) -> User | None:
    """Return the user whose passkey it is, locked; None if it isn't good. Uses the challenge up.

    Within a transaction. Raises: ChallengeNotValid.
    """
    lifetime = timedelta(seconds=settings.AUTH_SECOND_FACTOR_CHALLENGE_SECONDS)
    try:
        signing.loads(challenge, salt=SALT, max_age=lifetime)
    except signing.BadSignature as error:
        raise ChallengeNotValid from error
    passkey = find_passkey(credential)
    if passkey is None or not _is_of_owner(passkey, credential):
        return None
    count = verify(passkey, challenge, credential, is_alone=True)
    if count is None:
        return None
    try:
        user = load_active_user(passkey.user_id)
    except AccountGone:
        return None
    if not UsedChallenge.use_up(challenge, lifetime):
        raise ChallengeNotValid
    return user if note_use(passkey, count) else None


def record_failure(credential: AuthenticationResponse) -> None:
    """Add a failed log-in to the security log; after the transaction."""
    passkey = find_passkey(credential)
    user_id = None if passkey is None else passkey.user_id
    record(Event.LOGIN_FAILED, user_id=user_id, about=ABOUT)


def can_log_in(user: User) -> bool:
    """Return whether the user has a passkey."""
    return Passkey.objects.filter(user=user).exists()


def forget_passkeys(user: User) -> None:
    """Remove the passkeys from before anybody had shown that they read the user's mail.

    A client that registers with another's address must not come in after its owner has reset the
    password. The authenticator app stays: by itself it lets nobody in. A user without a password
    keeps their passkeys: they had no other way in.
    """
    if user.has_usable_password() and Passkey.objects.filter(user=user).delete()[0]:
        announce(Event.PASSKEY_REMOVED, user)


def _is_of_owner(passkey: Passkey, credential: AuthenticationResponse) -> bool:
    return credential.response.user_handle == get_user_handle(passkey)
