"""Why requests are refused, as the schema tells it: the errors that operations share.

Each example is what the API answers, word for word; `tests/accounts/test_examples.py` provokes it.
"""

from typing import Final

from rest_framework.exceptions import NotAcceptable

from accounts.errors import (
    InvalidCredentials,
    InvalidRefreshToken,
    RequestTooLarge,
    SessionEnded,
    TokenReused,
)
from accounts.schema.answers import Refusal, from_error, refuse, refuse_media_type

NOT_JSON: Final = Refusal(
    "parse_error", "JSON parse error - Expecting value: line 1 column 1 (char 0)"
)
NOT_A_FORM: Final = Refusal(
    "parse_error", "Multipart form parse error - Invalid boundary in multipart: None"
)

INVALID_CREDENTIALS: Final = refuse(
    401, "Wrong password, no such account, or a closed one.", from_error(InvalidCredentials)
)
BAD_REFRESH_TOKEN: Final = refuse(
    401, "The refresh token is not one of ours, or expired.", from_error(InvalidRefreshToken)
)
DEAD_REFRESH_TOKEN: Final = refuse(
    401,
    "The refresh token is not one of ours, expired, or was used before; or its session is over.",
    from_error(InvalidRefreshToken),
    from_error(SessionEnded),
    from_error(TokenReused),
)
UNAUTHENTICATED: Final = refuse(
    401,
    "No access token, or one that is not good any more.",
    Refusal("not_authenticated", "Authentication credentials were not provided."),
    Refusal("token_not_valid", "Given token not valid for any token type"),
    Refusal("token_revoked", "The token was revoked; log in again."),
    Refusal("user_inactive", "The account is inactive."),
    Refusal("user_not_found", "There is no such user."),
)
NO_SUCH_USER: Final = refuse(
    404, "No such user, or a closed account.", Refusal("not_found", "There is no such user.")
)
NOT_ACCEPTABLE: Final = refuse(
    406, "The Accept header leaves out application/json.", from_error(NotAcceptable)
)
TOO_LARGE: Final = refuse(413, "The body is too large.", from_error(RequestTooLarge))
UNAVAILABLE: Final = refuse(
    503,
    "The database can't be reached just now.",
    Refusal(
        "database_unavailable",
        "The database can't be reached just now. Try again in a moment.",
    ),
)

ANY: Final = NOT_ACCEPTABLE | UNAVAILABLE
"""What every operation may answer."""
ANY_WITH_JSON: Final = ANY | TOO_LARGE | refuse_media_type("application/json")
"""What every operation with a JSON body may answer."""
ANY_WITH_FORM: Final = ANY | TOO_LARGE | refuse_media_type("multipart/form-data")
