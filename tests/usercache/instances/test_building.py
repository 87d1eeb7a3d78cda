"""A user made of cached columns is what `from_db()` makes, whatever the model does to itself."""

from typing import Any

import pytest
from django.db import models
from django.db.models.signals import post_init
from pytest_django import DjangoAssertNumQueries

from tests.users import User
from usercache.codec import Codec, Values, get_codec
from usercache.instances.building import build
from usercache.orm.loading import load

pytestmark = pytest.mark.django_db


@pytest.fixture
def values(alice: User) -> Values:
    found = load(get_codec(), {"pk": alice.pk})
    assert found is not None
    return found


def test_same_as_from_db(values: Values) -> None:
    """The same columns and the same state, though they are kept apart from what is assigned."""
    codec = get_codec()
    built, expected = build(codec, values), User.from_db("default", codec.field_set, values)
    assert type(built) is User
    columns = {name: getattr(built, name) for name in codec.fields}
    assert columns | {"_state": expected._state} == vars(expected)
    assert vars(built).keys() == {"_state", User._meta.pk.attname}
    assert (built._state.adding, built._state.db) == (False, expected._state.db)
    assert built.get_deferred_fields() == expected.get_deferred_fields()
    assert built == expected
    assert hash(built) == hash(expected)


def test_deferred_column_costs_a_query(
    values: Values, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """What isn't on the whitelist is loaded when it is asked for."""
    user = build(get_codec(), values)
    with django_assert_num_queries(1):
        assert user.password == "!unusable"


def test_values_are_not_shared_through_the_instance(values: Values) -> None:
    """Changing one user changes no other made of the same values."""
    one, other = build(get_codec(), values), build(get_codec(), values)
    one.first_name = "Changed"
    one._state.db = "elsewhere"
    assert other.first_name == "Alice"
    assert other._state.db == "default"


def test_receivers_of_init_are_called(values: Values) -> None:
    """Who listens to the model's instances hears of this one, too."""
    seen: list[models.Model] = []

    def note(instance: models.Model, **_kwargs: Any) -> None:
        seen.append(instance)

    post_init.connect(note, sender=User)
    try:
        user = build(get_codec(), values)
    finally:
        post_init.disconnect(note, sender=User)
    assert seen == [user]
    assert build(get_codec(), values) == user
    assert len(seen) == 1


class Counted(User):
    """A user model that does something of its own with every instance."""

    class Meta:
        proxy = True
        app_label = User._meta.app_label

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.changes: list[str] = []


class Shouting(User):
    """A user model that loads its rows in a way of its own."""

    class Meta:
        proxy = True
        app_label = User._meta.app_label

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> "Shouting":
        user = super().from_db(*args, **kwargs)
        user.first_name = user.first_name.upper()
        return user


def codec_of(model: type[User]) -> Codec:
    return Codec(model, get_codec().fields, "k" * 32)


def test_models_own_ways_are_kept(values: Values) -> None:
    """A model with an `__init__()` or a `from_db()` of its own gets them called."""
    assert vars(build(codec_of(Counted), values))["changes"] == []
    assert build(codec_of(Shouting), values).first_name == "ALICE"
