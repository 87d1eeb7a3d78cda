"""The refusals of this app."""

from rest_framework.exceptions import NotFound

from accounts.errors import Conflict, Unauthorized


class ChallengeNotValid(Unauthorized):
    """Not a challenge of ours, or too old, or used, or the account has changed since."""

    default_detail = "This log-in took too long, or was done already. Log in again."
    default_code = "challenge_not_valid"


class WrongPasskey(Unauthorized):
    """Not an answer of one of the user's passkeys to this log-in, or of anybody's."""

    default_detail = "This passkey isn't known here, or its answer isn't good. Begin again."
    default_code = "wrong_passkey"


class NoSuchPasskey(NotFound):
    """The caller has no passkey with this id."""

    default_detail = "There is no such passkey."


class WrongCode(Unauthorized):
    """Not a code of this user, or it was used before."""

    default_detail = "This code is wrong, or was used before. Enter the next one."
    default_code = "wrong_code"


class FactorIsOn(Conflict):
    """There is an authenticator app already."""

    default_detail = "There is an authenticator app already. Turn it off first."
    default_code = "second_factor_on"


class FactorIsOff(Conflict):
    """There is no second factor, or its set-up wasn't begun."""

    default_detail = "There is no authenticator app, or its set-up took too long. Start again."
    default_code = "second_factor_off"
