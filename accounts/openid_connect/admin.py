"""Identities on the admin site: to be searched, and removed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin import is_below
from accounts.openid_connect.models import Identity
from accounts.openid_connect.services import remove

SHOWN = ("user", "issuer", "subject", "created_at", "last_used_at")


@admin.register(Identity)
class IdentityAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Search identities by their user's email or id, and by subject."""

    list_display = SHOWN
    list_select_related = ("user",)
    list_filter = ("issuer",)
    fields = readonly_fields = SHOWN
    search_fields = ("=user__email", "=user__id", "=subject")
    search_help_text = "A whole email, id or subject."
    ordering = ("-pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow nobody: an identity is its provider's word."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Identity | None = None) -> bool:
        """Let only superusers take a way in from staff and superusers."""
        return super().has_delete_permission(request, obj) and (
            obj is None or is_below(request, obj.user)
        )

    def delete_model(self, request: HttpRequest, obj: Identity) -> None:
        """Tell its user, and the security log."""
        remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Identity]) -> None:
        """Do the same for each."""
        for identity in queryset:
            remove(identity)
