"""Columns of every kind in a cached user: foreign keys, files, JSON, a parent's, and others'."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.db import DatabaseError, connection, models
from django.db.models.query_utils import DeferredAttribute
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker, Settings

from tests.concurrency import run_together
from usercache.instances.columns import is_cached
from usercache.orm import signals
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)


class Tracked(DeferredAttribute):
    """The attribute of a column as a package may replace it: it hears of each assignment."""

    def __get__(self, instance: Any, cls: type | None = None) -> Any:
        return super().__get__(instance, cls)

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self.field.attname] = value
        vars(instance)["heard"] = value


class TrackedField(models.CharField):  # type: ignore[type-arg]  # generic in the stubs only
    """Text with such an attribute."""

    descriptor_class = Tracked


class RichUser(AbstractBaseUser):
    """A user with columns that aren't plain."""

    name = models.CharField(max_length=20, unique=True)
    is_active = models.BooleanField(default=True)
    team = models.ForeignKey(Group, null=True, on_delete=models.DO_NOTHING, related_name="+")
    picture = models.FileField(blank=True)
    motto = TrackedField(max_length=20, default="")
    preferences = models.JSONField(default=dict)
    objects = models.Manager()
    USERNAME_FIELD = "name"

    class Meta:
        app_label = "usercache"


class Person(models.Model):
    """A user's parent, with a table of its own."""

    nickname = models.CharField(max_length=20)
    notes = models.CharField(max_length=20)

    class Meta:
        app_label = "usercache"

    def __str__(self) -> str:
        return self.nickname


class Member(Person, AbstractBaseUser):
    """A user in two tables."""

    name = models.CharField(max_length=20, unique=True)
    is_active = models.BooleanField(default=True)
    objects = models.Manager()
    USERNAME_FIELD = "name"

    class Meta:
        app_label = "usercache"


MODELS: list[type[models.Model]] = [RichUser, Person, Member]


@pytest.fixture(scope="session", autouse=True)
def _tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    yield
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for model in reversed(MODELS):
            editor.delete_model(model)


def use(settings: Settings, model: type[models.Model], *fields: str) -> None:
    settings.USERCACHE_READ_ONLY_USERS = False
    settings.AUTH_USER_MODEL = model._meta.label
    settings.USERCACHE_TOKEN_VERSION_FIELD = ""
    settings.USERCACHE_FIELDS = fields
    signals.connect()


@pytest.fixture
def rich(settings: Settings, tmp_path: Path) -> Any:
    """Return a row of the first model."""
    settings.MEDIA_ROOT = tmp_path
    use(settings, RichUser, "id", "name", "is_active", "team_id", "picture", "motto")
    team = Group.objects.create(name="divers")
    row = RichUser._base_manager.create(
        name="ada", team=team, motto="Dive.", preferences={"a": [1]}
    )
    row.picture.save("ada.txt", ContentFile(b"Ada"))
    return row


@pytest.fixture
def member(settings: Settings) -> Any:
    """Return a row of the second."""
    use(settings, Member, "person_ptr_id", "nickname", "name", "is_active")
    return Member._base_manager.create(name="ada", nickname="Ada", notes="old", password="!")


def cached(row: Any) -> Any:
    get_user_by_id(row.pk)
    user = get_user_by_id(row.pk)
    assert is_cached(user)
    return user


def change_elsewhere(row: Any, **columns: object) -> None:
    run_together([lambda: models.QuerySet(type(row)).filter(pk=row.pk).update(**columns)])


def stored(row: Any) -> Any:
    return type(row).objects.get(pk=row.pk)


def test_they_read_as_loaded(rich: Any) -> None:
    """Each column has the value, of the type, that Django loads."""
    user = cached(rich)
    for field in RichUser._meta.concrete_fields:
        mine, loaded = getattr(user, field.name), getattr(stored(rich), field.name)
        assert mine == loaded
        assert type(mine) is type(loaded)


@pytest.mark.parametrize("are_read", [True, False])
def test_reading_is_not_changing(rich: Any, are_read: bool) -> None:
    """Columns that another process changed survive, though their objects were made here."""
    user = cached(rich)
    if are_read:
        assert user.team.name == "divers"
        assert user.picture.name == "ada.txt"
        assert (user.motto, user.preferences) == ("Dive.", {"a": [1]})
    changed = {"team_id": None, "picture": "b.txt", "motto": "Swim.", "preferences": {"b": 2}}
    change_elsewhere(rich, **changed)
    user.name = "lovelace"
    user.save()
    row = stored(rich)
    assert row.name == "lovelace"
    assert {name: getattr(row, name) for name in changed} == changed


def test_value_changed_in_place_is_saved(rich: Any) -> None:
    """As Django saves it, for as often as it is changed."""
    user = cached(rich)
    user.preferences["a"].append(2)
    change_elsewhere(rich, motto="Swim.")
    user.save()
    assert (stored(rich).preferences, stored(rich).motto) == ({"a": [1, 2]}, "Swim.")
    user.preferences["a"].append(3)
    user.save(update_fields=["preferences"])
    assert stored(rich).preferences == {"a": [1, 2, 3]}


def test_files_are_stored(rich: Any) -> None:
    """A file that is assigned, saved or deleted is what Django makes of it."""
    user = cached(rich)
    user.picture = ContentFile(b"new", name="new.txt")
    user.save()
    assert Path(stored(rich).picture.path).read_bytes() == b"new"
    user = cached(rich)
    user.picture.save("newer.txt", ContentFile(b"newer"))
    assert Path(stored(rich).picture.path).read_bytes() == b"newer"
    user = cached(rich)
    user.picture.delete()
    assert not stored(rich).picture


def test_foreign_key(rich: Any, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Assigned by object or by key, with the object that belongs to it."""
    user, others = cached(rich), Group.objects.create(name="sailors")
    assert user.team.name == "divers"
    user.team_id = others.pk
    with django_assert_num_queries(1):
        assert user.team.name == "sailors"
    user.save()
    assert stored(rich).team == others
    user = cached(rich)
    user.team = None
    user.save()
    assert stored(rich).team is None


def test_row_loaded_for_a_save_replaces_related_objects(rich: Any) -> None:
    """After the row was loaded, its foreign key leads to its own object."""
    user, others = cached(rich), Group.objects.create(name="sailors")
    assert user.team.name == "divers"
    change_elsewhere(rich, team_id=others.pk)
    user.name = "lovelace"
    user.save()
    assert user.team == others == stored(rich).team


def test_replaced_attribute_hears_of_assignments(rich: Any) -> None:
    """What a package put in the place of Django's attribute is left there."""
    user = cached(rich)
    user.motto = "Sail."
    assert user.heard == "Sail."
    user.save()
    assert stored(rich).motto == "Sail."


def test_two_tables(member: Any, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Both are written, and neither with what is old."""
    user = cached(member)
    assert user.nickname == "Ada"
    with django_assert_num_queries(0):
        assert user.id == user.person_ptr_id == member.pk
    change_elsewhere(member, notes="new", password="!new")
    user.nickname, user.name = "Countess", "lovelace"
    user.save()
    row = stored(member)
    assert (row.nickname, row.name) == ("Countess", "lovelace")
    assert (row.notes, row.password) == ("new", "!new")


@pytest.mark.parametrize("parent_too", [True, False])
def test_two_tables_of_a_deleted_user(member: Any, parent_too: bool) -> None:
    """Neither row is brought back."""
    user = cached(member)
    models.QuerySet(Member).filter(pk=member.pk)._raw_delete("default")
    if parent_too:
        models.QuerySet(Person).filter(pk=member.pk)._raw_delete("default")
    user.nickname, user.name = "Countess", "lovelace"
    with pytest.raises(DatabaseError):
        user.save()
    assert not Member._base_manager.exists()
    assert Person._base_manager.exists() is not parent_too


def test_deleting_from_two_tables(member: Any) -> None:
    """Both rows go."""
    assert cached(member).delete()[0] == 2
    assert not Person._base_manager.exists()
