"""Users on the admin site; activating and deactivating go through the services.

Only superusers change staff, superusers and groups: setting another's password or email is taking
over all that they may do, and a group's permissions are its members'.
"""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.administration import (
    activate_user,
    deactivate_user,
    revoke_tokens,
    set_password,
)
from accounts.services.announcements import announce
from usercache.management.inspection import inspect_user

PRIVILEGES = ("is_admin", "is_superuser", "groups", "user_permissions")

CHANGED_MEANWHILE = (
    "This user was changed after you had opened this page. Nothing was saved: "
    "load the page again, look at what is there now, and make your change again."
)


class UserCreationForm(auth_forms.BaseUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Add a user, with a password."""

    class Meta:
        model = User
        fields = ("email", "first_name", "last_name", "username", "phone")


class UserChangeForm(auth_forms.UserChangeForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Change a user, unless another admin changed them in the meantime.

    Otherwise a page opened before a deactivation, and sent after it, would undo it.
    """

    loaded_version = forms.CharField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = User
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Note which state of the row the page shows."""
        super().__init__(*args, **kwargs)
        self.initial["loaded_version"] = self._version

    def clean(self) -> dict[str, Any]:
        """Compare that with the row as it is now.

        Raises: ValidationError if it is another.
        """
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("loaded_version") not in ("", self._version):
            raise ValidationError(CHANGED_MEANWHILE, code="changed_meanwhile")
        return cleaned

    @property
    def _version(self) -> str:
        user: User = self.instance
        return user.updated_at.isoformat()


class PasswordForm(auth_forms.AdminPasswordChangeForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Set a user's password, which ends all their sessions and tokens."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Leave out the choice to have no password: deactivate the user instead."""
        super().__init__(*args, **kwargs)
        self.fields.pop("usable_password", None)
        self.fields["password1"].required = self.fields["password2"].required = True

    def save(self, commit: bool = True) -> User:
        """Set it through the service."""
        user = set_password(user_id=self.user.pk, new_password=self.cleaned_data["password1"])
        # Django's view renews the admin's own session from this, if it is their own password.
        self.user = user
        return user


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Search, inspect, change and deactivate users."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    list_display = ("email", "full_name", "username", "is_active", "is_admin", "last_login")
    list_filter = ("is_active", "is_admin", "is_superuser", "created_at")
    search_fields = ("email", "username", "first_name", "last_name", "phone")
    ordering = ("-created_at", "-pk")
    date_hierarchy = "created_at"
    readonly_fields = (
        "is_email_verified",
        "avatar_url",
        "created_at",
        "updated_at",
        "closed_at",
        "last_login",
        "token_version",
        "cached_state",
    )
    fieldsets = (
        (
            None,
            {"fields": ("email", "is_email_verified", "password", "is_active", "loaded_version")},
        ),
        ("Person", {"fields": ("first_name", "last_name", "username", "phone", "location")}),
        ("Profile", {"fields": ("occupation", "bio", "avatar_url")}),
        ("Privileges", {"fields": PRIVILEGES}),
        ("Cache", {"fields": ("cached_state", "token_version")}),
        ("Dates", {"fields": ("created_at", "updated_at", "closed_at", "last_login")}),
    )
    add_fieldsets = ((None, {"fields": (*UserCreationForm.Meta.fields, "password1", "password2")}),)
    actions = ("activate", "deactivate", "revoke")

    @admin.display(description="name", ordering="last_name")
    def full_name(self, user: User) -> str:
        """Return `Alice Rolle`."""
        return user.get_full_name()

    @admin.display(description="cached state")
    def cached_state(self, user: User) -> str:
        """Describe what the cache holds of the user: `record in redis, 12 s old, 285 s left`."""
        cached = inspect_user(user.pk)
        parts = [f"{cached.state} in {cached.backend}"]
        if cached.age_seconds is not None:
            parts.append(f"{cached.age_seconds:.0f} s old")
        if cached.ttl_seconds is not None:
            parts.append(f"{cached.ttl_seconds:.0f} s left")
        return ", ".join(parts)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Allow staff to change themselves and users without privileges; superusers every user."""
        return super().has_change_permission(request, obj) and (
            obj is None or obj.pk == request.user.pk or is_below(request, obj)
        )

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As for a change, except one's own account."""
        return super().has_delete_permission(request, obj) and (
            obj is None or is_below(request, obj)
        )

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        """Let only superusers grant privileges, and no user deactivate themselves.

        Nor change their own email, which recovery goes to: the API asks for their password first.
        """
        fields = list(super().get_readonly_fields(request, obj))
        if not _is_superuser(request):
            fields += PRIVILEGES
        if obj is not None and obj.pk == request.user.pk:
            fields += ("is_active", "email")
        return fields

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> User | None:
        """Lock the row that is about to be changed: what the form leaves out must stay as it is."""
        user = super().get_object(request, object_id, from_field)
        if user is not None and request.method == "POST":
            user.refresh_from_db(from_queryset=User.objects.select_for_update())
        return user

    def user_change_password(
        self,
        request: HttpRequest,
        id: str,  # noqa: A002 (Django's name)
        form_url: str = "",
    ) -> HttpResponse:
        """Give Django's view the transaction that get_object() needs.

        One's own password is changed where the present one is asked for: a browser that is
        left open must not give the account away.
        """
        if id == str(request.user.pk):
            return redirect("admin:password_change")
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save what was edited; the services change whether a user is active."""
        if change and "email" in form.changed_data:
            obj.is_email_verified = False
            announce(Event.EMAIL_CHANGED, obj, email=form.initial["email"])
        if change and "phone" in form.changed_data:
            announce(Event.PHONE_CHANGED, obj, email=form.initial["email"])
        if change and (privileges := [name for name in PRIVILEGES if name in form.changed_data]):
            granted = [f"{name}: {_format_grant(form.cleaned_data[name])}" for name in privileges]
            record(Event.PRIVILEGES_CHANGED, user_id=obj.pk, about="; ".join(granted))
        if not change or "is_active" not in form.changed_data:
            super().save_model(request, obj, form, change)
            if not change:
                record(Event.ACCOUNT_CREATED, user_id=obj.pk)
            return
        switch = activate_user if obj.is_active else deactivate_user
        obj.is_active = not obj.is_active
        super().save_model(request, obj, form, change)
        obj.is_active = switch(user_id=obj.pk).is_active

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete a user."""
        record(Event.ACCOUNT_DELETED, user_id=obj.pk)
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Delete several users."""
        with transaction.atomic():
            for user_id in list(queryset.values_list("pk", flat=True)):
                record(Event.ACCOUNT_DELETED, user_id=user_id)
            super().delete_queryset(request, queryset)

    @admin.action(description="Activate selected users", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let them log in again."""
        self._apply(request, queryset, activate_user, "Activated")

    @admin.action(description="Deactivate selected users", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Deactivate them, at once and everywhere; except one's own account."""
        others = queryset.exclude(pk__in=[request.user.pk])
        self._apply(request, others, deactivate_user, "Deactivated")

    @admin.action(description="Revoke tokens of selected users", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Log them out everywhere, here included."""
        self._apply(request, queryset, revoke_tokens, "Revoked the tokens of")

    def _apply(
        self,
        request: HttpRequest,
        queryset: QuerySet[User],
        service: Callable[..., User],
        done: str,
    ) -> None:
        users = [
            user for user in queryset.order_by("pk") if self.has_change_permission(request, user)
        ]
        for user in users:
            service(user_id=user.pk)
            self.log_change(request, user, f"{done} this user.")
        left_out = len(request.POST.getlist(ACTION_CHECKBOX_NAME)) - len(users)
        self.message_user(request, f"{done} {len(users)} users.", messages.SUCCESS)
        if left_out > 0:
            self.message_user(
                request,
                f"Left {left_out} as they were: your own account, or accounts of staff, which "
                "only superusers change.",
                messages.WARNING,
            )


class GroupAdmin(DjangoGroupAdmin):
    """Groups, which hold permissions for all their members: for superusers alone."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow superusers only."""
        return _is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow superusers only: others could give themselves what they don't hold."""
        return _is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Allow superusers only."""
        return _is_superuser(request)


admin.site.unregister(Group)
admin.site.register(Group, GroupAdmin)


def is_below(request: HttpRequest, user: User) -> bool:
    """Return whether the account is one that this admin may change, besides their own."""
    return _is_superuser(request) or not (user.is_admin or user.is_superuser)


def _format_grant(value: Any) -> str:
    # A switch, or what was chosen of a list.
    return str(value) if isinstance(value, bool) else ", ".join(map(str, value)) or "none"


def _is_superuser(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_superuser
