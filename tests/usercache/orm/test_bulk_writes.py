"""Query set writes, which send no signals, are announced all the same."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from tests.concurrency import run_together
from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.management.inspection import inspect_user
from usercache.orm.writes import WRITES_AT_ONCE
from usercache.users import get_user_by_email, get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = connection.ops.quote_name(User._meta.db_table)


def first_name(user: User) -> str:
    cached = get_user_by_id(user.pk)
    assert cached is not None
    return cached.first_name


def test_update_is_seen(alice: User, bob: User) -> None:
    """`update()` invalidates the rows it changes and no others."""
    first_name(alice), first_name(bob)
    assert User.objects.filter(username="alice").update(first_name="Alicia") == 1
    assert first_name(alice) == "Alicia"
    assert inspect_user(bob.pk).state == "record"


def test_update_that_unmatches_its_own_filter(alice: User) -> None:
    """Rows that no longer match once they are updated are invalidated too."""
    first_name(alice)
    assert User.objects.filter(is_active=True).update(is_active=False) == 1
    cached = get_user_by_id(alice.pk)
    assert cached is not None
    assert not cached.is_active


def test_update_by_expression(alice: User, bob: User) -> None:
    """Expressions, F() and the primary key's alias work as in Django's own."""
    first_name(alice)
    users = User.objects.order_by("-pk").filter(pk__in=[alice.pk, bob.pk])
    assert users.update(first_name=Concat(F("username"), Value("!"))) == 2
    assert first_name(alice) == "alice!"


def test_update_of_more_than_a_batch(make_user: MakeUser) -> None:
    """Any number of rows is updated, each of them exactly once."""
    User.objects.bulk_create(
        User(email=f"u{n}@example.com", password="!", token_version=1)
        for n in range(WRITES_AT_ONCE + 3)
    )
    last = User.objects.latest("pk")
    get_user_by_id(last.pk)
    assert User.objects.update(token_version=F("token_version") + 1) == WRITES_AT_ONCE + 3
    assert set(User.objects.values_list("token_version", flat=True)) == {2}
    cached = get_user_by_id(last.pk)
    assert cached is not None
    assert cached.token_version == 2


def test_update_of_nothing(alice: User) -> None:
    """An update that matches no row changes none."""
    assert User.objects.filter(username="nobody").update(first_name="x") == 0


def test_update_of_uncached_columns_costs_nothing_more(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Columns off the whitelist are updated in one statement, as ever."""
    with django_assert_num_queries(1):
        User.objects.update(last_login=None)


def test_bulk_update_is_seen(alice: User, bob: User) -> None:
    """`bulk_update()` goes by way of `update()`."""
    first_name(alice), first_name(bob)
    alice.first_name, bob.first_name = "Alicia", "Robert"
    assert User.objects.bulk_update([alice, bob], ["first_name"]) == 2
    assert (first_name(alice), first_name(bob)) == ("Alicia", "Robert")


@pytest.mark.upsert_by
def test_bulk_create_that_updates_conflicts_is_seen(alice: User) -> None:
    """A row that an insert turned into an update is invalidated."""
    first_name(alice)
    User.objects.bulk_create(
        [
            User(email="alice@example.com", first_name="Alicia", password="!"),
            User(email="new@example.com", first_name="New", password="!"),
        ],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["email"],
    )
    assert first_name(alice) == "Alicia"
    created = get_user_by_email("new@example.com")
    assert created is not None


@pytest.mark.upsert_by
def test_upsert_without_the_unique_value_touches_nobody(alice: User, make_user: MakeUser) -> None:
    """NULL conflicts with nothing, so the users who have none of it either stay cached."""
    unnamed = make_user("unnamed", username=None)
    get_user_by_id(unnamed.pk)
    User.objects.bulk_create(
        [User(email="new@example.com", password="!")],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["username"],
    )
    assert inspect_user(unnamed.pk).state == "record"


def test_bulk_create_that_ignores_conflicts(alice: User) -> None:
    """A row that stays as it was stays cached."""
    first_name(alice)
    User.objects.bulk_create(
        [User(email="alice@example.com", first_name="Alicia", password="!")], ignore_conflicts=True
    )
    assert first_name(alice) == "Alice"
    assert inspect_user(alice.pk).state == "record"


@pytest.mark.integer_key
def test_bulk_create_ends_absence(alice: User) -> None:
    """The answer "no such user" gives way to a bulk insert."""
    assert get_user_by_id(alice.pk + 1) is None
    (created,) = User.objects.bulk_create([User(email="new@example.com", password="!")])
    assert created.pk == alice.pk + 1
    assert get_user_by_id(created.pk) == created


def test_query_set_delete_is_seen(alice: User, bob: User) -> None:
    """`delete()` on a query set invalidates each row."""
    first_name(alice), first_name(bob)
    pk = alice.pk
    User.objects.filter(username="alice").delete()
    assert get_user_by_id(pk) is None
    assert inspect_user(bob.pk).state == "record"


def test_failed_update_serves_the_old_row(alice: User, bob: User) -> None:
    """A violated constraint leaves the row as it was, and so the answer."""
    first_name(alice)
    with pytest.raises(IntegrityError):
        User.objects.filter(pk=alice.pk).update(email="bob@example.com")
    cached = get_user_by_id(alice.pk)
    assert cached is not None
    assert cached.email == "alice@example.com"


def test_update_or_create_and_get_or_create_are_seen(alice: User) -> None:
    """Django's shortcuts save instances, which signals announce."""
    first_name(alice)
    User.objects.update_or_create(email="alice@example.com", defaults={"first_name": "Alicia"})
    assert first_name(alice) == "Alicia"
    created, _ = User.objects.get_or_create(email="new@example.com")
    assert get_user_by_id(created.pk) == created


def test_update_is_one_statement_of_django(alice: User) -> None:
    """A filter that depends on what the update changes is asked once, for all rows."""
    User.objects.bulk_create(
        User(email=f"u{n}@example.com", password="!", location="Exuma", is_admin=n == 0)
        for n in range(2 * WRITES_AT_ONCE)
    )
    admins = User.objects.filter(is_admin=True)
    neighbours = User.objects.filter(location__in=admins.values("location"))
    with CaptureQueriesContext(connection) as queries:
        assert neighbours.update(is_admin=False, occupation="Diver") == 2 * WRITES_AT_ONCE
    updates = [query for query in queries if f"UPDATE {TABLE}" in query["sql"]]
    assert len(updates) == 1
    assert User.objects.filter(occupation="Diver").count() == 2 * WRITES_AT_ONCE


@pytest.mark.postgresql
def test_row_that_comes_to_match_is_announced_before_the_commit(alice: User, bob: User) -> None:
    """Between finding the rows and changing them, another writer may add one to them."""
    first_name(alice), first_name(bob)

    def move_bob() -> None:
        models.QuerySet(User).filter(pk=bob.pk).update(occupation="Chef")

    def move_bob_first(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if f"UPDATE {TABLE}" in sql:
            (outcome,) = run_together([move_bob])
            assert outcome is None
        return execute(sql, *arguments)

    User.objects.filter(pk=alice.pk).update(occupation="Chef")
    with transaction.atomic():
        with connection.execute_wrapper(move_bob_first):
            assert User.objects.filter(occupation="Chef").update(first_name="Cook") == 2
        assert inspect_user(bob.pk).state == "write marker"
    assert (first_name(alice), first_name(bob)) == ("Cook", "Cook")


def test_statements_grow_with_batches_alone(alice: User) -> None:
    """Twice as many rows whose identifiers change take twice as many batches; others, one query."""

    def count_statements(rows: int, **changes: object) -> int:
        User.objects.bulk_create(
            User(email=f"{rows}.{n}@example.com", password="!") for n in range(rows)
        )
        users = User.objects.filter(email__startswith=f"{rows}.")
        with CaptureQueriesContext(connection) as queries:
            assert users.update(**changes) == rows
        return len(queries)

    sizes = [batches * WRITES_AT_ONCE for batches in (1, 2, 4)]
    few, more, many = (count_statements(rows, phone=None) for rows in sizes)
    assert (more - few, many - more) == (1, 2)
    sizes = [1 + size for size in sizes]
    few, more, many = (count_statements(rows, first_name="X") for rows in sizes)
    assert few == more == many


def upsert_alice() -> None:
    User.objects.bulk_create(
        [User(email="alice@example.com", first_name="Alicia", password="!")],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["email"],
    )


def update_alice() -> None:
    User.objects.filter(email="alice@example.com").update(first_name="Alicia")


BULK_WRITES = [pytest.param(upsert_alice, marks=pytest.mark.upsert_by), update_alice]


@pytest.mark.parametrize("write", BULK_WRITES, ids=lambda write: write.__name__)
def test_statement_and_announcement_are_one_transaction(
    alice: User, write: Callable[[], None]
) -> None:
    """Nothing is committed before everything is announced."""
    within: list[bool] = []

    def watch(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if TABLE in sql:
            within.append(connection.in_atomic_block)
        return execute(sql, *arguments)

    first_name(alice)
    with connection.execute_wrapper(watch):
        write()
    assert set(within) == {True}
    assert not connection.in_atomic_block
    assert first_name(alice) == "Alicia"


@pytest.mark.parametrize("write", BULK_WRITES, ids=lambda write: write.__name__)
def test_rows_are_announced_before_the_commit(
    alice: User, bob: User, write: Callable[[], None]
) -> None:
    """Those that change, and no others: nobody fills them until it is committed."""
    first_name(alice), first_name(bob)
    with transaction.atomic():
        write()
        assert inspect_user(alice.pk).state == "write marker"
        assert inspect_user(bob.pk).state == "record"
    assert inspect_user(alice.pk).state == "nothing"
