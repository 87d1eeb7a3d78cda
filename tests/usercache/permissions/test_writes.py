"""Whatever is done to groups, permissions and memberships, the next look-up shows it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from tests.caches import lead_shared_alias
from tests.counting import counts
from tests.servers.redis_server import RedisServer
from tests.sizes import some_of
from tests.steering import get_guard, steer_recovery
from tests.usercache.conftest import MakeUser
from tests.usercache.operations import Surround, in_surroundings
from tests.usercache.permissions.conftest import (
    APP_LABEL,
    Parish,
    from_cache,
    from_database,
)
from tests.users import User
from usercache.events import INVALIDATIONS
from usercache.models import PendingInvalidation
from usercache.orm.outbox import drain
from usercache.permissions.signals import invalidate_permissions
from usercache.runtime import get_store
from usercache.users import get_user_by_id, invalidate_all_users

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[[Parish], object]


def rename(world: Parish) -> None:
    world.read.codename = "browse"
    world.read.save()


def move_to_another_app(world: Parish) -> None:
    world.content_type.app_label = APP_LABEL + "_archive"
    world.content_type.save()


def grant_a_new_one(world: Parish) -> None:
    created = Permission.objects.create(content_type=world.content_type, codename="new", name="new")
    world.staff.permissions.add(created)


def grant_one_that_was_made_in_bulk(world: Parish) -> None:
    made = Permission(content_type=world.content_type, codename="bulk", name="bulk")
    Permission.objects.bulk_create([made])
    world.staff.permissions.add(Permission.objects.get(codename="bulk"))


def make_the_user_again(world: Parish) -> None:
    pk = world.alice.pk
    world.alice.delete()
    world.alice = User.objects.create(pk=pk, email="alice@example.com", username="alice")


def make_the_group_again(world: Parish) -> None:
    pk = world.staff.pk
    world.staff.delete()
    Group.objects.create(pk=pk, name="other").permissions.add(world.sell)


def make_the_permission_again(world: Parish) -> None:
    pk = world.read.pk
    world.read.delete()
    Permission.objects.create(
        pk=pk, content_type=world.content_type, codename="other", name="other"
    )


def add_async(world: Parish) -> None:
    async_to_sync(world.alice.groups.aadd)(world.editors)


def make_a_superuser(world: Parish) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_superuser=True)


def deactivate(world: Parish) -> None:
    User.objects.filter(pk=world.alice.pk).update(is_active=False)


WRITES: dict[str, Write] = {
    "user.groups.add": lambda w: w.alice.groups.add(w.editors),
    "user.groups.aadd": add_async,
    "user.groups.add nothing new": lambda w: w.alice.groups.add(w.staff),
    "user.groups.remove": lambda w: w.alice.groups.remove(w.staff),
    "user.groups.clear": lambda w: w.alice.groups.clear(),
    "user.groups.set": lambda w: w.alice.groups.set([w.editors]),
    "user.groups.create": lambda w: w.alice.groups.create(name="new").permissions.add(w.sell),
    "group.user_set.add": lambda w: w.editors.user_set.add(w.alice, w.bob),
    "group.user_set.remove": lambda w: w.staff.user_set.remove(w.alice),
    "group.user_set.clear": lambda w: w.staff.user_set.clear(),
    "group.user_set.set": lambda w: w.staff.user_set.set([w.bob]),
    "user.user_permissions.add": lambda w: w.alice.user_permissions.add(w.sell, w.erase),
    "user.user_permissions.remove": lambda w: w.alice.user_permissions.remove(w.mend),
    "user.user_permissions.clear": lambda w: w.alice.user_permissions.clear(),
    "user.user_permissions.set": lambda w: w.bob.user_permissions.set([w.sell]),
    "permission.user_set.add": lambda w: w.sell.user_set.add(w.alice, w.bob),
    "permission.user_set.remove": lambda w: w.mend.user_set.remove(w.alice),
    "permission.user_set.clear": lambda w: w.mend.user_set.clear(),
    "group.permissions.add": lambda w: w.staff.permissions.add(w.sell),
    "group.permissions.remove": lambda w: w.staff.permissions.remove(w.read),
    "group.permissions.clear": lambda w: w.staff.permissions.clear(),
    "group.permissions.set": lambda w: w.staff.permissions.set([w.erase, w.read]),
    "permission.group_set.add": lambda w: w.sell.group_set.add(w.staff, w.editors),
    "permission.group_set.remove": lambda w: w.read.group_set.remove(w.staff),
    "permission.group_set.clear": lambda w: w.read.group_set.clear(),
    "permission.group_set.set": lambda w: w.lend.group_set.set([w.editors]),
    "group.delete": lambda w: w.staff.delete(),
    "groups deleted by a query set": lambda _w: Group.objects.all().delete(),
    "permission.delete": lambda w: w.read.delete(),
    "permissions deleted by a query set": lambda w: Permission.objects.filter(
        content_type=w.content_type
    ).delete(),
    "content type deleted": lambda w: ContentType.objects.get(pk=w.content_type.pk).delete(),
    "permission renamed": rename,
    "content type moved to another app": move_to_another_app,
    "new permission granted": grant_a_new_one,
    "permission made in bulk granted": grant_one_that_was_made_in_bulk,
    "user deleted and made again": make_the_user_again,
    "group deleted and made again": make_the_group_again,
    "permission deleted and made again": make_the_permission_again,
    "made a superuser": make_a_superuser,
    "deactivated": deactivate,
}


@in_surroundings
@pytest.mark.parametrize("name", some_of(WRITES, first=1))
def test_write_is_seen(parish: Parish, name: str, surround: Surround, settings: Settings) -> None:
    """By every user, whether it was committed or rolled back, and nothing is left to do."""
    settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = 0.0  # for a write that was rolled back
    invalidate_all_users()
    assert parish.differences() == []
    surroundings = surround(list(WRITES).index(name))

    def write() -> None:
        WRITES[name](parish)

    surroundings(write)
    assert parish.differences() == []


@pytest.mark.parametrize("name", some_of(WRITES, first=2))
def test_write_is_seen_in_its_own_transaction(parish: Parish, name: str) -> None:
    """And nobody is told of it before its commit, nor after it was taken back."""
    assert parish.differences() == []
    with suppress(ZeroDivisionError), transaction.atomic():
        WRITES[name](parish)
        assert parish.differences() == []
        raise ZeroDivisionError
    for user in (parish.alice, parish.bob):
        user.refresh_from_db()
    assert parish.differences() == []


@pytest.mark.redis
@pytest.mark.postgresql
@pytest.mark.parametrize("name", some_of(WRITES, first=3))
def test_write_takes_its_own_rows_away(parish: Parish, name: str) -> None:
    """While Redis is reachable, a write through the ORM leaves nothing to do for others."""
    PendingInvalidation.objects.all().delete()
    WRITES[name](parish)
    left = set(PendingInvalidation.objects.values_list("user_id", flat=True))
    assert left == ({"user:ext:permissions"} if "bulk" in name else set())


def test_group_of_many_changes_in_one_invalidation(
    parish: Parish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """However many members it has, the change is one of its own record."""
    members = [
        User(email=f"user{n}@example.com", username=f"user{n}", password="!") for n in range(30)
    ]
    User.objects.bulk_create(members)
    parish.staff.user_set.set(User.objects.filter(email__startswith="user"))
    pks = list(parish.staff.user_set.values_list("pk", flat=True))
    for pk in pks:
        from_cache(pk)
    before = counts().get(INVALIDATIONS, 0)
    parish.staff.permissions.add(parish.sell)
    assert counts()[INVALIDATIONS] == before + 1
    assert all(f"{APP_LABEL}.sell" in (from_cache(pk) or [()])[-1] for pk in pks)


# -- past the ORM


def execute(statement: str, *arguments: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)


def raw(statement: str, *names: str) -> Write:
    def write(world: Parish) -> None:
        objects = [getattr(world, name) for name in names]
        tables = {
            "members": User.groups.through._meta.db_table,
            "own": User.user_permissions.through._meta.db_table,
            "granted": Group.permissions.through._meta.db_table,
            "user_id": User.groups.field.m2m_column_name(),
        }
        execute(statement.format(**tables), *(found.pk for found in objects))

    return write


def create_memberships(world: Parish) -> None:
    through: Any = User.groups.through
    user, group = User.groups.field.m2m_field_name(), "group"
    through.objects.bulk_create([through(**{user: world.alice, group: world.editors})])


def update_memberships(world: Parish) -> None:
    User.groups.through.objects.filter(group=world.staff).update(group=world.editors)


def delete_grants(world: Parish) -> None:
    Group.permissions.through.objects.filter(group=world.staff).delete()


PAST_THE_ORM: dict[str, Write] = {
    "membership inserted": raw(
        "INSERT INTO {members} ({user_id}, group_id) VALUES (%s, %s)", "alice", "editors"
    ),
    "membership deleted": raw("DELETE FROM {members} WHERE {user_id} = %s", "alice"),
    "membership moved to another user": raw(
        "UPDATE {members} SET {user_id} = %s WHERE {user_id} = %s", "bob", "alice"
    ),
    "membership moved to another group": raw(
        "UPDATE {members} SET group_id = %s WHERE {user_id} = %s", "editors", "alice"
    ),
    "own permission inserted": raw(
        "INSERT INTO {own} ({user_id}, permission_id) VALUES (%s, %s)", "bob", "sell"
    ),
    "own permission deleted": raw("DELETE FROM {own}"),
    "group's permission inserted": raw(
        "INSERT INTO {granted} (group_id, permission_id) VALUES (%s, %s)", "staff", "sell"
    ),
    "group's permission deleted": raw("DELETE FROM {granted} WHERE group_id = %s", "staff"),
    "permissions swapped between groups": raw(
        "UPDATE {granted} SET group_id = %s WHERE permission_id = %s", "editors", "lend"
    ),
    "permission renamed": raw(
        "UPDATE auth_permission SET codename = 'browse' WHERE id = %s", "read"
    ),
    "permission renamed by a query set": lambda w: Permission.objects.filter(pk=w.read.pk).update(
        codename="browse"
    ),
    "content type moved to another app": raw(
        "UPDATE django_content_type SET app_label = 'parish_archive' WHERE id = %s", "content_type"
    ),
    "members truncated": raw("TRUNCATE {members}"),
    "grants truncated": raw("TRUNCATE {granted}, {own}"),
    "groups truncated": raw("TRUNCATE auth_group CASCADE"),
    "memberships made in bulk": create_memberships,
    "memberships updated by a query set": update_memberships,
    "grants deleted by a query set": delete_grants,
}


@pytest.mark.postgresql
@pytest.mark.parametrize("name", PAST_THE_ORM)
def test_change_past_the_orm_is_seen(parish: Parish, name: str) -> None:
    """On PostgreSQL, once what its triggers noted is drained, as the relay does at once."""
    invalidate_all_users()
    assert parish.differences() == []
    PendingInvalidation.objects.all().delete()
    PAST_THE_ORM[name](parish)
    labels = PendingInvalidation.objects.values_list("write_label", flat=True)
    assert set(labels) == {""}  # it is anybody's
    drain(get_store(), overdue_only=True)
    assert parish.differences() == []


@pytest.mark.postgresql
def test_change_of_a_role_that_replicates_is_noted(parish: Parish) -> None:
    """Logical replication runs no statement triggers."""
    PendingInvalidation.objects.all().delete()
    execute("SET session_replication_role = replica")
    try:
        PAST_THE_ORM["membership moved to another user"](parish)
        PAST_THE_ORM["permission renamed"](parish)
        PAST_THE_ORM["group's permission inserted"](parish)
    finally:
        execute("RESET session_replication_role")
    assert sorted(PendingInvalidation.objects.values_list("user_id", flat=True)) == sorted(
        [
            f"user:ext:grants:{parish.alice.pk}",
            f"user:ext:grants:{parish.bob.pk}",
            f"user:ext:group:{parish.staff.pk}",
            "user:ext:permissions",
        ]
    )


@pytest.mark.postgresql
def test_one_statement_notes_each_record_once(parish: Parish) -> None:
    """A group that gets a hundred permissions is one row of the outbox."""
    PendingInvalidation.objects.all().delete()
    execute(
        "INSERT INTO auth_group_permissions (group_id, permission_id) "
        "SELECT %s, id FROM auth_permission WHERE codename LIKE 'add%%'",
        parish.staff.pk,
    )
    rows = PendingInvalidation.objects.values_list("user_id", "is_bulk")
    assert list(rows) == [(f"user:ext:group:{parish.staff.pk}", False)]


def test_what_nothing_announces_can_be_invalidated(parish: Parish) -> None:
    """By primary key, after a write past the ORM on a database without triggers."""
    assert parish.differences() == []
    create_memberships(parish)
    delete_grants(parish)
    Permission.objects.filter(pk=parish.write.pk).update(codename="scribble")
    invalidate_permissions(users=[str(parish.alice.pk)], groups=[parish.staff.pk])
    assert parish.differences() == []
    assert f"{APP_LABEL}.scribble" in (from_cache(parish.alice.pk) or [()])[-1]


# -- while Redis is away


@pytest.mark.redis
@pytest.mark.parametrize("name", some_of(WRITES))
def test_write_while_redis_is_away(
    parish: Parish, name: str, redis_server: RedisServer, settings: Settings
) -> None:
    """What Redis held from before is dropped before it is used again."""
    lead_shared_alias(settings, redis_server.url)
    steer_recovery()
    invalidate_all_users()
    assert parish.differences() == []
    redis_server.pause()
    WRITES[name](parish)
    redis_server.resume()
    get_guard().attend()
    assert get_guard().breaker.is_closed
    assert parish.differences() == []
    assert not PendingInvalidation.objects.exists()


# -- switched off


def test_disabled(parish: Parish, settings: Settings, make_user: MakeUser) -> None:
    """With USERCACHE_ENABLED off, nothing is announced, and Django's own queries answer."""
    settings.USERCACHE_ENABLED = False
    for name in ("user.groups.add", "permission.group_set.clear", "group.delete"):
        WRITES[name](parish)
        assert parish.differences() == []
    invalidate_permissions(users=[parish.alice.pk])
    assert from_database(parish.alice.pk) == from_cache(parish.alice.pk)
    assert get_user_by_id(parish.alice.pk) is not None
