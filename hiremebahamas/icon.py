"""`GET /favicon.ico`, which browsers ask every site for."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.http import require_safe


@require_safe
def show_icon(_request: HttpRequest) -> HttpResponse:
    """Lead to our icon, under the name that the static files give it."""
    return redirect(static("hiremebahamas/icon.svg"))
