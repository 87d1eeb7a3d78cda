"""The errors that operations share, as the schema describes them.

Each example is what the API answers, word for word; `tests/accounts/schema/test_error_examples.py`
provokes it.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.exceptions import APIException, NotAcceptable

from accounts.errors import (
    PASSWORD_IS_WRONG,
    Busy,
    DatabaseUnavailable,
    InvalidApiKey,
    InvalidCredentials,
    InvalidRefreshToken,
    NoSuchKey,
    NoSuchSession,
    NoSuchUser,
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
from accounts.schema.examples import CHALLENGE
from accounts.serializers.responses import ErrorSerializer, UnfinishedLoginSerializer

Responses = dict[int, OpenApiResponse]


class Refusal(NamedTuple):
    """An answer with `code` and `detail`, and what else its body has."""

    status_code: int
    code: str
    detail: str
    extra: Mapping[str, str] = {}

    def as_example(self) -> OpenApiExample:
        """Return the body, under the name of its code."""
        return OpenApiExample(self.code, {"detail": self.detail, "code": self.code, **self.extra})


def from_error(error: type[APIException], **extra: str) -> Refusal:
    """Return the exception's status, and its default code and message."""
    return Refusal(error.status_code, error.default_code, str(error.default_detail), extra)


def refuse(
    description: str,
    *errors: Refusal | type[APIException],
    serializer: type[ErrorSerializer] = ErrorSerializer,
) -> Responses:
    """Describe a response with every code that it may have; all are of one status."""
    refusals = [error if isinstance(error, Refusal) else from_error(error) for error in errors]
    examples = [refusal.as_example() for refusal in refusals]
    return {refusals[0].status_code: OpenApiResponse(serializer, description, examples)}


def refuse_fields(errors: Mapping[str, list[str]], *refusals: Refusal) -> Responses:
    """Describe a 400: messages by field, or one for the whole request."""
    fields = OpenApiExample("fields", dict(errors), summary="by field")
    examples = [fields, *(refusal.as_example() for refusal in refusals)]
    description = "Messages by field; `detail` and `code` where it is the whole request."
    return {400: OpenApiResponse(BAD_REQUEST, description, examples)}


def refuse_media_type(expected: str) -> Responses:
    """Describe the 415 of an operation that takes bodies of one type."""
    detail = 'Unsupported media type "text/plain" in request.'
    refusal = Refusal(415, "unsupported_media_type", detail)
    return refuse(f"The body is not {expected}.", refusal)


def missing(name: str) -> dict[str, list[str]]:
    """Return the message for a body without this field."""
    return {name: ["This field is required."]}


WRONG_PASSWORD: Final = {"password": [PASSWORD_IS_WRONG]}

UNFINISHED_LOGINS: Final = (
    from_error(SecondFactorRequired, challenge=CHALLENGE),
    from_error(SecondFactorSetUpRequired, challenge=CHALLENGE),
)
"""In the answer of whatever is a first step of a log-in, by `UnfinishedLoginSerializer`."""
NOT_LOGGED_IN: Final = refuse(
    "Wrong password, no such account, or a closed one; or the second factor is missing.",
    InvalidCredentials,
    *UNFINISHED_LOGINS,
    serializer=UnfinishedLoginSerializer,
)
BAD_REFRESH_TOKEN: Final = refuse(
    "The refresh token is not one of ours, or expired.", InvalidRefreshToken
)
DEAD_REFRESH_TOKEN: Final = refuse(
    "The refresh token is not one of ours, expired, or was used before; or its session is over.",
    InvalidRefreshToken,
    SessionEnded,
    TokenReused,
)
NO_REFRESH_HEADER: Final = refuse("The header X-Refresh-Cookie is missing.", RefreshHeaderRequired)
UNAUTHENTICATED_EXAMPLES: Final = (
    Refusal(401, "not_authenticated", "Authentication credentials were not provided."),
    Refusal(401, "token_not_valid", "Given token not valid for any token type"),
    Refusal(401, "token_revoked", "The token was revoked; log in again."),
    from_error(SessionEnded),
    Refusal(401, "user_inactive", "User is inactive"),
    Refusal(401, "user_not_found", "User not found"),
)
UNAUTHENTICATED: Final = refuse(
    "No access token, or one that is not good any more.", *UNAUTHENTICATED_EXAMPLES
)
UNAUTHENTICATED_OR_KEY: Final = refuse(
    "No access token or API key, or one that is not good any more.",
    *UNAUTHENTICATED_EXAMPLES,
    InvalidApiKey,
)
OUT_OF_SCOPE: Final = refuse("The API key may only read.", OutOfScope)
NO_PROOF: Final = refuse(
    "The account has no password, and the log-in was too long ago.", RecentLoginRequired
)
NO_SUCH_KEY: Final = refuse("No such API key of one's own.", NoSuchKey)
NOT_FOR_EVERYBODY: Final = refuse(
    "Only admins look users up by email and phone.",
    Refusal(403, "permission_denied", "Only admins look users up by email. Use username."),
)
NO_SUCH_USER: Final = refuse("No such user, or a closed account.", NoSuchUser)
NO_SUCH_SESSION: Final = refuse("No such session of one's own.", NoSuchSession)
NOT_ACCEPTABLE: Final = refuse("The Accept header leaves out application/json.", NotAcceptable)
TOO_LARGE: Final = refuse("The body is too large.", RequestTooLarge)
UNAVAILABLE: Final = refuse("The database can't be reached just now.", DatabaseUnavailable)
TOO_MANY_ATTEMPTS: Final = refuse(
    "Too many from this address or with this account. Retry-After has the seconds to wait.",
    TooManyAttempts,
)
BUSY: Final = refuse(
    "The database can't be reached, or too much is going on, just now.", DatabaseUnavailable, Busy
)
SLOW: Final = TOO_MANY_ATTEMPTS | BUSY
"""Of operations with slow work, which are limited, too."""
PROVEN: Final = NO_PROOF | SLOW
"""Of operations that ask for the password once more; see Note [Proof]."""
NOT_STORED: Final = refuse(
    "The database can't be reached, or pictures can't be taken, just now.",
    DatabaseUnavailable,
    Busy,
    StorageUnavailable,
) | refuse("There is no room for pictures.", StorageFull)
