"""The users behind the dashboard's rows and buttons."""

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.http import HttpRequest

from usercache.inspection import find_pk
from usercache.keys import record_key

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User


class Person(NamedTuple):
    """Somebody whom the cache may hold, in the database or not."""

    pk: Any
    key: str
    user: "User | None"
    """His row; None where it was deleted."""


def find_person(text: str) -> Person | None:
    """Return whom an operator means by an id, email, username or phone; None for nobody."""
    pk = find_pk(text.strip()) if text.strip() else None
    if pk is None:
        return None
    return Person(pk, record_key(pk), get_user_model()._base_manager.filter(pk=pk).first())


def name_change_page(site: AdminSite, request: HttpRequest) -> str:
    """Return the name of the URL at which the site shows a user; "" where it doesn't show him."""
    model = get_user_model()
    if not site.is_registered(model) or not site.get_model_admin(model).has_view_permission(
        request
    ):
        return ""
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
