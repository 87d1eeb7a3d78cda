"""Errors as JSON: `{"detail", "code"}`, or a list of messages per field."""

import logging
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions, status
from rest_framework.fields import get_error_detail
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from accounts.errors import RequestTooLarge

logger = logging.getLogger(__name__)

ADMIN_PATH = "/admin/"


class DatabaseUnavailable(exceptions.APIException):
    """The database can't be reached, or took too long."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database can't be reached just now. Try again in a moment."
    default_code = "database_unavailable"


def handle_exception(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of a view; None, and so a 500, for what is nobody's fault but ours."""
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
    """Answer what is forbidden to everybody."""
    if _is_for_admin(request):
        return defaults.permission_denied(request, exception)
    return _answer("This is not allowed.", "permission_denied", status.HTTP_403_FORBIDDEN)


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a path that leads nowhere."""
    if _is_for_admin(request) and exception is not None:
        return defaults.page_not_found(request, exception)
    return _answer("There is nothing at this path.", "not_found", status.HTTP_404_NOT_FOUND)


def method_not_allowed(allowed: Iterable[str]) -> HttpResponse:
    """Answer a path that is there, but not for this method."""
    detail = "This path doesn't know this method; the Allow header lists those that it does."
    response = _answer(detail, "method_not_allowed", status.HTTP_405_METHOD_NOT_ALLOWED)
    response.headers["Allow"] = ", ".join(allowed)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when we have failed; the log has the rest."""
    if _is_for_admin(request):
        return defaults.server_error(request)
    return _answer(
        "Something went wrong on our side. Try again later.",
        "server_error",
        status.HTTP_500_INTERNAL_SERVER_ERROR,
    )


def _translate(exc: Exception) -> Exception:
    if isinstance(exc, ValidationError):
        return exceptions.ValidationError(get_error_detail(exc))
    if isinstance(exc, RequestDataTooBig):
        return RequestTooLarge()
    if isinstance(exc, SuspiciousOperation):
        return exceptions.ParseError("The request is malformed.", code="bad_request")
    if isinstance(exc, OperationalError | InterfaceError):
        logger.error("The database failed: %s", exc)
        return DatabaseUnavailable()
    return exc


def _shape(data: Any, exc: Exception) -> Any:
    if isinstance(exc, exceptions.ValidationError) or not isinstance(exc, exceptions.APIException):
        return data if isinstance(data, dict) else {api_settings.NON_FIELD_ERRORS_KEY: data}
    # simplejwt's errors have a code, and more than that; DRF's have none in their body.
    code = data["code"] if "code" in data else exc.get_codes()
    return {"detail": data["detail"], "code": code}


def _answer(detail: str, code: str, status_code: int) -> JsonResponse:
    return JsonResponse({"detail": detail, "code": code}, status=status_code)


def _is_for_admin(request: HttpRequest) -> bool:
    return request.path.startswith(ADMIN_PATH)
