"""A few permissions, groups and members, and what Django and the cache say of each."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.permissions.backends import CachedModelBackend
from usercache.users import get_user_by_id

APP_LABEL = "parish"
CODENAMES = ("read", "write", "erase", "lend", "sell", "mend")


class Parish:
    """Alice is in the staff and may mend; Bob is an editor; nobody has the last permissions."""

    def __init__(self, alice: User, bob: User) -> None:
        self.alice, self.bob = alice, bob
        self.content_type = ContentType.objects.create(app_label=APP_LABEL, model="book")
        self.permissions = [
            Permission.objects.create(content_type=self.content_type, codename=name, name=name)
            for name in CODENAMES
        ]
        self.read, self.write, self.erase, self.lend, self.sell, self.mend = self.permissions
        self.staff = Group.objects.create(name="staff")
        self.editors = Group.objects.create(name="editors")
        self.staff.permissions.set([self.read, self.lend])
        self.editors.permissions.set([self.read, self.write])
        self.alice.groups.add(self.staff)
        self.bob.groups.add(self.editors)
        self.alice.user_permissions.add(self.mend)

    def differences(self) -> list[object]:
        """Return what the cache says of anybody where Django says otherwise."""
        return [
            (user.username, ours, theirs)
            for user in (self.alice, self.bob)
            if (ours := from_cache(user.pk)) != (theirs := from_database(user.pk))
        ]


def from_cache(pk: Any) -> tuple[set[str], set[str], set[str]] | None:
    """Return a user's own permissions, their groups', and all, as the cache has them."""
    user = get_user_by_id(pk)
    return None if user is None else ask(CachedModelBackend(), user)


def from_database(pk: Any) -> tuple[set[str], set[str], set[str]] | None:
    """Return the same as Django's own backend has them."""
    user = User._base_manager.filter(pk=pk).first()
    return None if user is None else ask(ModelBackend(), user)


def ask(backend: ModelBackend, user: Any) -> tuple[set[str], set[str], set[str]]:
    """Return what a backend says of a user."""
    return (
        backend.get_user_permissions(user),
        backend.get_group_permissions(user),
        backend.get_all_permissions(user),
    )


@pytest.fixture
def parish(db: None, key_type_tables: None, make_user: MakeUser) -> Iterator[Parish]:
    """Make them; content types and permissions of other tests stay as they are."""
    yield Parish(make_user("alice"), make_user("bob"))
    ContentType.objects.filter(app_label__startswith=APP_LABEL).delete()
    ContentType.objects.clear_cache()
