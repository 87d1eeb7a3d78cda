"""The operations on second factors in OpenAPI."""

from typing import Final

from accounts.schema.examples import CHALLENGE, CREATED_AT, EMAIL, PASSWORD, TOKENS, USER
from accounts.schema.operations import (
    Answer,
    Body,
    Parameters,
    no_content,
    open_operation,
    operation,
    path_parameter,
)
from accounts.schema.refusals import (
    PROVEN,
    TOO_MANY_ATTEMPTS,
    WRONG_PASSWORD,
    missing,
    refuse,
)
from accounts.schema.sessions import LOGGED_IN
from accounts.second_factor.codes import format_uri
from accounts.second_factor.errors import (
    ChallengeNotValid,
    FactorIsOff,
    FactorIsOn,
    NoSuchPasskey,
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
    PasswordlessLoginSerializer,
    PasswordlessOptionsSerializer,
    RecoveryCodesSerializer,
    RequestSerializer,
    SetUpSerializer,
)
from accounts.second_factor.services import WRONG_CODE
from accounts.serializers.requests import ProofSerializer

TAG: Final = "Second factor"
CODE: Final = "492039"
SECRET: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105  # made up
RECOVERY_CODES: Final = [f"GRAC-EALB-URYN-ASSA-UBAH-AMA{digit}" for digit in "AEIMQUY246"]

ON: Final = "There is an authenticator app already."
OFF: Final = "There is no authenticator app."
IS_ON: Final = refuse(ON, FactorIsOn)
IS_OFF: Final = refuse(OFF, FactorIsOff)
NO_SET_UP: Final = refuse("Nothing is being set up.", FactorIsOff, FactorIsOn)
BAD_CHALLENGE: Final = refuse("The challenge isn't good.", ChallengeNotValid)
WRONG: Final = refuse("The challenge isn't good, or the passkey.", ChallengeNotValid, WrongPasskey)
NOT_FINISHED: Final = refuse("The challenge isn't good, or the code.", ChallengeNotValid, WrongCode)
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
OPEN_OPTIONS: Final = {
    "challenge": "bW9ybmluZyBhdCB0aGUgYmVhY2g",
    "rpId": "example.com",
    "userVerification": "required",
}
PASSKEY_ID: Final = path_parameter("passkey_id", "The passkey's id.", 3)
PASSKEY: Final = {
    "id": 3,
    "name": "Phone",
    "created_at": CREATED_AT,
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
NO_SUCH_PASSKEY: Final = refuse("No such passkey of one's own.", NoSuchPasskey)
CHALLENGED: Final = Body(ChallengeSerializer, {"challenge": CHALLENGE}, missing("challenge"))
NEW_CODES: Final = Answer(
    "Ten recovery codes.", RecoveryCodesSerializer, {"recovery_codes": RECOVERY_CODES}
)
PROOF: Final = Body(ProofSerializer, {"password": PASSWORD, "code": CODE}, WRONG_PASSWORD)

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
    PROVEN,
    body=Body(ProofSerializer, {"password": PASSWORD}, WRONG_PASSWORD),
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
    PROVEN,
    body=PROOF,
    answer=NEW_CODES,
)

TURN_OFF: Final = operation(
    "turn_off_second_factor",
    TAG,
    "Turn one's second factor off",
    "Remove the authenticator app and the recovery codes. The user is told by mail.",
    IS_OFF,
    PROVEN,
    body=PROOF,
    answer=no_content("Log-ins ask for the password alone."),
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
        missing("code"),
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
    body=CHALLENGED,
    answer=SET_UP,
)

BEGIN_PASSKEY: Final = operation(
    "begin_passkey",
    TAG,
    "Make a passkey",
    "Return what `navigator.credentials.create()` needs to know. A passkey stands in for the "
    "authenticator app's code, so that there must be an app.",
    IS_OFF,
    PROVEN,
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
    PROVEN,
    body=PROOF,
    parameters=Parameters([PASSKEY_ID]),
    answer=no_content("It is removed."),
)

BEGIN_PASSWORDLESS_LOGIN: Final = open_operation(
    "begin_passwordless_login",
    TAG,
    "Show a passkey to log in without a password",
    "Return what `navigator.credentials.get()` needs to know; the same for everybody.",
    TOO_MANY_ATTEMPTS,
    answer=Answer(
        "For the browser.",
        PasswordlessOptionsSerializer,
        {"options": OPEN_OPTIONS, "challenge": CHALLENGE},
    ),
)

FINISH_PASSWORDLESS_LOGIN: Final = open_operation(
    "finish_passwordless_login",
    TAG,
    "Log in by a passkey",
    "Exchange the browser's answer for tokens. A passkey that has verified its user, by a finger, "
    "a face or a PIN, needs neither password nor code. A challenge works once, for 5 minutes.",
    WRONG,
    TOO_MANY_ATTEMPTS,
    body=Body(
        PasswordlessLoginSerializer,
        {"challenge": CHALLENGE, "credential": SHOWN},
        NO_CREDENTIAL,
    ),
    answer=LOGGED_IN,
)

BEGIN_PASSKEY_LOGIN: Final = open_operation(
    "begin_passkey_login",
    TAG,
    "Show a passkey to log in",
    "Return what `navigator.credentials.get()` needs to know, for this log-in alone.",
    BAD_CHALLENGE,
    TOO_MANY_ATTEMPTS,
    body=CHALLENGED,
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
    answer=LOGGED_IN,
)
