"""After a test with transactions, the next one finds the database as `migrate` left it."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from tests.emptying import empty_written_tables
from usercache.models import PendingInvalidation

pytestmark = pytest.mark.django_db(transaction=True)


def test_rows_of_a_test_are_deleted(alice: User) -> None:
    """With those that refer to them, and what triggers note of it; permissions keep their ids."""
    permissions = list(Permission.objects.values_list("pk", "codename"))
    group = Group.objects.create(name="staff")
    group.permissions.add(permissions[0][0])
    alice.groups.add(group)
    PendingInvalidation.objects.create(user_id="1")
    empty_written_tables(connection)
    for model in (User, User.groups.through, Group, Group.permissions.through, PendingInvalidation):
        assert not model._base_manager.exists()
    assert list(Permission.objects.values_list("pk", "codename")) == permissions


def test_tables_without_rows_are_left_alone() -> None:
    """Whatever their number: a test pays for what it wrote."""
    with CaptureQueriesContext(connection) as queries:
        empty_written_tables(connection)
    deleted_from = [query["sql"] for query in queries if query["sql"].startswith("DELETE")]
    assert len(deleted_from) == 1  # the outbox, in any case
