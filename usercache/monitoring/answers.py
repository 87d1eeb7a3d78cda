"""Refusals as JSON, in the shape that simplejwt's have: `{"detail", "code"}`."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

View = Callable[[HttpRequest], HttpResponse]

METHODS: Final = ("GET", "HEAD")


def refuse(status: HTTPStatus, code: str, detail: str) -> HttpResponse:
    """Return an error: a word for programs, a sentence for people."""
    response = JsonResponse({"detail": detail, "code": code}, status=status)
    if status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def reads_only(view: View) -> View:
    """Let a view answer GET and HEAD, in a way that nobody stores; other methods are told so."""

    @csrf_exempt  # so that a POST, too, hears what is wrong
    @never_cache
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        if request.method in METHODS:
            return view(request)
        response = refuse(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "This path doesn't know this method; the Allow header lists those that it does.",
        )
        response.headers["Allow"] = ", ".join(METHODS)
        return response

    return answer
