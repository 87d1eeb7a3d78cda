"""The actions on second factors, one function and one transaction each.

The caller checks limits.
"""

from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from fido2.webauthn import AuthenticationResponse, RegistrationResponse

from accounts.clients.devices import UNKNOWN_DEVICE, Device
from accounts.errors import (
    AccountGone,
    SecondFactorRequired,
    SecondFactorSetUpRequired,
    field_error,
)
from accounts.models import User
from accounts.second_factor.challenges import (
    Challenge,
    check_state,
    make_challenge,
    read_challenge,
)
from accounts.second_factor.codes import (
    confirm_app,
    format_uri,
    make_secret,
    replace_recovery_codes,
    use_code,
)
from accounts.second_factor.encryption import encrypt
from accounts.second_factor.errors import (
    ChallengeNotValid,
    FactorIsOff,
    FactorIsOn,
    WrongCode,
    WrongPasskey,
)
from accounts.second_factor.models import AuthenticatorApp, Passkey, RecoveryCode
from accounts.second_factor.passkeys import (
    BadCredentialError,
    make_creation_options,
    make_request_options,
    register,
    use_passkey,
)
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.account import admit
from accounts.services.active_users import load_active_user
from accounts.services.announcements import announce
from accounts.services.proof import Proof, check_proof
from accounts.tokens.claims import TokenPair

SET_UP_LIFETIME: Final = timedelta(minutes=15)
"""From the secret to its first code."""
LIMIT: Final = "factor"
"""The action of AUTH_LIMITS that guesses at codes count as."""
WRONG_CREDENTIAL: Final = "This is no new passkey, or there are ten already. Begin again."
MAX_PASSKEYS: Final = 10
WRONG_CODE: Final = str(WrongCode.default_detail)
NO_CODE: Final = str(SecondFactorRequired.default_detail)


class SetUp(NamedTuple):
    """What an authenticator app needs to know; shown once."""

    secret: str
    uri: str


class Login(NamedTuple):
    """A finished log-in; with new recovery codes where it finished a set-up as well."""

    user: User
    tokens: TokenPair
    recovery_codes: list[str] | None


class PasskeyRequest(NamedTuple):
    """What a browser needs to know to make a passkey, and what comes back with its answer."""

    options: dict[str, Any]
    state: str


class Factors(NamedTuple):
    """What a user has."""

    is_required: bool
    is_on: bool
    recovery_codes_left: int
    passkeys: QuerySet[Passkey]


def ask_for_factor(user: User) -> None:
    """Let no log-in through by the password alone, where there is a factor or must be one.

    Raises: SecondFactorRequired, SecondFactorSetUpRequired.
    """
    app = _find_app(user)
    if _is_on(app):
        raise SecondFactorRequired(make_challenge(user, app))
    if is_required(user):
        raise SecondFactorSetUpRequired(make_challenge(user, app))


def check_code(user: User, code: str) -> None:
    """Use up a code of the locked user's factor, if they have one.

    Raises: ValidationError on `code`.
    """
    if not has_factor(user):
        return
    if not code:
        raise field_error("code", NO_CODE, "required")
    if not use_code(user, code):
        raise field_error("code", WRONG_CODE)


def is_required(user: User) -> bool:
    """Return whether the user has to have a second factor."""
    return bool(settings.AUTH_SECOND_FACTOR_FOR_STAFF and (user.is_admin or user.is_superuser))


def has_factor(user: User) -> bool:
    """Return whether the user has a second factor."""
    return _is_on(_find_app(user))


def describe_factors(user: User) -> Factors:
    """Return what the user has."""
    left = RecoveryCode.objects.filter(user=user, used_at__isnull=True).count()
    passkeys = Passkey.objects.filter(user=user).order_by("pk")
    return Factors(is_required(user), has_factor(user), left, passkeys)


def begin_set_up(*, user_id: int, proof: Proof) -> SetUp:
    """Return a new secret, which counts once it is confirmed.

    Raises: FactorIsOn, AccountGone; what `check_proof()` does.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        if has_factor(user):
            raise FactorIsOn
        check_proof(user, proof)
        return _begin_set_up(user)


def begin_set_up_at_login(*, challenge: str) -> SetUp:
    """Do the same for a user who can't log in before.

    Raises: ChallengeNotValid, FactorIsOn.
    """
    with transaction.atomic():
        user, _ = _load_challenged(read_challenge(challenge))
        return _begin_set_up(user)


def confirm_set_up(*, user_id: int, code: str) -> list[str]:
    """Switch the factor on by the app's first code; return the recovery codes.

    Raises: ValidationError on `code`; FactorIsOn, FactorIsOff, AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        recovery_codes = _confirm(user, _find_app(user), code)
        if recovery_codes is None:
            raise field_error("code", WRONG_CODE)
        return recovery_codes


def finish_login(*, challenge: str, code: str, device: Device = UNKNOWN_DEVICE) -> Login:
    """Start the session of a user who has shown the password and a code.

    If this is the first code of an app that was set up on the way, it switches the factor on.

    Raises: ChallengeNotValid, WrongCode, FactorIsOff.
    """
    claims = read_challenge(challenge)
    try:
        return _finish_login(claims, code, device)
    except WrongCode:
        # After the transaction, which is rolled back.
        record(Event.CODE_FAILED, user_id=claims.user_id)
        raise


def begin_passkey_login(*, challenge: str) -> dict[str, Any]:
    """Return what a browser needs to know to show a passkey in place of a code.

    Raises: ChallengeNotValid.
    """
    with transaction.atomic():
        user, _ = _load_challenged(read_challenge(challenge))
        return make_request_options(user, challenge)


def finish_passkey_login(
    *, challenge: str, credential: AuthenticationResponse, device: Device = UNKNOWN_DEVICE
) -> Login:
    """Start the session of a user who has shown the password and a passkey.

    Raises: ChallengeNotValid, WrongPasskey.
    """
    claims = read_challenge(challenge)
    with transaction.atomic():
        user = identify_in_step(claims, challenge, credential)
        if user is not None:
            return Login(user, admit(user=user, device=device), None)
    record(Event.CODE_FAILED, user_id=claims.user_id)
    raise WrongPasskey


def begin_step(user: User) -> tuple[dict[str, Any], str]:
    """Return what a browser needs to know, and a challenge, to a user whose password was right."""
    challenge = make_challenge(user, _find_app(user))
    return make_request_options(user, challenge), challenge


def identify_in_step(
    claims: Challenge, challenge: str, credential: AuthenticationResponse
) -> User | None:
    """Return the user, locked, whose password was right and whose passkey it is; else None.

    Within a transaction, in which the log-in ends the challenge. Raises: ChallengeNotValid.
    """
    user, _ = _load_challenged(claims)
    return user if use_passkey(user, challenge, credential) else None


def begin_passkey(*, user_id: int, proof: Proof) -> PasskeyRequest:
    """Return what a browser needs to know to make a passkey.

    Raises: what `check_proof()` does; FactorIsOff, AccountGone.
    """
    with transaction.atomic():
        return PasskeyRequest(*make_creation_options(_load_proven(user_id, proof)))


def add_passkey(
    *, user_id: int, state: str, credential: RegistrationResponse, name: str
) -> Passkey:
    """Add a passkey beside the authenticator app, and tell the user by mail.

    Raises: ValidationError on `credential`, also for one that somebody has, and for one too many;
    FactorIsOff, AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        if not has_factor(user):
            raise FactorIsOff
        try:
            passkey = register(user, state, credential, name)
        except BadCredentialError as error:
            raise field_error("credential", WRONG_CREDENTIAL) from error
        passkey.created_at = timezone.now()
        is_one_too_many = Passkey.objects.filter(user=user).count() >= MAX_PASSKEYS
        if is_one_too_many or not _save_new(passkey):
            raise field_error("credential", WRONG_CREDENTIAL)
        announce(Event.PASSKEY_ADDED, user)
        return passkey


def remove_passkey(*, user_id: int, passkey_id: int, proof: Proof) -> bool:
    """Remove one of the user's passkeys, and tell them; return whether there was such one.

    Raises: what `check_proof()` does; AccountGone.
    """
    with transaction.atomic():
        user = load_active_user(user_id)
        check_proof(user, proof)
        deleted, _ = Passkey.objects.filter(user=user, pk=passkey_id).delete()
        if deleted:
            announce(Event.PASSKEY_REMOVED, user)
        return bool(deleted)


def renew_recovery_codes(*, user_id: int, proof: Proof) -> list[str]:
    """Return new recovery codes in place of the old ones, and tell the user by mail.

    Raises: what `check_proof()` does; FactorIsOff, AccountGone.
    """
    with transaction.atomic():
        user = _load_proven(user_id, proof)
        announce(Event.CODES_REPLACED, user)
        return replace_recovery_codes(user)


def turn_off(*, user_id: int, proof: Proof) -> None:
    """Remove the user's factor and recovery codes at their own wish, and tell them by mail.

    Raises: what `check_proof()` does; FactorIsOff, AccountGone.
    """
    with transaction.atomic():
        _remove(_load_proven(user_id, proof))


def remove_factors(*, user_id: int) -> bool:
    """Do the same for a user who has lost everything; return whether there was a factor.

    Raises: User.DoesNotExist.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        was_on = has_factor(user)
        if was_on:
            _remove(user)
        return was_on


def _finish_login(claims: Challenge, code: str, device: Device) -> Login:
    recovery_codes = None
    with transaction.atomic():
        user, app = _load_challenged(claims)
        if _is_on(app):
            is_good = use_code(user, code)
        else:
            recovery_codes = _confirm(user, app, code)
            is_good = recovery_codes is not None
        if not is_good:
            raise WrongCode
        return Login(user, admit(user=user, device=device), recovery_codes)


def _begin_set_up(user: User) -> SetUp:
    if has_factor(user):
        raise FactorIsOn
    secret = make_secret()
    AuthenticatorApp.objects.update_or_create(
        user=user,
        defaults={
            "secret": encrypt(secret, user_id=user.pk),
            "created_at": Now(),
            "confirmed_at": None,
            "last_step": 0,
        },
    )
    return SetUp(secret, format_uri(secret, email=user.email))


def _confirm(user: User, app: AuthenticatorApp | None, code: str) -> list[str] | None:
    # New recovery codes, or None for a wrong code.
    if _is_on(app):
        raise FactorIsOn
    pending = AuthenticatorApp.objects.filter(
        user=user, created_at__gt=Now() - SET_UP_LIFETIME
    ).first()
    if pending is None:
        raise FactorIsOff
    if not confirm_app(pending, code):
        return None
    announce(Event.FACTOR_ON, user)
    return replace_recovery_codes(user)


def _remove(user: User) -> None:
    AuthenticatorApp.objects.filter(user=user).delete()
    Passkey.objects.filter(user=user).delete()
    RecoveryCode.objects.filter(user=user).delete()
    announce(Event.FACTOR_OFF, user)


def _load_challenged(challenge: Challenge) -> tuple[User, AuthenticatorApp | None]:
    try:
        user = load_active_user(challenge.user_id)
    except AccountGone as error:
        raise ChallengeNotValid from error
    app = _find_app(user)
    check_state(challenge, user, app)
    return user, app


def _load_proven(user_id: int, proof: Proof) -> User:
    user = load_active_user(user_id)
    check_proof(user, proof)
    if not has_factor(user):
        raise FactorIsOff
    return user


def _save_new(passkey: Passkey) -> bool:
    # False if somebody has this credential, this user included.
    try:
        with transaction.atomic():
            passkey.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def _find_app(user: User) -> AuthenticatorApp | None:
    return AuthenticatorApp.objects.filter(user=user).first()


def _is_on(app: AuthenticatorApp | None) -> bool:
    return app is not None and app.confirmed_at is not None
