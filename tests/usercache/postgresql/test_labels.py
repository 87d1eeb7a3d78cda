"""Labels: on the statements of an announced write, and on nothing else."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.backends.postgresql.psycopg_any import sql
from django.db.models import Model
from django.db.models.signals import pre_delete, pre_save
from django.test.utils import isolate_apps
from pytest_django import Settings

from tests.caches import lead_shared_alias
from tests.servers.redis_server import RedisServer
from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.codec import Codec
from usercache.models import PendingInvalidation
from usercache.orm.outbox import drain
from usercache.orm.writes import Write
from usercache.postgresql.labels import LABEL_CHARACTERS, labels_of, watched_tables
from usercache.runtime import get_store
from usercache.users import get_user_by_id

pytestmark = [
    pytest.mark.redis,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]


class RefusedError(Exception):
    """A receiver's own."""


def raw_sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def noted() -> dict[str, str]:
    """Return the labels of what waits, by user."""
    return dict(PendingInvalidation.objects.values_list("user_id", "write_label"))


def update_unannounced(user: User, **values: object) -> None:
    User._base_manager.filter(pk=user.pk).update(**values)


@contextmanager
def before_saves(act: Any) -> Iterator[None]:
    pre_save.connect(act, sender=User)
    try:
        yield
    finally:
        pre_save.disconnect(act, sender=User)


def refuse(**_kwargs: object) -> None:
    raise RefusedError


@pytest.mark.parametrize("in_transaction", [True, False], ids=["transaction", "autocommit"])
def test_own_statement_is_labelled(alice: User, in_transaction: bool) -> None:
    """What is saved is left to its writer: it leaves a labelled row, for as long as it is open."""
    with transaction.atomic():
        alice.save()
        [(user_id, label)] = noted().items()
    assert user_id == str(alice.pk)
    assert len(label) == LABEL_CHARACTERS
    assert noted() == {}


@pytest.mark.parametrize("act", [update_unannounced, None], ids=["base manager", "raw SQL"])
def test_what_follows_in_the_transaction_is_not_labelled(alice: User, bob: User, act: Any) -> None:
    """After a save, the transaction's other changes are anybody's, and so told to the relay."""
    with transaction.atomic():
        alice.save()
        if act is None:
            raw_sql(f"UPDATE users SET first_name = 'x' WHERE id = {bob.pk}")
        else:
            act(bob, first_name="x")
    assert noted() == {str(bob.pk): ""}


def test_two_writes_have_two_labels(alice: User, bob: User) -> None:
    """One write can't take another's rows away."""
    with transaction.atomic():
        alice.save()
        bob.save()
        labels = noted()
        assert len(set(labels.values())) == len(labels) == 2


def test_failed_statement_leaves_no_label(alice: User, bob: User) -> None:
    """After a save that the database refused, its connection labels nothing."""
    alice.email = bob.email
    with pytest.raises(IntegrityError):
        alice.save()
    update_unannounced(bob, first_name="x")
    assert noted() == {str(bob.pk): ""}


def test_label_of_a_write_without_statement_dies_with_its_instance(alice: User, bob: User) -> None:
    """A save that fails before its statement has come labels nothing once its user is gone."""
    with before_saves(refuse), pytest.raises(RefusedError):
        User.objects.get(pk=alice.pk).save()
    gc.collect()  # the traceback held it
    update_unannounced(bob, first_name="x")
    assert noted() == {str(bob.pk): ""}


def test_left_over_label_settles_nobody_else_s_row(alice: User, bob: User) -> None:
    """While such a user lives, its label may get on others' rows, which no save takes away."""
    with before_saves(refuse), pytest.raises(RefusedError):
        alice.save()
    get_user_by_id(bob.pk)
    update_unannounced(bob, first_name="x")
    User.objects.get(pk=alice.pk).save()
    assert [*noted()] == [str(bob.pk)]
    PendingInvalidation.objects.update(created_at="2000-01-01T00:00Z")
    assert drain(get_store(), overdue_only=True) == 1
    found = get_user_by_id(bob.pk)
    assert found is not None
    assert found.first_name == "x"


def test_user_saved_while_another_is(alice: User, bob: User) -> None:
    """Where a receiver saves one user while another is being saved, both take their rows away."""

    def save_bob(*, instance: Model, **_kwargs: object) -> None:
        if instance.pk == alice.pk:
            bob.save()

    with before_saves(save_bob):
        alice.save()
    assert noted() == {}


def test_unannounced_change_while_another_is_saved(alice: User, bob: User) -> None:
    """It isn't taken away with the row of the user who is being saved."""

    def change_bob(*, instance: Model, **_kwargs: object) -> None:
        update_unannounced(bob, first_name="x")

    with before_saves(change_bob):
        alice.save()
    assert [*noted()] == [str(bob.pk)]


def test_many_users_deleted_at_once(alice: User, bob: User, make_user: MakeUser) -> None:
    """One statement deletes many users, and each takes its row away."""
    for number in range(5):
        make_user(f"user{number}")
    User.objects.all().delete()
    assert noted() == {}


def test_failed_delete_leaves_no_label(alice: User, bob: User) -> None:
    """A delete that one of its receivers refuses labels nothing afterwards."""

    def refuse_bob(*, instance: Model, **_kwargs: object) -> None:
        if instance.pk == bob.pk:
            raise RefusedError

    pre_delete.connect(refuse_bob, sender=User)
    try:
        with pytest.raises(RefusedError):
            User.objects.order_by("pk").delete()
    finally:
        pre_delete.disconnect(refuse_bob, sender=User)
    gc.collect()
    update_unannounced(bob, first_name="x")
    assert noted() == {str(bob.pk): ""}


def test_values_are_no_labels(alice: User) -> None:
    """What a user calls themselves can't have their change left to nobody."""
    update_unannounced(alice, first_name="/* usercache=0123456789abcdef */ ")
    assert noted() == {str(alice.pk): ""}


@pytest.fixture
def _redis_away(alice: User, redis_server: RedisServer, settings: Settings) -> None:
    lead_shared_alias(settings, redis_server.url)
    redis_server.kill()


@pytest.mark.usefixtures("_redis_away")
@pytest.mark.parametrize("update_conflicts", [True, False])
def test_bulk_create_that_redis_does_not_hear_of(alice: User, update_conflicts: bool) -> None:
    """An upsert, and an insert, while Redis is away are for anybody to drain, at once."""
    users = [User(email="new@example.com", password="!")]
    if update_conflicts:
        users.append(User(email=alice.email, first_name="x", password="!"))
        User.objects.bulk_create(
            users, update_conflicts=True, update_fields=["first_name"], unique_fields=["email"]
        )
    else:
        User.objects.bulk_create(users)
    unlabelled = PendingInvalidation.objects.filter(write_label="").values_list(
        "user_id", flat=True
    )
    written = {user.pk for user in User.objects.exclude(pk=alice.pk)}
    assert set(unlabelled) >= {str(pk) for pk in written}
    assert (str(alice.pk) in unlabelled) is update_conflicts


@pytest.mark.usefixtures("_redis_away")
def test_preset_key_that_redis_does_not_hear_of(alice: User) -> None:
    """A row inserted under a key of the caller's choice, while Redis is away, is noted."""
    User(pk=4711, email="new@example.com", password="!").save()
    assert noted() == {"4711": ""}


@pytest.mark.usefixtures("_redis_away")
def test_unheard_save_beside_one_that_waits(alice: User, bob: User) -> None:
    """A write that Redis did not hear of is not labelled by another that is under way."""
    labels, write = labels_of(connection), Write("default")
    labels.begin(write, is_heard=True)
    bob.save()
    assert noted()[str(bob.pk)] == ""
    labels.end(write)


def test_other_wrappers_are_left_alone(alice: User) -> None:
    """A wrapper that somebody puts on the connection for a while is taken off again."""
    seen = []

    def watch(execute: Any, statement: Any, *arguments: Any) -> Any:
        seen.append(statement)
        return execute(statement, *arguments)

    connection.execute_wrappers.clear()
    with connection.execute_wrapper(watch):
        alice.save()
    assert any("/* usercache=" in statement for statement in seen)
    assert watch not in connection.execute_wrappers


def test_many_statement_kinds_pass_through(alice: User) -> None:
    """What isn't text, or changes other tables, is executed as it came."""

    def change_others(**_kwargs: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT 1"))
            cursor.execute("CREATE TEMP TABLE other (id int)")
            cursor.execute("DELETE FROM other")

    with before_saves(change_others):
        alice.save()
    raw_sql("DROP TABLE other")
    assert noted() == {}


def test_label_of_overlapping_writes_says_so(db: None) -> None:
    """One that several writes share is acknowledged by each at once; the next is one's own."""
    labels, writes = labels_of(connection), [Write("default") for _ in range(3)]
    first = labels.begin(writes[0], is_heard=True)
    before = first.is_shared
    assert labels.begin(writes[1], is_heard=True) is first
    assert (before, first.is_shared) == (False, True)
    for write in writes[:2]:
        labels.end(write)
    own = labels.begin(writes[2], is_heard=True)
    labels.end(writes[2])
    assert own != first
    assert not own.is_shared


@isolate_apps("usercache")
@pytest.mark.parametrize("has_users_key", [True, False])
@pytest.mark.parametrize("is_proxy", [True, False])
def test_table_of_a_parent(has_users_key: bool, is_proxy: bool) -> None:
    """It has the user's key if the link to it is the primary key, and else one of its own."""

    def make(name: str, base: type[Model], /, *, proxy: bool = False, **columns: Any) -> Any:
        meta = type("Meta", (), {"app_label": "usercache", "proxy": proxy})
        return type(name, (base,), {"__module__": __name__, "Meta": meta, **columns})

    person = make("Person", Model, name=models.TextField())
    link = models.OneToOneField(person, models.CASCADE, parent_link=True, primary_key=has_users_key)
    key: dict[str, Any] = {} if has_users_key else {"number": models.AutoField(primary_key=True)}
    user = make("Customer", person, link=link, is_active=models.BooleanField(), **key)
    if is_proxy:
        user = make("Regular", user, proxy=True)
    codec = Codec(user, [user._meta.pk.attname, "name", "is_active"], "")
    found = {table.name: table.has_users_key for table in watched_tables(codec)}
    assert found == {"usercache_person": has_users_key, "usercache_customer": True}
