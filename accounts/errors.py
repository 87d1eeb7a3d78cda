"""The refusals of this app: each with its status, its code, and what to do."""

from rest_framework import status
from rest_framework.exceptions import APIException


class Unauthorized(APIException):
    """A 401 from a view that asks for credentials in the body."""

    # Not DRF's AuthenticationFailed: without authentication classes, as here, it becomes a 403.
    status_code = status.HTTP_401_UNAUTHORIZED
    auth_header = 'Bearer realm="api"'


class InvalidCredentials(Unauthorized):
    """Wrong password, no such user, or an inactive one: the caller can't tell which."""

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


class RequestTooLarge(APIException):
    """The body is larger than this endpoint reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request is too large. Send less."
    default_code = "request_too_large"
