"""The admin site's views that ask for a password, with the API's limits."""

from collections.abc import Callable

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from accounts.errors import Busy, TooManyAttempts
from accounts.limits.rates import check_limit
from accounts.limits.workload import slow_work
from accounts.models import User
from hiremebahamas.errors import show_refusal


def log_in(request: HttpRequest) -> HttpResponse:
    """Answer `/admin/login/`: guesses count with those at `/auth/login`."""
    typed = request.POST.get("username", "")
    # None where nothing was typed, as with a passkey: all of them would count as one account.
    email = User._meta.get_field("email").get_prep_value(typed) or None
    return _limit(admin.site.login, request, "login", email)


def change_password(request: HttpRequest) -> HttpResponse:
    """Answer `/admin/password_change/`: guesses count with those at `/auth/change-password`."""
    view = admin.site.admin_view(admin.site.password_change)
    return _limit(view, request, "password", request.user.pk)


def _limit(
    view: Callable[[HttpRequest], HttpResponse], request: HttpRequest, action: str, account: object
) -> HttpResponse:
    if request.method != "POST":
        return view(request)
    try:
        with slow_work():
            check_limit(request, action, account=account)
            return view(request)
    except (TooManyAttempts, Busy) as refusal:
        return show_refusal(refusal)
