"""The operations on second factors in OpenAPI."""

from functools import partial
from typing import Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from accounts.columns.fields import LARGEST_INTEGER
from accounts.schema.operations import Answer, Body, Parameters, operation
from accounts.schema.people import CHALLENGE, EMAIL, PASSWORD, TOKENS, USER
from accounts.schema.refusals import BUSY, NO_PROOF, TOO_MANY_ATTEMPTS, Refusal, from_error, refuse
from accounts.second_factor.codes import format_uri
from accounts.second_factor.errors import (
    ChallengeNotValid,
    FactorIsOff,
    FactorIsOn,
    WrongCode,
    WrongPasskey,
)
from accounts.second_factor.serializers import (
    ChallengeAndCodeSerializer,
    ChallengeAndPasskeySerializer,
    ChallengeSerializer,
    CodeSerializer,
    CreationSerializer,
    FactorsSerializer,
    FinishedLoginSerializer,
    NewPasskeySerializer,
    PasskeySerializer,
    PasswordAndCodeSerializer,
    PasswordSerializer,
    RecoveryCodesSerializer,
    RequestSerializer,
    SetUpSerializer,
)
from accounts.second_factor.services import WRONG_CODE
from accounts.serializers.responses import LoginSerializer

TAG: Final = "Second factor"
CODE: Final = "492039"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105  # made up
RECOVERY_CODES: Final = [f"GRAC-EALB-URYN-ASSA-UBAH-AMA{digit}" for digit in "AEIMQUY246"]
open_operation: Final = partial(operation, is_open=True)

ON: Final = "There is an authenticator app already."
OFF: Final = "There is no authenticator app."
IS_ON: Final = refuse(409, ON, from_error(FactorIsOn))
IS_OFF: Final = refuse(409, OFF, from_error(FactorIsOff))
NO_SET_UP: Final = refuse(
    409, "Nothing is being set up.", from_error(FactorIsOff), from_error(FactorIsOn)
)
BAD_CHALLENGE: Final = refuse(401, "The challenge isn't good.", from_error(ChallengeNotValid))
WRONG: Final = refuse(
    401,
    "The challenge isn't good, or the passkey.",
    from_error(ChallengeNotValid),
    from_error(WrongPasskey),
)
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
CREATION: Final = {
    "options": {
        "rp": {"name": "HireMeBahamas", "id": "example.com"},
        "user": {"name": EMAIL, "id": "R3JhY2U", "displayName": "Grace Albury"},
        "challenge": "bW9ybmluZyBhdCB0aGUgYmVhY2g",
        "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
        "excludeCredentials": [],
    },
    "state": CHALLENGE,
}
REQUEST: Final = {
    "options": {
        "challenge": "bW9ybmluZyBhdCB0aGUgYmVhY2g",
        "rpId": "example.com",
        "allowCredentials": [{"type": "public-key", "id": "cGhvbmU"}],
    }
}
PASSKEY_ID: Final = OpenApiParameter(
    "passkey_id",
    {"type": "integer", "format": "int64", "minimum": 1, "maximum": LARGEST_INTEGER},
    OpenApiParameter.PATH,
    description="The passkey's id.",
    examples=[OpenApiExample("Grace", 3)],
)
PASSKEY: Final = {
    "id": 3,
    "name": "Phone",
    "created_at": "2026-03-02T09:30:00.123456-05:00",
    "last_used_at": None,
}
FACTORS: Final = {"is_required": False, "is_on": False, "recovery_codes_left": 0, "passkeys": []}
# What browsers send is longer.
MADE: Final = {
    "id": "cGhvbmU",
    "rawId": "cGhvbmU",
    "type": "public-key",
    "response": {"clientDataJSON": "e30", "attestationObject": "oA"},
}
SHOWN: Final = MADE | {
    "response": {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "MAA"}
}
NO_CREDENTIAL: Final = {"credential": ["This is no answer of a browser to the options."]}
NO_SUCH_PASSKEY: Final = refuse(
    404, "No such passkey of one's own.", Refusal("not_found", "There is no such passkey.")
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
    answer=Answer("The state.", FactorsSerializer, FACTORS),
)

BEGIN_SET_UP: Final = operation(
    "set_up_second_factor",
    TAG,
    "Set up an authenticator app",
    "Make a secret, for any authenticator app (TOTP). Log-ins ask for it once a code of the app "
    "has come back, within 15 minutes.",
    IS_ON,
    NO_PROOF,
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
    NO_PROOF,
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
    NO_PROOF,
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

BEGIN_PASSKEY: Final = operation(
    "begin_passkey",
    TAG,
    "Make a passkey",
    "Return what `navigator.credentials.create()` needs to know. A passkey stands in for the "
    "authenticator app's code, so that there must be an app.",
    IS_OFF,
    NO_PROOF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=PROOF,
    answer=Answer("For the browser.", CreationSerializer, CREATION),
)

ADD_PASSKEY: Final = operation(
    "add_passkey",
    TAG,
    "Add the passkey",
    "Keep what the browser has made; ten at most. The user is told by mail.",
    IS_OFF,
    TOO_MANY_ATTEMPTS,
    body=Body(
        NewPasskeySerializer,
        {"name": "Phone", "state": CHALLENGE, "credential": MADE},
        NO_CREDENTIAL,
    ),
    answer=Answer("The passkey.", PasskeySerializer, PASSKEY, 201),
)

REMOVE_PASSKEY: Final = operation(
    "remove_passkey",
    TAG,
    "Remove a passkey",
    "Remove one of one's own. The user is told by mail.",
    NO_SUCH_PASSKEY,
    NO_PROOF,
    TOO_MANY_ATTEMPTS,
    BUSY,
    body=Body(
        PasswordSerializer, {"password": PASSWORD}, {"password": ["This password is wrong."]}
    ),
    parameters=Parameters([PASSKEY_ID]),
    answer=Answer("It is removed.", None, status_code=204),
)

BEGIN_PASSKEY_LOGIN: Final = open_operation(
    "begin_passkey_login",
    TAG,
    "Show a passkey to log in",
    "Return what `navigator.credentials.get()` needs to know, for this log-in alone.",
    BAD_CHALLENGE,
    TOO_MANY_ATTEMPTS,
    body=Body(
        ChallengeSerializer,
        {"challenge": CHALLENGE},
        {"challenge": ["This field is required."]},
    ),
    answer=Answer("For the browser.", RequestSerializer, REQUEST),
)

FINISH_PASSKEY_LOGIN: Final = open_operation(
    "finish_passkey_login",
    TAG,
    "Finish a log-in by a passkey",
    "Exchange the challenge of a log-in and the browser's answer for tokens.",
    WRONG,
    TOO_MANY_ATTEMPTS,
    body=Body(
        ChallengeAndPasskeySerializer,
        {"challenge": CHALLENGE, "credential": SHOWN},
        NO_CREDENTIAL,
    ),
    answer=Answer("Tokens, and whose they are.", LoginSerializer, TOKENS | {"user": USER}),
)
