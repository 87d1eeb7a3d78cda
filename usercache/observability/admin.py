"""The dashboard on the admin site: the metrics, and the buttons that clear users.

Another site than the default one registers it by `site.register(Dashboard, DashboardAdmin)`.
"""

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from usercache.codec import get_codec
from usercache.database import database_of
from usercache.identifiers import clean_pk
from usercache.keys import pk_of, record_key
from usercache.management import doctor
from usercache.management.clearing import clear_all_users, clear_users
from usercache.management.findings import Level
from usercache.management.inspection import find_pk, inspect_fully
from usercache.management.units import format_part, format_rate, format_span
from usercache.observability.charts import draw_charts, label_points, to_local_time
from usercache.observability.models import Dashboard
from usercache.observability.sections import (
    STATUS_TONES,
    Tone,
    describe_counted,
    describe_latencies,
    describe_processes,
    describe_tiles,
    describe_top,
    format_quantiles,
)
from usercache.observability.snapshot import Snapshot, parse_window, take_snapshot
from usercache.observability.status import Status

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User
    from django.db.models import QuerySet

REFRESH_SECONDS: Final = 5
PROCESSES_SHOWN: Final = 50
FRAGMENT: Final = "fragment"
"""In the query: send the metrics alone, for the script that puts them into the page."""
SYMBOLS: Final = {Status.HEALTHY: "✓", Status.DEGRADED: "!", Status.DOWN: "✕"}
"""Beside the status, for users who don't see its colour."""
FINDING_TONES: Final = {Level.GOOD: Tone.GOOD, Level.WARNING: Tone.WARNING, Level.ERROR: Tone.BAD}


WINDOWS: Final = {text: parse_window(text) for text in ("15m", "1h", "2h", "12h", "2d")}
DEFAULT_WINDOW: Final = "1h"


class CachedUser(NamedTuple):
    """A user that the cache may hold, in the database or not."""

    pk: Any
    key: str
    user: "User | None"  # their row; None where it was deleted


@admin.register(Dashboard)
class DashboardAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Show a snapshot where a list of rows would be; seeing it needs `view_dashboard`."""

    def has_add_permission(self, request: HttpRequest, obj: Dashboard | None = None) -> bool:
        """Refuse: there are no rows to add, change or delete."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def has_clear_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may clear the cache."""
        return request.user.has_perm("usercache_observability.clear_cache")

    def get_urls(self) -> list[URLPattern]:
        """Give the dashboard the list's place, and have no page per row."""
        views = {
            "": "changelist",
            "clear/": "clear",
            "clear-all/": "clear_all",
            "doctor/": "doctor",
        }
        return [
            path(
                route,
                self.admin_site.admin_view(getattr(self, f"{name}_view")),
                name=f"usercache_observability_dashboard_{name}",
            )
            for route, name in views.items()
        ]

    @method_decorator([require_safe, never_cache])
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the dashboard, or the metrics alone where the page's own script asks for them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        query, complaint = request.GET.get("window", DEFAULT_WINDOW), ""
        try:
            seconds = parse_window(query)
        except ValueError as error:
            query, seconds, complaint = DEFAULT_WINDOW, WINDOWS[DEFAULT_WINDOW], str(error)
        snapshot = take_snapshot(seconds)
        user_page = self._name_user_page(request)
        # Without permission to see users, their ids alone are shown.
        names = name_users(pk_of(user.key) for user in snapshot.top_users) if user_page else {}
        top = [(pk_of(row.label), row) for row in describe_top(snapshot)]
        context = {
            "page": describe_page(snapshot),
            "top_users": [(pk, row._replace(label=names.get(pk, row.label))) for pk, row in top],
            "query": query,
            "windows": [(q, format_span(s), s == seconds) for q, s in WINDOWS.items()],
            "complaint": complaint,
            "may_clear": self.has_clear_permission(request),
            "user_page": user_page,
            "refresh_seconds": REFRESH_SECONDS,
        }
        name = "metrics" if FRAGMENT in request.GET else "dashboard"
        status = HTTPStatus.BAD_REQUEST if complaint else HTTPStatus.OK
        return self._answer(request, name, context | (extra_context or {}), status)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def clear_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to clear one user, and do it; `user` is an id, email, username or phone."""
        if not self.has_clear_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        found = find_user(given.get("user", ""))
        if found is None:
            said = "There is no such user. Give an id, an email, a username or a phone number."
            return self._go_back(request, said, messages.ERROR)
        if request.method == "POST":
            said = clear_users([found.pk])
            if found.user is None:
                self.log_change(request, Dashboard(), f"Cleared {found.key}.")
            else:
                self.log_change(request, found.user, "Cleared from the user cache.")
            return self._go_back(request, said)
        context = {"found": found, "inspection": inspect_fully(found.pk)}
        return self._answer(request, "clear_user", context)

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def clear_all_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether to clear all users, and do it."""
        if not self.has_clear_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            said = clear_all_users()
            self.log_change(request, Dashboard(), "Cleared all users.")
            return self._go_back(request, said)
        return self._answer(request, "clear_all", {})

    @method_decorator([require_safe, never_cache])
    def doctor_view(self, request: HttpRequest) -> HttpResponse:
        """Examine what the cache depends on, and show the findings: on a page of its own.

        It waits for each server, and the dashboard for none.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        findings = [(FINDING_TONES[found.level].value, found) for found in doctor.examine()]
        return self._answer(request, "doctor", {"findings": findings})

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

    def _go_back(
        self, request: HttpRequest, said: str, level: int = messages.SUCCESS
    ) -> HttpResponse:
        self.message_user(request, said, level)
        name = "admin:usercache_observability_dashboard_changelist"
        return redirect(reverse(name, current_app=self.admin_site.name))

    def _name_user_page(self, request: HttpRequest) -> str:
        # The name of the URL at which this site shows a user; empty where it doesn't.
        model, site = get_user_model(), self.admin_site
        if site.is_registered(model) and site.get_model_admin(model).has_view_permission(request):
            return f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        return ""


def describe_page(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the template shows of a snapshot: metrics already in words."""
    taken_at = to_local_time(snapshot.taken_at)
    sections, zeros = describe_counted(snapshot)
    processes = list(describe_processes(snapshot))
    return {
        "snapshot": snapshot,
        "taken_at": taken_at,
        "zone": f"UTC{taken_at.isoformat()[-len('+00:00') :]}",
        "symbol": SYMBOLS[snapshot.status],
        "tone": STATUS_TONES[snapshot.status],
        "tiles": list(describe_tiles(snapshot)),
        "sections": sections,
        "zeros": zeros,
        "latencies": list(describe_latencies(snapshot)),
        "charts": draw_charts(snapshot.series),
        "minutes": list(_describe_minutes(snapshot)),
        "processes": processes[:PROCESSES_SHOWN],
        "hidden_processes": len(processes[PROCESSES_SHOWN:]),
    }


def find_user(text: str) -> CachedUser | None:
    """Return the user that an operator names by id, email, username or phone."""
    pk = find_pk(text.strip()) if text.strip() else None
    return None if pk is None else CachedUser(pk, record_key(pk), _rows().filter(pk=pk).first())


def name_users(pks: Iterable[str]) -> dict[str, str]:
    """Return the names of those that are in the database, by primary key; a single query."""
    texts = {clean_pk(get_user_model(), text): text for text in pks}
    return {texts[user.pk]: _name(user) for user in _rows().filter(pk__in=texts)}


def _describe_minutes(snapshot: Snapshot) -> Iterator[Sequence[str]]:
    for label, point in zip(label_points(snapshot.series), snapshot.series, strict=True):
        if point.lookups:
            rate = format_rate(point.lookups / point.seconds)
            hit_rate = format_part(point.hit_rate)
            yield [label, f"{point.lookups:,}", rate, hit_rate, *format_quantiles(point.latency)]


def _rows() -> "QuerySet[User]":
    # Also a user that the default manager hides; and never from a replica, as all that is cached.
    return get_user_model()._base_manager.using(database_of(get_codec()))


def _name(user: Any) -> str:
    # Django's abstract base of users has none but the log-in's.
    return str(getattr(user, "get_full_name", user.get_username)() or user)
