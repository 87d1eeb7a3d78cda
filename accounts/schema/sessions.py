"""The operations on tokens: getting them, renewing them, giving them up."""

from typing import Final

from drf_spectacular.utils import extend_schema

from accounts.representations import (
    DetailSerializer,
    LoginSerializer,
    TokenPairSerializer,
    VerificationSerializer,
)
from accounts.schema.answers import answer, exchange, refuse_fields
from accounts.schema.people import EMAIL, NEW_USER, PASSWORD, REFRESH_TOKEN, TOKENS, USER
from accounts.schema.refusals import (
    ANY,
    ANY_WITH_JSON,
    BAD_REFRESH_TOKEN,
    DEAD_REFRESH_TOKEN,
    INVALID_CREDENTIALS,
    NOT_JSON,
    UNAUTHENTICATED,
)
from accounts.serializers import (
    CredentialsSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
)

TAGS: Final = ["Sessions"]

REGISTER: Final = extend_schema(
    operation_id="register",
    tags=TAGS,
    summary="Register",
    description=(
        "Make an account and log in. Email, username and phone are each one account's alone. "
        "The password may be neither common nor made from the rest of the form."
    ),
    request=RegistrationSerializer,
    examples=exchange(
        "Grace",
        {
            "email": EMAIL,
            "password": PASSWORD,
            "first_name": "Grace",
            "last_name": "Albury",
            "username": "grace",
            "phone": "242-555-0134",
            "location": "Nassau, New Providence",
        },
        TOKENS | {"user": NEW_USER},
    ),
    responses=answer(
        201,
        "Tokens, and the new user.",
        LoginSerializer,
        refuse_fields(
            {
                "email": ["Enter a valid email address."],
                "username": ["Use 3 to 30 letters (a to z), digits, dots, underscores or hyphens."],
            },
            NOT_JSON,
        ),
        ANY_WITH_JSON,
    ),
)

LOGIN: Final = extend_schema(
    operation_id="login",
    tags=TAGS,
    summary="Log in",
    description=(
        "Exchange email and password for tokens. The access token is good for 15 minutes, the "
        "refresh token for 14 days and for one use."
    ),
    request=CredentialsSerializer,
    examples=exchange("Grace", {"email": EMAIL, "password": PASSWORD}, TOKENS | {"user": USER}),
    responses=answer(
        200,
        "Tokens, and whose they are.",
        LoginSerializer,
        refuse_fields({"password": ["This field is required."]}, NOT_JSON),
        INVALID_CREDENTIALS,
        ANY_WITH_JSON,
    ),
)

REFRESH: Final = extend_schema(
    operation_id="refresh",
    tags=TAGS,
    summary="Renew the tokens",
    description=(
        "Exchange a refresh token, once, for a new pair. Keep the new refresh token: one that "
        "comes back after a few seconds' grace was stolen, and ends the session."
    ),
    request=RefreshTokenSerializer,
    examples=exchange("Grace", {"refresh_token": REFRESH_TOKEN}, TOKENS),
    responses=answer(
        200,
        "The next pair of tokens.",
        TokenPairSerializer,
        refuse_fields({"refresh_token": ["This field is required."]}, NOT_JSON),
        DEAD_REFRESH_TOKEN,
        ANY_WITH_JSON,
    ),
)

LOGOUT: Final = extend_schema(
    operation_id="logout",
    tags=TAGS,
    summary="Log out",
    description=(
        "End the session of this refresh token, the last one or an earlier. Access tokens of the "
        "session are good until they expire."
    ),
    request=RefreshTokenSerializer,
    examples=exchange("Grace", {"refresh_token": REFRESH_TOKEN}, {"detail": "Logged out."}),
    responses=answer(
        200,
        "The session is over.",
        DetailSerializer,
        refuse_fields({"refresh_token": ["This field is required."]}, NOT_JSON),
        BAD_REFRESH_TOKEN,
        ANY_WITH_JSON,
    ),
)

VERIFY: Final = extend_schema(
    operation_id="verify",
    tags=TAGS,
    summary="Check an access token",
    description="Say whose access token this is, if it is still good.",
    examples=exchange("Grace", None, {"valid": True, "user_id": 7}),
    responses=answer(200, "It is good.", VerificationSerializer, UNAUTHENTICATED, ANY),
)
