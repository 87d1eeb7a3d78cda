"""Errors as JSON: `{"detail", "code"}`, or a list of messages per field."""

import logging
import sys
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import (
    RequestDataTooBig,
    SuspiciousOperation,
    SynchronousOnlyOperation,
    ValidationError,
)
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, status
from rest_framework.fields import get_error_detail
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from accounts.errors import DatabaseUnavailable, RequestTooLarge, Unavailable
from usercache.memory_only import check_may_wait

logger = logging.getLogger(__name__)

ADMIN_PATH = "/admin/"
READ_ONLY_SQLSTATE = "25006"
LOST_SQLSTATES = ("25P03", "25P04")
"""PostgreSQL ended a transaction that was idle, or open, for too long; psycopg's InternalError."""


class DatabaseReadOnly(Unavailable):
    """The database is read-only: a standby, or set so."""

    default_detail = "Nothing can be changed just now. Try again in a moment."
    default_code = "database_read_only"


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of a view; return None, and so a 500, for an unexpected one.

    Raises: MustWaitError, which nothing answers; see Note [Answered on the event loop].
    """
    if isinstance(exc, SynchronousOnlyOperation):
        check_may_wait()
    exc = _translate(exc)
    response = exception_handler(exc, context)
    if response is not None:
        response.data = _shape(response.data, exc)
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refused before a view saw it, such as a foreign Host header."""
    if _is_for_admin(request):
        return defaults.bad_request(request, exception)
    return _answer("The request is malformed.", "bad_request", status.HTTP_400_BAD_REQUEST)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a forbidden request."""
    if _is_for_admin(request):
        return defaults.permission_denied(request, exception)
    return _answer("This is not allowed.", "permission_denied", status.HTTP_403_FORBIDDEN)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer an unknown path."""
    if _is_for_admin(request) and exception is not None:
        return defaults.page_not_found(request, exception)
    return _answer("There is nothing at this path.", "not_found", status.HTTP_404_NOT_FOUND)


def method_not_allowed(allowed: Iterable[str]) -> HttpResponse:
    """Answer a known path with a method it doesn't have."""
    detail = "This path doesn't know this method; the Allow header lists those that it does."
    response = _answer(detail, "method_not_allowed", status.HTTP_405_METHOD_NOT_ALLOWED)
    response.headers["Allow"] = ", ".join(allowed)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after an error of ours, or of the database; the log has the details."""
    refusal = _translate_database_error(sys.exception())
    if refusal is not None and _is_for_admin(request):
        return show_refusal(refusal)
    if refusal is not None:
        return _answer(refusal.default_detail, refusal.default_code, refusal.status_code)
    if _is_for_admin(request):
        return defaults.server_error(request)
    return _answer(
        "Something went wrong on our side. Try again later.",
        "server_error",
        status.HTTP_500_INTERNAL_SERVER_ERROR,
    )


def show_refusal(refusal: exceptions.APIException) -> HttpResponse:
    """Answer a refusal as a page, for the admin site."""
    title = f"{HTTPStatus(refusal.status_code).phrase} ({refusal.status_code})"
    page = {"title": title, "details": refusal.default_detail}
    response = HttpResponse(defaults.ERROR_PAGE_TEMPLATE % page, status=refusal.status_code)
    if wait := getattr(refusal, "wait", None):
        response.headers["Retry-After"] = str(wait)
    return response


def _translate(exc: Exception) -> Exception:
    if isinstance(exc, ValidationError):
        return exceptions.ValidationError(get_error_detail(exc))
    if isinstance(exc, RequestDataTooBig):
        return RequestTooLarge()
    if isinstance(exc, SuspiciousOperation):
        return exceptions.ParseError("The request is malformed.", code="bad_request")
    refusal = _translate_database_error(exc)
    if refusal is None:
        return exc
    logger.error("The database failed: %s", exc)
    return refusal


def _translate_database_error(
    exc: BaseException | None,
) -> DatabaseUnavailable | DatabaseReadOnly | None:
    # The driver's own error, which has the server's code for it.
    sqlstate = getattr(exc.__cause__, "sqlstate", None) if isinstance(exc, DatabaseError) else None
    if sqlstate == READ_ONLY_SQLSTATE:
        return DatabaseReadOnly()
    if isinstance(exc, OperationalError | InterfaceError) or sqlstate in LOST_SQLSTATES:
        return DatabaseUnavailable()
    return None


def _shape(data: Any, exc: Exception) -> Any:
    if isinstance(exc, exceptions.ValidationError) or not isinstance(exc, exceptions.APIException):
        return data if isinstance(data, dict) else {api_settings.NON_FIELD_ERRORS_KEY: data}
    # simplejwt's errors have a code, and more than that; DRF's have none in their body.
    code = data["code"] if "code" in data else exc.get_codes()
    return {"detail": data["detail"], "code": code, **getattr(exc, "extra", {})}


def _answer(detail: str, code: str, status_code: int) -> JsonResponse:
    return JsonResponse({"detail": detail, "code": code}, status=status_code)


def _is_for_admin(request: HttpRequest) -> bool:
    return request.path.startswith(ADMIN_PATH)
