"""The log on the admin site: to be searched, and nothing else."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from accounts.security_log.models import SecurityEvent

SHOWN = ("at", "event", "user_id", "actor_id", "address", "user_agent", "about")


@admin.register(SecurityEvent)
class SecurityEventAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Search events by the user's email or id, by address, device and what they are about."""

    list_display = SHOWN
    list_filter = ("event", "at")
    fields = readonly_fields = SHOWN
    search_fields = ("=user__email", "=user__id", "=address", "about", "user_agent")
    search_help_text = "A whole email, id or address; or words of the last two columns."
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow nobody."""
        return False
