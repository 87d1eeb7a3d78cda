"""Checks of the backend and the user model that permissions are looked up for."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.checks import Tags, run_checks
from django.core.exceptions import FieldDoesNotExist
from pytest_django import Settings

from tests.users import User
from usercache.permissions import checks, links
from usercache.permissions.backends import CachedModelBackend

CACHED = "usercache.permissions.backends.CachedModelBackend"


class WithRules(CachedModelBackend):
    """A backend whose rules would never be asked for."""

    def _get_group_permissions(self, user_obj: Any) -> Any:
        return super()._get_group_permissions(user_obj)  # type: ignore[misc]


def found() -> list[str | None]:
    ours = ("usercache.W070", "usercache.E071", "usercache.E072", "usercache.E073")
    return [message.id for message in run_checks(tags=[Tags.security]) if message.id in ours]


def test_this_project_has_nothing_to_report() -> None:
    """Its own backend looks permissions up."""
    assert found() == []


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        (CACHED, []),
        ("django.contrib.auth.backends.ModelBackend", ["usercache.W070"]),
        (f"{__name__}.WithRules", ["usercache.E071"]),
    ],
)
def test_backend(settings: Settings, backend: str, expected: list[str]) -> None:
    """One of them must use the cache, and have no rules past it."""
    settings.AUTHENTICATION_BACKENDS = [backend]
    assert found() == expected


def test_column_that_each_permission_needs(settings: Settings) -> None:
    """Each would cost a query for its user's row."""
    fields = tuple(name for name in settings.USERCACHE_FIELDS if name != "is_superuser")
    settings.USERCACHE_FIELDS = fields
    assert found() == ["usercache.E072"]
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert found() == ["usercache.W070"]


class OtherUser:
    """What a check asks of a user model: its fields, by their names."""

    def __init__(self, **fields: Any) -> None:
        self._meta, self._fields = self, fields
        self.label = "accounts.User"

    def get_field(self, name: str) -> Any:
        if name not in self._fields:
            raise FieldDoesNotExist
        return self._fields[name]


OWN = User._meta.get_field("user_permissions")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (User, None),
        (OtherUser(), "groups and user_permissions"),
        (OtherUser(groups=User._meta.pk, user_permissions=OWN), "groups"),
        (OtherUser(groups=Group._meta.get_field("permissions"), user_permissions=OWN), "groups"),
    ],
    ids=["usual", "neither", "no relation", "to another model"],
)
def test_user_model(monkeypatch: pytest.MonkeyPatch, model: Any, expected: str | None) -> None:
    """Groups or permissions of another kind aren't what Django's backend would answer by."""
    for module in (checks, links):
        monkeypatch.setattr(module, "get_user_model", lambda: model)
    messages = checks.check_user_model()
    assert [message.id for message in messages] == ["usercache.E073"] * bool(expected)
    assert all(f".{expected} isn't" in message.msg for message in messages)
    assert links.all_links()[-1].record == links.GROUP


def test_table_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows may be written in ways that nothing announces."""
    monkeypatch.setattr(User.groups.through._meta, "auto_created", False)
    assert found() == ["usercache.E073"]
