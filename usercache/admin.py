"""The dashboard on the admin site: the figures, and the buttons that clear users.

Another site than the default one registers it by `site.register(Dashboard, DashboardAdmin)`.
"""

from http import HTTPStatus
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from usercache.clearing import clear_all_users, clear_users
from usercache.dashboard.page import describe_page
from usercache.dashboard.people import Person, find_person, name_change_page
from usercache.dashboard.windows import WINDOWS, choose_window
from usercache.inspection import inspect_fully
from usercache.models import Dashboard
from usercache.report import take_snapshot

REFRESH_SECONDS: Final = 5
FRAGMENT: Final = "fragment"
"""In the query: send the figures alone, for the script that puts them into the page."""


@admin.register(Dashboard)
class DashboardAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Show a snapshot where a list of rows would be; whoever may see it needs `view_dashboard`."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: there is nothing to add."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Dashboard | None = None) -> bool:
        """Refuse: there is nothing to change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Dashboard | None = None) -> bool:
        """Refuse: there is nothing to delete."""
        return False

    def has_clear_permission(self, request: HttpRequest) -> bool:
        """Say whether this user may clear the cache."""
        return request.user.has_perm("usercache.clear_cache")

    def get_urls(self) -> list[URLPattern]:
        """Give the dashboard the list's place, and have no page per row."""
        views = {"": "changelist", "clear/": "clear", "clear-all/": "clear_all"}
        return [
            path(
                route,
                self.admin_site.admin_view(getattr(self, f"{name}_view")),
                name=f"usercache_dashboard_{name}",
            )
            for route, name in views.items()
        ]

    @method_decorator([require_safe, never_cache])
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the dashboard, or the figures alone where the page's own script asks for them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        window, complaint = choose_window(request.GET.get("window"))
        context = {
            "page": describe_page(take_snapshot(window.seconds)),
            "window": window,
            "windows": WINDOWS,
            "complaint": complaint,
            "may_clear": self.has_clear_permission(request),
            "user_page": name_change_page(self.admin_site, request),
            "refresh_seconds": REFRESH_SECONDS,
        }
        name = "figures" if FRAGMENT in request.GET else "dashboard"
        status = HTTPStatus.BAD_REQUEST if complaint else HTTPStatus.OK
        return self._answer(request, name, context | (extra_context or {}), status)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def clear_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to clear one user, and do it; `user` is an id, email, username or phone."""
        if not self.has_clear_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        person = find_person(given.get("user", ""))
        if person is None:
            self.message_user(
                request,
                "There is no such user. Give an id, an email, a username or a phone number.",
                messages.ERROR,
            )
            return self._go_back()
        if request.method == "POST":
            self.message_user(request, clear_users([person.pk]), messages.SUCCESS)
            self._log(request, person)
            return self._go_back()
        context = {"person": person, "inspection": inspect_fully(person.pk)}
        return self._answer(request, "clear_user", context)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def clear_all_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to clear everybody, and do it."""
        if not self.has_clear_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self.message_user(request, clear_all_users(), messages.SUCCESS)
            self._log(request, None)
            return self._go_back()
        return self._answer(request, "clear_all", {})

    def _answer(
        self,
        request: HttpRequest,
        name: str,
        context: dict[str, Any],
        status: HTTPStatus = HTTPStatus.OK,
    ) -> HttpResponse:
        request.current_app = self.admin_site.name
        common = self.admin_site.each_context(request) | {"opts": self.opts, "title": "User cache"}
        return TemplateResponse(request, f"usercache/{name}.html", common | context, status=status)

    def _go_back(self) -> HttpResponse:
        name = "admin:usercache_dashboard_changelist"
        return redirect(reverse(name, current_app=self.admin_site.name))

    def _log(self, request: HttpRequest, person: Person | None) -> None:
        if person is None:
            self.log_change(request, Dashboard(), "Cleared all users.")
        elif person.user is None:
            self.log_change(request, Dashboard(), f"Cleared {person.key}.")
        else:
            self.log_change(request, person.user, "Cleared from the user cache.")
