"""A user has one key, whatever its type and however it is spelled by readers and writers."""

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.db.models.signals import pre_save
from pytest_django import Settings

from tests.usercache.key_types import KEY_TYPES, KeyType
from usercache.management.inspection import inspect_user
from usercache.orm import outbox
from usercache.orm.outbox import drain
from usercache.runtime import get_store
from usercache.users import aget_user_by_id, get_user_by_id, get_users_by_ids, invalidate_user

pytestmark = pytest.mark.django_db(transaction=True)


TEXT: Final = ("CharField", "CharField that normalises")
"""Keys that the checks refuse on MySQL (usercache.E047)."""


@pytest.fixture(
    params=[
        *(pytest.param(name, marks=pytest.mark.exact_text) for name in TEXT),
        *(name for name in KEY_TYPES if name not in TEXT),
    ]
)
def key_type(request: pytest.FixtureRequest, key_type_tables: None, settings: Settings) -> KeyType:
    """Let each model in turn be the user model."""
    return KEY_TYPES[request.param].use(settings)


def make_row(key_type: KeyType, name: str = "old") -> Any:
    return key_type.model._base_manager.create(pk=key_type.pk, name=name)


def name_of(key_type: KeyType) -> str | None:
    found: Any = get_user_by_id(key_type.pk)
    return None if found is None else found.name


def other_key(key_type: KeyType) -> str:
    return "1" * 32 if key_type.model._meta.pk.get_internal_type() == "UUIDField" else "1"


def save(model: Any, spelling: object) -> None:
    model(pk=spelling, name="new").save()


def save_some(model: Any, spelling: object) -> None:
    model(pk=spelling, name="new").save(update_fields=["name"])


def bulk_update(model: Any, spelling: object) -> None:
    assert model.objects.bulk_update([model(pk=spelling, name="new")], ["name"]) == 1


def upsert(model: Any, spelling: object) -> None:
    model.objects.bulk_create(
        [model(pk=spelling, name="new")],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["pk"],
    )


def update(model: Any, spelling: object) -> None:
    assert model.objects.filter(pk=spelling).update(name="new") == 1


def raw_sql(model: Any, spelling: object) -> None:
    model._base_manager.filter(pk=spelling).update(name="new")
    invalidate_user(spelling)


WRITES: list[Callable[[Any, object], None]] = [
    save,
    save_some,
    bulk_update,
    *([upsert] if connection.features.supports_update_conflicts_with_target else []),
    update,
    raw_sql,
]


def test_write_under_any_spelling_is_seen(key_type: KeyType) -> None:
    """The marker goes up on the row's own key."""
    make_row(key_type)
    for write, spelling in product(WRITES, key_type.asked + key_type.written):
        key_type.model._base_manager.filter(pk=key_type.pk).update(name="old")
        invalidate_user(key_type.pk)
        assert name_of(key_type) == "old"
        write(key_type.model, spelling)
        assert name_of(key_type) == "new", (write.__name__, spelling)


def test_creation_under_any_spelling_is_seen(key_type: KeyType) -> None:
    """The answer "no such user" gives way under every spelling, however the row is spelled."""
    for spelling in key_type.asked + key_type.written:
        assert name_of(key_type) is None
        key_type.model(pk=spelling, name="new").save(force_insert=True)
        assert name_of(key_type) == "new", spelling
        key_type.model(pk=spelling, name="new").delete()
    for spelling in key_type.asked + key_type.written:
        assert name_of(key_type) is None, spelling
        key_type.model._default_manager.bulk_create([key_type.model(pk=spelling, name="new")])
        assert name_of(key_type) == "new", spelling
        key_type.model._default_manager.filter(pk=spelling).delete()


@pytest.mark.upsert_by
def test_upsert_by_another_column_is_seen(key_type: KeyType) -> None:
    """The row that it updated keeps its key, whatever key the instance was given."""
    row = make_row(key_type)
    assert get_user_by_id(key_type.pk) == row
    key_type.model.objects.bulk_create(
        [key_type.model(pk=other_key(key_type), name="old", is_active=False)],
        update_conflicts=True,
        update_fields=["is_active"],
        unique_fields=["name"],
    )
    found: Any = get_user_by_id(key_type.pk)
    assert not found.is_active


def test_every_spelling_finds_the_one_row(key_type: KeyType) -> None:
    """However asked for, alone, together or on a loop, it is that user, and under one key."""
    for spelling in key_type.asked:
        assert get_user_by_id(spelling) is None
    row = make_row(key_type)
    for spelling in key_type.asked:
        assert get_user_by_id(spelling) == row, spelling
        found = get_users_by_ids([spelling, *key_type.asked])
        assert found == {key_type.pk: row}, spelling
        assert inspect_user(spelling).state == "record", spelling


def test_no_spelling_poisons_the_key(key_type: KeyType) -> None:
    """Asked for under another spelling first, a user who is there is there under each."""
    row = make_row(key_type)
    for spelling in key_type.asked:
        invalidate_user(key_type.pk)
        get_user_by_id(spelling)
        assert get_user_by_id(key_type.pk) == row, spelling
        invalidate_user(key_type.pk)
        get_users_by_ids([spelling])
        assert get_user_by_id(key_type.pk) == row, spelling


def test_strangers_are_nobody(key_type: KeyType) -> None:
    """What isn't that user's key leads to nobody, and raises nothing."""
    make_row(key_type)
    for stranger in key_type.strangers:
        assert get_user_by_id(stranger) is None, stranger
        assert get_users_by_ids([stranger]) == {}, stranger
        invalidate_user(stranger)


def test_any_spelling_on_a_loop(key_type: KeyType) -> None:
    """The asynchronous look-up spells its key the same way."""
    row = make_row(key_type)
    for spelling in key_type.asked:
        assert async_to_sync(aget_user_by_id)(spelling) == row, spelling


def test_outbox_forgets_under_any_spelling(key_type: KeyType) -> None:
    """A row that another service left is drained for the row's own key."""
    make_row(key_type)
    formatted = [spelling for spelling in key_type.asked if isinstance(spelling, str)]
    for spelling in (*formatted, str(key_type.pk)):
        assert name_of(key_type) == "old"
        outbox.enqueue("default", [spelling])
        drain(get_store(), overdue_only=False)
        assert inspect_user(key_type.pk).state == "nothing", spelling


def test_key_that_a_receiver_changes_is_announced(key_type: KeyType) -> None:
    """A receiver may give the row another key before it is saved."""

    def give_key(instance: Any, **_kwargs: object) -> None:
        instance.pk = key_type.pk

    assert name_of(key_type) is None
    other = other_key(key_type)
    pre_save.connect(give_key, sender=key_type.model)
    try:
        key_type.model(pk=other, name="new").save()
    finally:
        pre_save.disconnect(give_key, sender=key_type.model)
    assert name_of(key_type) == "new"
    assert get_store().redis is None or inspect_user(other).state != "record"
