"""A cached user's permissions are those of Django's ModelBackend, and cost no query."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin import AdminSite
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import connection, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.views import APIView

from tests.counting import CountCommands, counts
from tests.rooms import WHOLE_PRODUCT
from tests.sizes import some_of
from tests.usercache.conftest import MakeUser
from tests.usercache.permissions.conftest import APP_LABEL, Parish, ask, from_cache, from_database
from tests.users import User
from tests.waiting import wait_until
from usercache.backends.redis import RedisBackend
from usercache.keys import extension_key
from usercache.permissions.backends import CachedModelBackend
from usercache.permissions.links import PERMISSIONS, name_grants, name_group
from usercache.runtime import get_store
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 20_261_127
WORLDS = 40


def cached(user: User) -> Any:
    """Return the user as the cache has them."""
    found = get_user_by_id(user.pk)
    assert found is not None
    return found


def warm(parish: Parish) -> None:
    for user in (parish.alice, parish.bob):
        from_cache(user.pk)


# -- the same as Django's


def test_random_memberships(parish: Parish, make_user: MakeUser) -> None:
    """Whatever groups and permissions users have, and whatever kind of users they are."""
    draw = random.Random(SEED)
    users = [make_user(f"user{n}") for n in range(3)]
    groups = [Group.objects.create(name=f"group{n}") for n in range(4)]
    for _ in range(WORLDS):
        for group in groups:
            group.permissions.set(some(draw, parish.permissions))
        for user in users:
            user.groups.set(some(draw, groups))
            user.user_permissions.set(some(draw, parish.permissions))
            user.is_active, user.is_superuser = draw.random() < 0.8, draw.random() < 0.2
            user.save()
        for _cold_then_warm in range(2):
            for user in users:
                assert from_cache(user.pk) == from_database(user.pk)


def some(draw: random.Random, of: list[Any]) -> list[Any]:
    return draw.sample(of, draw.randrange(len(of) + 1))


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "has_perm": lambda user: user.has_perm(f"{APP_LABEL}.read"),
    "has_perm of another": lambda user: user.has_perm(f"{APP_LABEL}.sell"),
    "has_perm of nothing": lambda user: user.has_perm("x"),
    "has_perm of an object": lambda user: user.has_perm(f"{APP_LABEL}.read", obj=user),
    "has_perms": lambda user: user.has_perms([f"{APP_LABEL}.read", f"{APP_LABEL}.lend"]),
    "has_module_perms": lambda user: user.has_module_perms(APP_LABEL),
    "has_module_perms of another": lambda user: user.has_module_perms("auth"),
    "get_all_permissions": lambda user: user.get_all_permissions(),
    "get_all_permissions of an object": lambda user: user.get_all_permissions(obj=user),
    "get_group_permissions": lambda user: user.get_group_permissions(),
    "get_user_permissions": lambda user: user.get_user_permissions(),
    "ahas_perm": lambda user: async_to_sync(user.ahas_perm)(f"{APP_LABEL}.read"),
    "ahas_module_perms": lambda user: async_to_sync(user.ahas_module_perms)(APP_LABEL),
    "aget_all_permissions": lambda user: async_to_sync(user.aget_all_permissions)(),
    "aget_group_permissions": lambda user: async_to_sync(user.aget_group_permissions)(),
    "aget_user_permissions": lambda user: async_to_sync(user.aget_user_permissions)(),
}
KINDS: dict[str, dict[str, bool]] = {
    "ordinary": {},
    "inactive": {"is_active": False},
    "superuser": {"is_superuser": True},
    "inactive superuser": {"is_superuser": True, "is_active": False},
}


@pytest.mark.parametrize(("kind", "name"), some_of(KINDS, ANSWERS))
def test_answer_is_django_s_and_costs_no_query(
    parish: Parish, settings: Settings, name: str, kind: str
) -> None:
    """Each of a user's methods, on the event loop as well."""
    settings.AUTHENTICATION_BACKENDS = ["usercache.permissions.backends.CachedModelBackend"]
    User.objects.filter(pk=parish.alice.pk).update(**KINDS[kind])
    warm(parish)
    user = cached(parish.alice)
    with CaptureQueriesContext(connection) as queries:
        answer = ANSWERS[name](user)
    assert [query["sql"] for query in queries] == []
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert answer == ANSWERS[name](User.objects.get(pk=parish.alice.pk))


def test_ordinary_instance_is_left_to_django(
    parish: Parish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """What was read from its row asks for its permissions as ever; anonymous users have none."""
    warm(parish)
    user = User.objects.get(pk=parish.alice.pk)
    with django_assert_num_queries(2):
        assert ask(CachedModelBackend(), user)[0]
    assert CachedModelBackend().get_all_permissions(AnonymousUser()) == set()


def test_instance_keeps_what_it_was_told(parish: Parish) -> None:
    """As with ModelBackend: one instance, one answer; the next one is asked afresh."""
    user = cached(parish.alice)
    assert not user.has_perm(f"{APP_LABEL}.sell")
    user._user_perm_cache = {f"{APP_LABEL}.sell"}
    parish.alice.groups.clear()
    assert user.has_perm(f"{APP_LABEL}.read")
    assert CachedModelBackend().get_user_permissions(user) == {f"{APP_LABEL}.sell"}
    assert not cached(parish.alice).has_perm(f"{APP_LABEL}.read")


class OwnRules(ModelBackend):
    """A project's own backend."""

    def get_group_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return {"own.rule"}


def test_another_backend_s_permissions_are_its_own(parish: Parish, settings: Settings) -> None:
    """It is asked beside ours, and nothing of it is kept for the next instance."""
    settings.AUTHENTICATION_BACKENDS = [
        "usercache.permissions.backends.CachedModelBackend",
        f"{__name__}.OwnRules",
    ]
    for _ in range(2):
        assert "own.rule" in cached(parish.alice).get_group_permissions()
    assert "own.rule" not in (from_cache(parish.alice.pk) or [()])[1]


def test_children_of_the_mixin_may_add_rules(parish: Parish) -> None:
    """Where they override what is public, and call what they inherit."""

    class Child(CachedModelBackend):
        def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
            return super().get_user_permissions(user_obj, obj) | {"own.rule"}

    warm(parish)
    assert Child().has_perm(cached(parish.alice), "own.rule")
    assert Child().has_perm(cached(parish.alice), f"{APP_LABEL}.mend")


# -- what it costs


def test_nothing_is_looked_up_for_what_django_answers_by_itself(parish: Parish) -> None:
    """Of an object, of an inactive user, and again of an instance that was told."""
    told, inactive = cached(parish.alice), cached(parish.bob)
    inactive.is_active = False
    ask(CachedModelBackend(), told)
    before = dict(counts())
    user = cached(parish.alice)
    for get in (
        CachedModelBackend().get_user_permissions,
        CachedModelBackend().get_group_permissions,
    ):
        assert get(user, obj=told) == set()
    ask(CachedModelBackend(), inactive)
    ask(CachedModelBackend(), told)
    lookups = {name: counts()[name] - before.get(name, 0) for name in counts()}
    assert sum(lookups.values()) == 1  # the user


def test_records_are_filled_again_after_a_write(
    parish: Parish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A write marker is gone with its commit: the first look-up fills, the second asks nothing."""
    warm(parish)
    parish.alice.groups.add(parish.editors)
    parish.staff.permissions.add(parish.sell)
    parish.read.save()
    warm(parish)
    user = cached(parish.alice)
    with django_assert_num_queries(0):
        assert f"{APP_LABEL}.sell" in ask(CachedModelBackend(), user)[-1]


def test_cold_user_costs_three_queries(
    parish: Parish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The grants, the names, the groups; a second user with the same group costs one."""
    parish.bob.groups.set([parish.staff])
    alice, bob = cached(parish.alice), cached(parish.bob)
    get_store().invalidate([extension_key(PERMISSIONS), extension_key(name_group(parish.staff.pk))])
    with django_assert_num_queries(3):
        ask(CachedModelBackend(), alice)
    with django_assert_num_queries(1):
        ask(CachedModelBackend(), bob)


def test_request_that_is_a_transaction_fills_after_it(
    parish: Parish,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ATOMIC_REQUESTS the next request asks the database for nothing."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with transaction.atomic():
        expected = from_cache(parish.alice.pk)
    with transaction.atomic(), django_assert_num_queries(0):
        assert from_cache(parish.alice.pk) == expected
    assert from_database(parish.alice.pk) == expected


@pytest.mark.redis
def test_warm_user_costs_two_round_trips(
    parish: Parish, monkeypatch: pytest.MonkeyPatch, count_commands: CountCommands
) -> None:
    """However many groups there are: one for the grants and the names, one for the groups."""
    parish.alice.groups.add(parish.editors)
    warm(parish)
    user, asked = cached(parish.alice), list[int]()
    ask_redis = RedisBackend.acquire_fill_locks

    def count(backend: RedisBackend, keys: Sequence[str], fill_lock: bytes) -> Any:
        asked.append(len(keys))
        return ask_redis(backend, keys, fill_lock)

    monkeypatch.setattr(RedisBackend, "acquire_fill_locks", count)
    with count_commands() as commands:
        ask(CachedModelBackend(), user)
    assert asked == [2, 2]
    assert commands["eval"] == sum(asked)


@pytest.mark.redis
@pytest.mark.skipif(not WHOLE_PRODUCT, reason="there is no client-side cache")
def test_records_are_in_process_memory(
    parish: Parish, settings: Settings, count_commands: CountCommands
) -> None:
    """With usercache.tracking, a warm user asks Redis nothing, and hears of each change."""
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    user = cached(parish.alice)
    keys = [name_grants(user.pk), name_group(parish.staff.pk), PERMISSIONS]

    def are_near() -> bool:
        from_cache(user.pk)
        l1 = get_store().l1
        return l1 is not None and all(l1.get(extension_key(key)) for key in keys)

    wait_until(are_near, "all records are near")
    with count_commands() as commands:
        assert ask(CachedModelBackend(), user) == from_database(user.pk)
    assert not {"get", "eval"} & set(commands)
    parish.staff.permissions.add(parish.sell)
    assert from_cache(user.pk) == from_database(user.pk)


# -- what asks


class Permissions(APIView):
    queryset = Permission.objects.all()


def test_drf_s_model_permissions(
    parish: Parish, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """DjangoModelPermissions lets a cached user in by a group, without a query."""
    [add] = Permission.objects.filter(codename="add_permission")
    parish.staff.permissions.add(add)
    warm(parish)
    request, view = RequestFactory().post("/"), Permissions()
    for user, is_allowed in ((parish.alice, True), (parish.bob, False)):
        request.user = cached(user)
        with django_assert_num_queries(0):
            allowed = DjangoModelPermissions().has_permission(request, view)  # type: ignore[arg-type]
        assert allowed is is_allowed


def test_admin_s_checks(parish: Parish, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """The admin's list of apps and its model admins, for a cached member of the staff."""
    User.objects.update(is_admin=True)
    [change] = Permission.objects.filter(codename="change_group")
    parish.staff.permissions.add(change)
    warm(parish)
    request, site = RequestFactory().get("/"), AdminSite()
    site.register(Group)
    admin = site.get_model_admin(Group)
    for user, is_allowed in ((parish.alice, True), (parish.bob, False)):
        request.user = cached(user)
        with django_assert_num_queries(0):
            assert site.has_permission(request) is True
            assert admin.has_change_permission(request) is is_allowed
            assert bool(site.get_app_list(request)) is is_allowed
