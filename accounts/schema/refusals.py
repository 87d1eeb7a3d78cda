"""The errors that operations share, as the schema describes them.

Each example is what the API answers, word for word; `tests/accounts/test_error_examples.py`
provokes it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import APIException, NotAcceptable

from accounts.errors import (
    Busy,
    InvalidApiKey,
    InvalidCredentials,
    InvalidRefreshToken,
    OutOfScope,
    RecentLoginRequired,
    RefreshHeaderRequired,
    RequestTooLarge,
    SecondFactorRequired,
    SecondFactorSetUpRequired,
    SessionEnded,
    StorageFull,
    StorageUnavailable,
    TokenReused,
    TooManyAttempts,
)
from accounts.schema.components import BAD_REQUEST
from accounts.schema.people import CHALLENGE
from accounts.serializers.responses import ErrorSerializer, UnfinishedLoginSerializer

Responses = dict[int, OpenApiResponse]


class Refusal(NamedTuple):
    """An answer with `code` and `detail`, and what else its body has."""

    code: str
    detail: str
    extra: Mapping[str, str] = {}

    def as_example(self) -> OpenApiExample:
        """Return the body, under the name of its code."""
        return OpenApiExample(self.code, {"detail": self.detail, "code": self.code, **self.extra})


def from_error(error: type[APIException], **extra: str) -> Refusal:
    """Return the exception's default code and message."""
    return Refusal(error.default_code, str(error.default_detail), extra)


def refuse(
    status_code: int,
    description: str,
    *refusals: Refusal,
    serializer: type[ErrorSerializer] = ErrorSerializer,
) -> Responses:
    """Describe an error with every code that it may have."""
    examples = [refusal.as_example() for refusal in refusals]
    return {status_code: OpenApiResponse(serializer, description, examples)}


def refuse_fields(errors: Mapping[str, list[str]], *refusals: Refusal) -> Responses:
    """Describe a 400: messages by field, or one for the whole request."""
    fields = OpenApiExample("fields", dict(errors), summary="by field")
    examples = [fields, *(refusal.as_example() for refusal in refusals)]
    description = "Messages by field; `detail` and `code` where it is the whole request."
    return {400: OpenApiResponse(BAD_REQUEST, description, examples)}


def refuse_media_type(expected: str) -> Responses:
    """Describe the 415 of an operation that takes bodies of one type."""
    refusal = Refusal("unsupported_media_type", 'Unsupported media type "text/plain" in request.')
    return refuse(415, f"The body is not {expected}.", refusal)


NOT_LOGGED_IN: Final = refuse(
    401,
    "Wrong password, no such account, or a closed one; or the second factor is missing.",
    from_error(InvalidCredentials),
    from_error(SecondFactorRequired, challenge=CHALLENGE),
    from_error(SecondFactorSetUpRequired, challenge=CHALLENGE),
    serializer=UnfinishedLoginSerializer,
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
NO_REFRESH_HEADER: Final = refuse(
    403, "The header X-Refresh-Cookie is missing.", from_error(RefreshHeaderRequired)
)
UNAUTHENTICATED_EXAMPLES: Final = (
    Refusal("not_authenticated", "Authentication credentials were not provided."),
    Refusal("token_not_valid", "Given token not valid for any token type"),
    Refusal("token_revoked", "The token was revoked; log in again."),
    from_error(SessionEnded),
    Refusal("user_inactive", "User is inactive"),
    Refusal("user_not_found", "User not found"),
)
UNAUTHENTICATED: Final = refuse(
    401, "No access token, or one that is not good any more.", *UNAUTHENTICATED_EXAMPLES
)
UNAUTHENTICATED_OR_KEY: Final = refuse(
    401,
    "No access token or API key, or one that is not good any more.",
    *UNAUTHENTICATED_EXAMPLES,
    from_error(InvalidApiKey),
)
OUT_OF_SCOPE: Final = refuse(403, "The API key may only read.", from_error(OutOfScope))
NO_PROOF: Final = refuse(
    403,
    "The account has no password, and the log-in was too long ago.",
    from_error(RecentLoginRequired),
)
NO_SUCH_KEY: Final = refuse(
    404, "No such API key of one's own.", Refusal("not_found", "There is no such API key.")
)
NOT_FOR_EVERYBODY: Final = refuse(
    403,
    "Only admins look users up by email and phone.",
    Refusal("permission_denied", "Only admins look users up by email. Use username."),
)
NO_SUCH_USER: Final = refuse(
    404, "No such user, or a closed account.", Refusal("not_found", "There is no such user.")
)
NO_SUCH_SESSION: Final = refuse(
    404,
    "No such session of one's own.",
    Refusal("not_found", "There is no such session."),
)
NOT_ACCEPTABLE: Final = refuse(
    406, "The Accept header leaves out application/json.", from_error(NotAcceptable)
)
TOO_LARGE: Final = refuse(413, "The body is too large.", from_error(RequestTooLarge))
NO_DATABASE: Final = Refusal(
    "database_unavailable", "The database can't be reached just now. Try again in a moment."
)
UNAVAILABLE: Final = refuse(503, "The database can't be reached just now.", NO_DATABASE)
TOO_MANY_ATTEMPTS: Final = refuse(
    429,
    "Too many from this address or with this account. Retry-After has the seconds to wait.",
    from_error(TooManyAttempts),
)
BUSY: Final = refuse(
    503,
    "The database can't be reached, or too much is going on, just now.",
    NO_DATABASE,
    from_error(Busy),
)
NOT_STORED: Final = refuse(
    503,
    "The database can't be reached, or pictures can't be taken, just now.",
    NO_DATABASE,
    from_error(Busy),
    from_error(StorageUnavailable),
) | refuse(507, "There is no room for pictures.", from_error(StorageFull))
