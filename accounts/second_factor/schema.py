"""The operations on second factors in OpenAPI."""

from functools import partial
from typing import Final

from accounts.schema.operations import Answer, Body, operation
from accounts.schema.people import CHALLENGE, EMAIL, PASSWORD, TOKENS, USER
from accounts.schema.refusals import BUSY, TOO_MANY_ATTEMPTS, from_error, refuse
from accounts.second_factor.codes import format_uri
from accounts.second_factor.errors import ChallengeNotValid, FactorIsOff, FactorIsOn, WrongCode
from accounts.second_factor.serializers import (
    ChallengeAndCodeSerializer,
    ChallengeSerializer,
    CodeSerializer,
    FactorsSerializer,
    FinishedLoginSerializer,
    PasswordAndCodeSerializer,
    PasswordSerializer,
    RecoveryCodesSerializer,
    SetUpSerializer,
)
from accounts.second_factor.services import WRONG_CODE

TAG: Final = "Second factor"
CODE: Final = "492039"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105  # made up
RECOVERY_CODES: Final = [f"GRAC-EALB-URYN-ASS{digit}" for digit in "AEIMQUY246"]
open_operation: Final = partial(operation, is_open=True)

ON: Final = "There is an authenticator app already."
OFF: Final = "There is no authenticator app."
IS_ON: Final = refuse(409, ON, from_error(FactorIsOn))
IS_OFF: Final = refuse(409, OFF, from_error(FactorIsOff))
NO_SET_UP: Final = refuse(
    409, "Nothing is being set up.", from_error(FactorIsOff), from_error(FactorIsOn)
)
BAD_CHALLENGE: Final = refuse(401, "The challenge isn't good.", from_error(ChallengeNotValid))
NOT_FINISHED: Final = refuse(
    401,
    "The challenge isn't good, or the code.",
    from_error(ChallengeNotValid),
    from_error(WrongCode),
)
SET_UP: Final = Answer(
    "For the authenticator app.",
    SetUpSerializer,
    {"secret": SECRET, "uri": format_uri(SECRET, email=EMAIL)},
)
NEW_CODES: Final = Answer(
    "Ten recovery codes.", RecoveryCodesSerializer, {"recovery_codes": RECOVERY_CODES}
)
PROOF: Final = Body(
    PasswordAndCodeSerializer,
    {"password": PASSWORD, "code": CODE},
    {"password": ["This password is wrong."]},
)

GET_FACTORS: Final = operation(
    "get_second_factor",
    TAG,
    "Read what one's account has",
    "Say whether a log-in asks for a second factor, and how many recovery codes are left.",
    answer=Answer(
        "The state.",
        FactorsSerializer,
        {"is_required": False, "is_on": False, "recovery_codes_left": 0},
    ),
)

BEGIN_SET_UP: Final = operation(
    "set_up_second_factor",
    TAG,
    "Set up an authenticator app",
    "Make a secret, for any authenticator app (TOTP). Log-ins ask for it once a code of the app "
    "has come back, within 15 minutes.",
    IS_ON,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=Body(
        PasswordSerializer, {"password": PASSWORD}, {"password": ["This password is wrong."]}
    ),
    answer=SET_UP,
)

CONFIRM_SET_UP: Final = operation(
    "confirm_second_factor",
    TAG,
    "Switch the authenticator app on",
    "Take the app's first code, and return the recovery codes, which are shown this once.",
    NO_SET_UP,
    TOO_MANY_ATTEMPTS,
    body=Body(CodeSerializer, {"code": CODE}, {"code": [WRONG_CODE]}),
    answer=NEW_CODES,
)

RENEW_CODES: Final = operation(
    "renew_recovery_codes",
    TAG,
    "Replace one's recovery codes",
    "Return ten new ones; the old ones are worth nothing.",
    IS_OFF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=PROOF,
    answer=NEW_CODES,
)

TURN_OFF: Final = operation(
    "turn_off_second_factor",
    TAG,
    "Turn one's second factor off",
    "Remove the authenticator app and the recovery codes. The user is told by mail.",
    IS_OFF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=PROOF,
    answer=Answer("Log-ins ask for the password alone.", None, status_code=204),
)

FINISH_LOGIN: Final = open_operation(
    "finish_login",
    TAG,
    "Finish a log-in",
    "Exchange the challenge of a log-in and a code for tokens. A code works once, and so does a "
    "challenge, for 5 minutes.",
    NOT_FINISHED,
    IS_OFF,
    TOO_MANY_ATTEMPTS,
    body=Body(
        ChallengeAndCodeSerializer,
        {"challenge": CHALLENGE, "code": CODE},
        {"code": ["This field is required."]},
    ),
    answer=Answer("Tokens, and whose they are.", FinishedLoginSerializer, TOKENS | {"user": USER}),
)

SET_UP_AT_LOGIN: Final = open_operation(
    "set_up_at_login",
    TAG,
    "Set up an authenticator app to log in",
    "Make a secret for an account that must have a second factor (`second_factor_set_up_required`)."
    " Its first code finishes the log-in, and the answer then has the recovery codes, too.",
    BAD_CHALLENGE,
    IS_ON,
    TOO_MANY_ATTEMPTS,
    body=Body(
        ChallengeSerializer,
        {"challenge": CHALLENGE},
        {"challenge": ["This field is required."]},
    ),
    answer=SET_UP,
)
