"""The operations on tokens: getting them, renewing them, giving them up."""

from typing import Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from accounts.schema.examples import (
    EMAIL,
    NEW_USER,
    PASSWORD,
    REFRESH_TOKEN,
    SESSION,
    TOKENS,
    USER,
)
from accounts.schema.operations import (
    COOKIE_HEADER,
    Answer,
    Body,
    Parameters,
    keyed_operation,
    no_content,
    open_operation,
    operation,
    path_parameter,
    sentence,
)
from accounts.schema.refusals import (
    BAD_REFRESH_TOKEN,
    DEAD_REFRESH_TOKEN,
    NO_REFRESH_HEADER,
    NO_SUCH_SESSION,
    NOT_LOGGED_IN,
    SLOW,
    TOO_MANY_ATTEMPTS,
    missing,
)
from accounts.serializers.requests import (
    CredentialsSerializer,
    RefreshTokenSerializer,
    RegistrationSerializer,
)
from accounts.serializers.responses import (
    AccessTokenSerializer,
    DetailSerializer,
    LoginSerializer,
    SessionListSerializer,
    TokenPairSerializer,
    VerificationSerializer,
)
from accounts.tokens.refresh_cookies import NAME, SECURE_PREFIX

TAG: Final = "Sessions"
OLD_TOKEN: Final = Body(
    RefreshTokenSerializer, {"refresh_token": REFRESH_TOKEN}, missing("refresh_token")
)
SESSION_ID: Final = path_parameter(
    "session_id", "The session's id.", SESSION["id"], {"type": "string", "format": "uuid"}
)
LOGGED_OUT: Final = "Logged out."
REFRESH_COOKIE: Final = OpenApiParameter(
    SECURE_PREFIX + NAME,
    str,
    OpenApiParameter.COOKIE,
    description="A refresh token, as the browser keeps it.",
)
ACCESS: Final = {name: TOKENS[name] for name in ("access_token", "token_type")}
ASKED_TO_REGISTER: Final = "A message is on its way. Confirm the email with it, then log in."
BY_MAIL: Final = OpenApiResponse(
    DetailSerializer,
    "Where accounts are made by mail: the same, whether or not the email has one.",
    [OpenApiExample("by_mail", {"detail": ASKED_TO_REGISTER})],
)
LOGGED_IN: Final = Answer("Tokens, and whose they are.", LoginSerializer, TOKENS | {"user": USER})

REGISTER: Final = open_operation(
    "register",
    TAG,
    "Register",
    "Make an account and log in. Email, username and phone are each one account's alone. "
    "The password may be neither common nor made from the rest of the form. Where accounts are "
    "made by mail, the answer is a 202, the same whether or not the email has an account, and "
    "`confirm_email` makes the account; a phone that another account has is left out of it.",
    {202: BY_MAIL},
    SLOW,
    body=Body(
        RegistrationSerializer,
        {
            "email": EMAIL,
            "password": PASSWORD,
            "first_name": "Grace",
            "last_name": "Albury",
            "username": "grace",
            "phone": "242-555-0134",
            "location": "Nassau, New Providence",
        },
        {
            "email": ["Enter a valid email address."],
            "username": ["Use 3 to 30 letters (a to z), digits, dots, underscores or hyphens."],
        },
    ),
    answer=Answer(
        "Tokens, and the new user.", LoginSerializer, TOKENS | {"user": NEW_USER}, status_code=201
    ),
)

LOGIN: Final = open_operation(
    "login",
    TAG,
    "Log in",
    "Exchange email and password for tokens. The access token is good for 15 minutes, the "
    "refresh token for 14 days and for one use. An account with a second factor gets a challenge "
    "instead.",
    NOT_LOGGED_IN,
    SLOW,
    body=Body(
        CredentialsSerializer,
        {"email": EMAIL, "password": PASSWORD},
        missing("password"),
    ),
    answer=LOGGED_IN,
)

REFRESH: Final = open_operation(
    "refresh",
    TAG,
    "Renew the tokens",
    "Exchange a refresh token, once, for a new pair. Keep the new refresh token: one that "
    "comes back after a few seconds' grace was stolen, and ends the session and its access tokens.",
    DEAD_REFRESH_TOKEN,
    TOO_MANY_ATTEMPTS,
    body=OLD_TOKEN,
    answer=Answer("The next pair of tokens.", TokenPairSerializer, TOKENS),
)

LOGOUT: Final = open_operation(
    "logout",
    TAG,
    "Log out",
    "End the session of this refresh token, the last one or an earlier, and its access tokens.",
    BAD_REFRESH_TOKEN,
    body=OLD_TOKEN,
    answer=sentence("The session is over.", LOGGED_OUT),
)

REFRESH_BY_COOKIE: Final = open_operation(
    "refresh_by_cookie",
    TAG,
    "Renew the tokens of a browser app",
    "Exchange the refresh token of the cookie, once, for an access token and a new cookie.",
    DEAD_REFRESH_TOKEN,
    NO_REFRESH_HEADER,
    TOO_MANY_ATTEMPTS,
    parameters=Parameters([COOKIE_HEADER, REFRESH_COOKIE]),
    answer=Answer("The next access token.", AccessTokenSerializer, ACCESS),
)

LOGOUT_BY_COOKIE: Final = open_operation(
    "logout_by_cookie",
    TAG,
    "Log out of a browser app",
    "End the session of the cookie, if it is still good, and delete the cookie.",
    NO_REFRESH_HEADER,
    parameters=Parameters([COOKIE_HEADER, REFRESH_COOKIE]),
    answer=sentence("There is no session, nor a cookie.", LOGGED_OUT),
)

LIST_SESSIONS: Final = operation(
    "list_sessions",
    TAG,
    "List one's sessions",
    "Return one's own sessions, the last used first, a hundred at most.",
    answer=Answer("The sessions.", SessionListSerializer, {"results": [SESSION]}),
)

END_SESSIONS: Final = operation(
    "end_sessions",
    TAG,
    "Log out everywhere",
    "End all of one's sessions, this one included. Every token dies at once.",
    answer=no_content("No session is left."),
)

END_SESSION: Final = operation(
    "end_session",
    TAG,
    "End a session",
    "End one of one's own sessions. Its tokens die at once, at every server.",
    NO_SUCH_SESSION,
    parameters=Parameters([SESSION_ID]),
    answer=no_content("The session is over."),
)

VERIFY: Final = keyed_operation(
    "verify",
    TAG,
    "Check an access token or API key",
    "Say whose it is, if it is still good.",
    answer=Answer("It is good.", VerificationSerializer, {"valid": True, "user_id": 7}),
)
