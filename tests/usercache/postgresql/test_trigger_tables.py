"""Triggers on tables of every shape: columns, keys, partitions, parents, schemas."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import NotSupportedError, connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import isolate_apps

from tests.usercache.postgresql.noted import (
    LABELLED,
    check_ids,
    execute,
    make_model,
    noted,
    noted_labels,
)
from usercache.codec import Codec
from usercache.models import PendingInvalidation
from usercache.orm.outbox import EVERYBODY
from usercache.postgresql import triggers

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
MakeTable = Callable[..., type[models.Model]]


@pytest.fixture
def make_table(_installed_again: None) -> Iterator[MakeTable]:
    """Make user models of other shapes, their tables, and the triggers on them."""
    made = list[type[models.Model]]()

    def make(fields: list[str], *shape: type[models.Model]) -> type[models.Model]:
        for model in shape:
            with connection.schema_editor() as editor:
                editor.create_model(model)
            made.append(model)
        triggers.install(connection, Codec(shape[-1], fields, ""))
        return shape[-1]

    with isolate_apps("usercache"):
        yield make
        for model in reversed(made):
            # Whether or not the test was about its going.
            execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(model._meta.db_table)}")


class JSONText(models.TextField):  # type: ignore[type-arg]  # of whatever it is
    """A column of PostgreSQL's json, which has no equality."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "json"


class Interval(models.TextField):  # type: ignore[type-arg]  # of whatever it is
    """A column whose equality takes a day for 24 hours."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "interval"


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        (JSONText(), '{"a": 1}', '{"a": 2}'),
        (Interval(), "1 day", "24:00:00"),
        (models.BooleanField(null=True), None, "false"),
        (models.BooleanField(null=True), "false", None),
    ],
    ids=["no equality", "loose equality", "from NULL", "to NULL"],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_rows_are_compared_as_they_are_stored(
    make_table: MakeTable, field: Any, before: str | None, after: str | None, role: str
) -> None:
    """A type without equality, or with one that overlooks differences, is noted all the same."""
    make_table(["id", "value"], make_model("Person", value=field))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO people (value) VALUES (%s)", [before])
        noted()
        cursor.execute(f"SET session_replication_role = {role}")
        try:
            cursor.execute("UPDATE people SET value = value")
            assert noted() == []
            cursor.execute("UPDATE people SET value = %s", [after])
        finally:
            cursor.execute("RESET session_replication_role")
    assert noted() == ["1"]


def test_collation_that_ignores_case(make_table: MakeTable) -> None:
    """A change of case alone is a change, also where the collation calls both equal."""
    try:
        execute(
            "CREATE COLLATION no_case "
            "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    except NotSupportedError as error:  # nothing else: a PostgreSQL that was built without ICU
        pytest.skip(f"no ICU: {error}")
    try:
        text = models.CharField(max_length=20, db_collation="no_case", primary_key=True)
        name = models.CharField(max_length=20, db_collation="no_case")
        make_table(["key", "name"], make_model("Person", key=text, name=name))
        execute("INSERT INTO people VALUES ('ann', 'Ann')")
        noted()
        execute("UPDATE people SET name = 'ANN'")
        assert noted() == ["ann"]
        execute("UPDATE people SET key = 'ANN'")
        assert noted() == ["ANN", "ann"]
        execute("DROP TABLE people")
    finally:
        execute("DROP COLLATION no_case CASCADE")


def test_partitions_count_as_their_table(make_table: MakeTable) -> None:
    """Each has copies of the row trigger, which are no triggers too many."""
    execute("CREATE TABLE people (id bigint, name text) PARTITION BY RANGE (id)")
    execute("CREATE TABLE people_0 PARTITION OF people DEFAULT")
    try:
        codec = Codec(make_model("Person", name=models.TextField()), ["id", "name"], "")
        triggers.install(connection, codec)
        assert triggers.is_installed(connection, codec)
        noted()
        execute("INSERT INTO people VALUES (7, 'x')")
        assert noted() == ["7"]
    finally:
        execute("DROP TABLE people")


def test_columns_with_awkward_names(make_table: MakeTable) -> None:
    """Columns may be called as anything in the function, or in the outbox, is."""
    names = ["label", "usercache_label", "user_key", "user_id", "found", "old", "new", "image", "n"]
    fields: dict[str, Any] = {name: models.TextField(default="") for name in names}
    make_table(["id", *names], make_model("Person", **fields))
    execute(
        f"INSERT INTO people ({', '.join(names)}) VALUES ({', '.join(['%s'] * 9)})" % ((0,) * 9)
    )
    assert noted() == ["1"]
    for name in names:
        execute(f"{LABELLED}UPDATE people SET {name} = 'x'")
        assert noted_labels() == ["0123456789abcdef"]
        assert noted() == ["1"]
    execute("DELETE FROM people")
    assert noted() == ["1"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (models.CharField(max_length=20), models.CharField(max_length=200)),
        (models.CharField(max_length=20), models.TextField()),
        (models.CharField(max_length=20), models.CharField(max_length=20, db_collation="C")),
        (models.IntegerField(), models.BigIntegerField()),
    ],
    ids=["max_length", "CharField to TextField", "collation", "integer size"],
)
def test_cached_column_can_be_altered(make_table: MakeTable, before: Any, after: Any) -> None:
    """AlterField of a cached column works, and what is written around it is noted."""
    model = make_table(["id", "value"], make_model("Person", value=before))
    execute("INSERT INTO people (value) VALUES ('1')")
    execute("UPDATE people SET value = '2'")
    noted()
    after.set_attributes_from_name("value")
    after.model = model
    with connection.schema_editor() as editor:
        editor.alter_field(model, before, after)
    execute("UPDATE people SET value = '3'")
    assert noted() == ["1"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE people RENAME COLUMN value TO worth",
        "ALTER TABLE people DROP COLUMN value",
        "ALTER TABLE people RENAME COLUMN id TO number",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_write_between_a_migration_and_the_end_of_migrate(
    make_table: MakeTable, statement: str, role: str
) -> None:
    """Where columns are no longer those of the function, each change is one of everybody."""
    make_table(
        ["id", "value"], make_model("Person", value=models.TextField(), other=models.TextField())
    )
    execute("INSERT INTO people (value, other) VALUES ('1', '1')")
    execute("UPDATE people SET other = '2'")
    noted()
    execute(statement)
    execute(f"SET session_replication_role = {role}")
    try:
        execute("UPDATE people SET other = '3'")
    finally:
        execute("RESET session_replication_role")
    assert not PendingInvalidation.objects.filter(is_bulk=True).exists()
    assert noted() == [EVERYBODY]


def test_user_model_with_a_concrete_parent(make_table: MakeTable) -> None:
    """A cached column of the parent's table is heard of as well, by the user's key."""
    parent = make_model("Person", name=models.TextField())
    child = make_model("Customer", parent, table="customers", is_active=models.BooleanField())
    make_table(["person_ptr_id", "name", "is_active"], parent, child)
    execute("INSERT INTO people (id, name) VALUES (7, 'x')")
    execute("INSERT INTO customers VALUES (7, true)")
    noted()
    execute("UPDATE people SET name = 'y'")
    assert noted() == ["7"]
    execute("UPDATE customers SET is_active = false")
    assert noted() == ["7"]


def test_parent_with_a_key_of_its_own_is_refused(
    make_table: MakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a table lacks the user's key, `migrate` lives, and a check says what isn't heard."""
    parent = make_model("Person", name=models.TextField())
    link = models.OneToOneField(parent, models.CASCADE, parent_link=True)
    child = make_model(
        "Customer", parent, table="customers", key=models.AutoField(primary_key=True), link=link
    )
    codec = Codec(child, ["key", "name"], "")
    monkeypatch.setattr("usercache.postgresql.checks.get_codec", lambda: codec)
    monkeypatch.setattr("usercache.postgresql.journal.get_codec", lambda: codec)
    call_command("migrate", verbosity=0)
    assert check_ids() == ["usercache.W027"]


@pytest.mark.parametrize("table", ['"elsewhere"."people"', 'elsewhere"."people'])
def test_table_of_another_schema(make_table: MakeTable, table: str) -> None:
    """`db_table` may name the schema, in either of the ways that Django lets through."""
    execute("CREATE SCHEMA elsewhere")
    try:
        model = make_table(
            ["id", "name"], make_model("Person", table=table, name=models.TextField())
        )
        codec = Codec(model, ["id", "name"], "")
        assert triggers.can_be_installed(connection, codec)
        assert triggers.is_installed(connection, codec)
        noted()
        execute("INSERT INTO elsewhere.people (name) VALUES ('x')")
        assert noted() == ["1"]
    finally:
        execute("DROP SCHEMA elsewhere CASCADE")


def test_view_is_refused(make_table: MakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user model on a view lets `migrate` live, and a check says that nothing is heard."""
    execute("CREATE VIEW people AS SELECT 1 AS id, 'x' AS name")
    try:
        codec = Codec(make_model("Person", name=models.TextField()), ["id", "name"], "")
        monkeypatch.setattr("usercache.postgresql.checks.get_codec", lambda: codec)
        monkeypatch.setattr("usercache.postgresql.journal.get_codec", lambda: codec)
        call_command("migrate", verbosity=0)
        assert check_ids() == ["usercache.W027"]
    finally:
        execute("DROP VIEW people")
