"""The refusals of this app: each with its status, its code, and what to do."""

import math
from typing import Final

from django.core.exceptions import ValidationError
from rest_framework import status
from rest_framework.exceptions import APIException, AuthenticationFailed, NotFound, PermissionDenied

PASSWORD_IS_WRONG: Final = "This password is wrong."  # noqa: S105  # a message


def field_error(name: str, message: str, code: str = "invalid") -> ValidationError:
    """Return the refusal of one field of a request."""
    return ValidationError({name: ValidationError(message, code=code)})


class Unauthorized(APIException):
    """A 401 from a view that asks for credentials in the body."""

    # Not DRF's AuthenticationFailed: without authentication classes, as here, it becomes a 403.
    status_code = status.HTTP_401_UNAUTHORIZED
    auth_header = 'Bearer realm="api"'


class LoginUnfinished(Unauthorized):
    """The password is right, and more is asked for. With the challenge, the log-in goes on."""

    def __init__(self, challenge: str) -> None:
        """Put the challenge into the body, beside `detail` and `code`."""
        super().__init__()
        self.extra = {"challenge": challenge}


class SecondFactorRequired(LoginUnfinished):
    """The account has a second factor."""

    default_detail = "Enter a code of your authenticator app, or a recovery code."
    default_code = "second_factor_required"


class SecondFactorSetUpRequired(LoginUnfinished):
    """The account must have a second factor, and has none."""

    default_detail = "This account needs a second factor. Set one up to log in."
    default_code = "second_factor_set_up_required"


class InvalidCredentials(Unauthorized):
    """Wrong password, no such user, or an inactive one; the answer doesn't say which."""

    default_detail = "Email or password is wrong."
    default_code = "invalid_credentials"


class InvalidRefreshToken(Unauthorized):
    """Not a refresh token of ours, or expired."""

    default_detail = "The refresh token is invalid or expired. Log in again."
    default_code = "token_not_valid"


class SessionEnded(Unauthorized):
    """A genuine refresh token whose session is over, or whose user is not active."""

    default_detail = "This session is over. Log in again."
    default_code = "session_ended"


class TokenReused(Unauthorized):
    """A refresh token came back after its successor had been handed out: one of two was stolen."""

    default_detail = "This refresh token was used before, so its session has ended. Log in again."
    default_code = "token_reused"


class AccountGone(Unauthorized):
    """The user was deactivated or deleted while the request was under way."""

    default_detail = "This account is not active."
    default_code = "user_inactive"


class InvalidApiKey(AuthenticationFailed):
    """Not a key of ours, expired, revoked, or of a user who isn't active: it doesn't say which."""

    default_detail = "This API key is not valid. It may be mistyped, expired or revoked."
    default_code = "api_key_not_valid"


class OutOfScope(PermissionDenied):
    """The API key may only read."""

    default_detail = "This API key may only read. Use one with the scope `write`."
    default_code = "out_of_scope"


class RecentLoginRequired(PermissionDenied):
    """The account has no password to ask for, and the log-in was too long ago."""

    default_detail = "Log in again, and then repeat this within a few minutes."
    default_code = "recent_login_required"


class RefreshHeaderRequired(PermissionDenied):
    """A cookie came without the header that no other site's page can send."""

    default_detail = "Send the header X-Refresh-Cookie with this, whatever its value."
    default_code = "refresh_header_required"


class NoSuchUser(NotFound):
    """No user with this id or identifier, or none that the caller may see."""

    default_detail = "There is no such user."


class NoSuchSession(NotFound):
    """The caller has no session with this id."""

    default_detail = "There is no such session."


class NoSuchKey(NotFound):
    """The caller has no API key with this id."""

    default_detail = "There is no such API key."


class Conflict(APIException):
    """What is asked for doesn't fit the state of the account."""

    status_code = status.HTTP_409_CONFLICT


class RequestTooLarge(APIException):
    """The body is larger than this endpoint reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request is too large. Send less."
    default_code = "request_too_large"


class TooManyAttempts(APIException):
    """This was done too often, from this address or with this account."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_detail = "This was tried too often. Wait before you try again."
    default_code = "too_many_attempts"

    def __init__(self, wait_seconds: float = 1.0) -> None:
        """Say how long to wait, in the header Retry-After."""
        super().__init__()
        self.wait = max(1, math.ceil(wait_seconds))


class Unavailable(APIException):
    """What the request needs isn't there just now."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE


class DatabaseUnavailable(Unavailable):
    """The database can't be reached, or took too long."""

    default_detail = "The database can't be reached just now. Try again in a moment."
    default_code = "database_unavailable"


class Busy(Unavailable):
    """As many requests as there may be do slow work already."""

    default_detail = "Too much is going on just now. Try again in a moment."
    default_code = "busy"
    wait = 1
    """Seconds, which becomes the header Retry-After."""


class StorageFull(APIException):
    """There is no room for the file."""

    status_code = status.HTTP_507_INSUFFICIENT_STORAGE
    default_detail = "There is no room for pictures just now. Try again later."
    default_code = "storage_full"


class StorageUnavailable(Unavailable):
    """The file can't be written."""

    default_detail = "Pictures can't be stored just now. Try again later."
    default_code = "storage_unavailable"
