"""PostgreSQL's triggers: they hear every change, follow the settings, get in no service's way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.db import NotSupportedError, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.db.utils import load_backend
from django.test.utils import isolate_apps
from environ import Env
from pytest_django import Settings

from tests.servers.postgresql_server import PostgreSQLServer
from tests.users import User
from usercache.codec import Codec, get_codec
from usercache.conf import conf
from usercache.models import PendingInvalidation
from usercache.orm.outbox import EVERYBODY, Label, journal_of
from usercache.postgresql import triggers
from usercache.postgresql.labels import names_of_tables
from usercache.postgresql.notifications import CHANNEL

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

ROLE = "usercache_test_reporting"
OUTBOX = PendingInvalidation._meta.db_table
LABELLED = "/* usercache=0123456789abcdef */ "


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def fetch(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def check_ids() -> list[str]:
    found = run_checks(tags=[Tags.database], databases=["default"])
    return [m.id for m in found if m.id and m.id.startswith("usercache.")]


def noted() -> list[str]:
    """Return whose rows wait, each as often as it was noted, and take them away."""
    user_ids = sorted(PendingInvalidation.objects.values_list("user_id", flat=True))
    PendingInvalidation.objects.all().delete()
    return user_ids


def noted_labels() -> list[str]:
    return list(PendingInvalidation.objects.values_list("write_label", flat=True))


def noted_bulk() -> list[bool]:
    """Return of each waiting row whether it is drained after others, and take them away."""
    are_bulk = list(PendingInvalidation.objects.values_list("is_bulk", flat=True))
    noted()
    return are_bulk


@pytest.fixture
def _installed_again() -> Iterator[None]:
    """Put back what the settings ask for when the test is over."""
    yield
    triggers.install(connection, get_codec())


@pytest.fixture
def _other_role(alice: User) -> Iterator[None]:
    """Use a role that has the right to change users, and no other right."""
    noted()
    execute(f"CREATE ROLE {ROLE}")
    execute(f"GRANT SELECT, UPDATE, DELETE ON users TO {ROLE}")
    execute(f"SET ROLE {ROLE}")
    yield
    execute("RESET ROLE")
    execute("RESET search_path")
    execute(f"DROP OWNED BY {ROLE}")
    execute(f"DROP ROLE {ROLE}")


def test_write_takes_away_its_own_rows_of_its_own_users(alice: User, bob: User) -> None:
    """Another write's row, one for anybody, and one of a user that isn't confirmed all wait on."""
    noted()
    rows = [(alice, "mine"), (bob, "mine"), (alice, "another"), (alice, "")]
    PendingInvalidation.objects.bulk_create(
        PendingInvalidation(user_id=str(user.pk), write_label=label) for user, label in rows
    )
    journal_of(connection).acknowledge(Label("mine"), [str(alice.pk)])
    left = PendingInvalidation.objects.order_by("pk").values_list("user_id", "write_label")
    assert list(left) == [(str(user.pk), label) for user, label in rows[1:]]


# -- what they hear


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET first_name = 'Alicia'",
        "UPDATE users SET phone = NULL",
        "UPDATE users SET phone = NULL, first_name = 'Alicia'",
        "UPDATE users SET is_active = NOT is_active",
        "DELETE FROM users",
    ],
)
def test_change_of_a_cached_column_is_noted(alice: User, statement: str) -> None:
    """A value given, changed, or taken away is a change."""
    noted()
    execute(statement)
    assert noted() == [str(alice.pk)]


def test_null_that_gets_a_value_is_noted(alice: User) -> None:
    """NULL is a value like others to what compares rows."""
    User._base_manager.update(phone=None)
    noted()
    execute("UPDATE users SET phone = '+12425550199'")
    assert noted() == [str(alice.pk)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET last_login = now()",
        "UPDATE users SET first_name = first_name, phone = phone",
        "UPDATE users SET first_name = 'Alicia' WHERE id = 0",
        "DELETE FROM users WHERE id = 0",
    ],
)
def test_what_changes_no_cached_column_is_not_noted(alice: User, statement: str) -> None:
    """A log-in, or a statement that changes nothing, isn't worth an invalidation."""
    noted()
    execute(statement)
    assert noted() == []


def test_insert_is_noted(alice: User) -> None:
    """Somebody may have asked for the id before, and been told that there is no such user."""
    columns = "password, email, first_name, last_name, is_active, is_admin, is_superuser"
    noted()
    execute(
        f"INSERT INTO users (id, {columns}, token_version, created_at, updated_at, bio, "
        "avatar_url, occupation, location) "
        "VALUES (4711, '!', 'raw@example.com', '', '', true, false, false, 0, now(), now(), "
        "'', '', '', '')"
    )
    assert noted() == ["4711"]


def test_changed_key_notes_both(alice: User, bob: User) -> None:
    """Who had the old key is gone, and who has the new one is there."""
    noted()
    execute(f"UPDATE users SET id = 4711 WHERE id = {alice.pk}")
    assert noted() == sorted([str(alice.pk), "4711"])


def test_swapped_keys_are_noted(alice: User, bob: User) -> None:
    """Each key has another row now."""
    noted()
    execute("ALTER TABLE users ADD COLUMN shadow text DEFAULT ''")
    execute(f"UPDATE users SET first_name = 'x' || id WHERE id IN ({alice.pk}, {bob.pk})")
    execute("ALTER TABLE users DROP COLUMN shadow")
    assert noted() == sorted([str(alice.pk), str(bob.pk)])


def test_truncate_is_noted_as_everybody(alice: User) -> None:
    """TRUNCATE names no row."""
    noted()
    execute("TRUNCATE users CASCADE")
    assert set(noted_bulk()) == {False}
    execute("TRUNCATE users CASCADE")
    assert set(noted()) == {EVERYBODY}  # once for each table that the statement empties


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE users SET first_name = 'Alicia'", ["1"]),
        ("UPDATE users SET id = 2", ["1", "2"]),
        ("UPDATE users SET last_login = now()", []),
        ("DELETE FROM users", ["1"]),
        ("TRUNCATE users CASCADE", [EVERYBODY]),
    ],
)
def test_replica_role_is_heard(alice: User, statement: str, expected: list[str]) -> None:
    """What logical replication applies is noted, though other triggers are silent then."""
    User._base_manager.filter(pk=alice.pk).update(id=1)
    noted()
    execute("SET session_replication_role = replica")
    try:
        execute(statement)
    finally:
        execute("RESET session_replication_role")
    assert not PendingInvalidation.objects.filter(is_bulk=True).exists()
    assert list(dict.fromkeys(noted())) == expected


def test_many_rows_in_one_statement(alice: User, bob: User) -> None:
    """One statement leaves one row for each user it changed."""
    noted()
    execute("UPDATE users SET location = 'Nassau'")
    assert noted() == sorted([str(alice.pk), str(bob.pk)])


@pytest.mark.parametrize("rows", [triggers.BULK_ROWS, triggers.BULK_ROWS + 1])
def test_rows_of_a_large_statement_are_marked(rows: int) -> None:
    """Of an insert, a change and a deletion of many, so that rows of other statements go first."""
    User._base_manager.bulk_create(
        User(email=f"u{n}@example.com", password="!") for n in range(rows)
    )
    are_bulk = [rows > triggers.BULK_ROWS] * rows
    assert noted_bulk() == are_bulk
    execute("UPDATE users SET location = 'Nassau'")
    assert noted_bulk() == are_bulk
    execute("DELETE FROM users")
    assert noted_bulk() == are_bulk


# -- labels


@pytest.mark.parametrize(
    ("statement", "label"),
    [
        (f"{LABELLED}UPDATE users SET first_name = 'x'", "0123456789abcdef"),
        ("UPDATE users SET first_name = 'x'", ""),
        (f" {LABELLED}UPDATE users SET first_name = 'x'", ""),
        (f"UPDATE users SET first_name = '{LABELLED}'", ""),
    ],
)
def test_label_stands_at_the_beginning(alice: User, statement: str, label: str) -> None:
    """A label is read where ours put it, not among the values that a user may choose."""
    noted()
    execute(statement)
    assert noted_labels() == [label]


def test_statement_of_another_trigger_has_no_label(alice: User, bob: User) -> None:
    """What somebody else's trigger does is no part of the write whose statement woke it."""
    execute(
        "CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"UPDATE users SET location = NEW.location WHERE id = {bob.pk}; RETURN NULL; END $$"
    )
    execute(
        f"CREATE TRIGGER spread AFTER UPDATE ON users FOR EACH ROW WHEN (NEW.id = {alice.pk}) "
        "EXECUTE FUNCTION spread()"
    )
    try:
        noted()
        execute(f"{LABELLED}UPDATE users SET location = 'Nassau' WHERE id = {alice.pk}")
        labels = dict(PendingInvalidation.objects.values_list("user_id", "write_label"))
        assert labels == {str(alice.pk): "0123456789abcdef", str(bob.pk): ""}
    finally:
        execute("DROP FUNCTION spread() CASCADE")


def take_notifications() -> list[Any]:
    """Return what came, without waiting."""
    session = connection.connection
    if is_psycopg3:
        return list(session.notifies(timeout=0))
    session.poll()
    told, session.notifies = session.notifies, []
    return list(told)


@pytest.mark.own_session  # for LISTEN
@pytest.mark.parametrize(
    ("statement", "is_told"),
    [
        ("UPDATE users SET first_name = 'x'", True),
        ("TRUNCATE users CASCADE", True),
        (f"{LABELLED}UPDATE users SET first_name = 'x'", False),
        ("UPDATE users SET last_login = now()", False),
    ],
)
def test_what_has_no_label_is_told_at_once(alice: User, statement: str, is_told: bool) -> None:
    """By a notification; a labelled row is left to its writer."""
    execute(f"LISTEN {CHANNEL}")
    try:
        # A relay that ran in this process may have listened on this very session.
        take_notifications()
        execute(statement)
        told = take_notifications()
    finally:
        execute(f"UNLISTEN {CHANNEL}")
    assert [notification.channel for notification in told] == [CHANNEL] * is_told


# -- installation


def test_migrate_installs_them() -> None:
    """After `migrate` the user table has the triggers that the settings ask for."""
    assert triggers.is_installed(connection, get_codec())
    assert check_ids() == []


@pytest.mark.usefixtures("_installed_again")
def test_they_follow_the_whitelist(settings: Settings, alice: User) -> None:
    """Another list of cached columns is noticed by a check, and installed by `migrate`."""
    settings.USERCACHE_FIELDS = (*settings.USERCACHE_FIELDS, "last_login")
    assert check_ids() == ["usercache.W017"]
    noted()
    execute("UPDATE users SET last_login = now()")
    assert noted() == []
    call_command("migrate", verbosity=0)
    assert check_ids() == []
    execute("UPDATE users SET last_login = now() + interval '1 second'")
    assert noted() == [str(alice.pk)]


@pytest.mark.usefixtures("_installed_again")
def test_they_follow_the_fingerprint(settings: Settings, alice: User) -> None:
    """With fingerprints of passwords, a new password is a change of the record."""
    execute("UPDATE users SET password = '!x'")
    assert noted() == []
    settings.USERCACHE_PASSWORD_FINGERPRINT = True
    assert check_ids() == ["usercache.W017"]
    call_command("migrate", verbosity=0)
    assert check_ids() == []
    execute("UPDATE users SET password = '!y'")
    assert noted() == [str(alice.pk)]


@pytest.mark.usefixtures("_installed_again")
@pytest.mark.parametrize(
    "statement",
    [
        *(f"DROP TRIGGER {name} ON users" for name in triggers.TRIGGERS),
        *(f"ALTER TABLE users DISABLE TRIGGER {name}" for name in triggers.TRIGGERS),
        *(f"DROP TRIGGER {name} ON {OUTBOX}" for name in triggers.OUTBOX_TRIGGERS),
        f"ALTER TABLE {OUTBOX} DISABLE TRIGGER ALL",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        # As pg_restore --disable-triggers does in the end, whatever was awake before.
        "ALTER TABLE users ENABLE TRIGGER ALL",
        f"DROP FUNCTION {triggers.FUNCTION}_1() CASCADE",
    ],
)
def test_missing_trigger_is_noticed(statement: str) -> None:
    """A trigger that was dropped or switched by hand is noticed, and put back."""
    execute(statement)
    assert check_ids() == ["usercache.W017"]
    triggers.install(connection, get_codec())
    assert check_ids() == []


def test_installed_triggers_are_left_alone(django_assert_num_queries: Any) -> None:
    """Queries see that nothing is to be done: a lock on the user table would stop all writes."""
    functions = len(names_of_tables(get_codec())) + bool(conf.USERCACHE_VERSION_FIELD)
    with django_assert_num_queries(2 + functions + 2):
        triggers.install(connection, get_codec())


@pytest.mark.usefixtures("_installed_again")
def test_functions_of_others_are_left_alone() -> None:
    """Neither taken for ours, nor dropped: beside ours, or of the same name in another schema."""
    execute("CREATE SCHEMA elsewhere")
    others = ["public.others", f"elsewhere.{triggers.FUNCTION}_1"]
    try:
        for number, function in enumerate(others):
            execute(
                f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RETURN NULL; END $$"
            )
            execute(
                f"CREATE TRIGGER others_{number} AFTER UPDATE ON users "
                f"EXECUTE FUNCTION {function}()"
            )
        assert triggers.is_installed(connection, get_codec())
        triggers.remove(connection)
        assert not triggers.is_installed(connection, get_codec())
        left = fetch(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal "
            "AND (tgname LIKE 'others%' OR tgname LIKE 'usercache%') ORDER BY 1"
        )
        assert left == [("others_0",), ("others_1",)]
    finally:
        execute("DROP FUNCTION public.others() CASCADE")
        execute("DROP SCHEMA elsewhere CASCADE")


def test_nothing_is_installed_without_the_outbox() -> None:
    """Before the app's first migration, and after its last."""
    table = PendingInvalidation._meta.db_table
    assert triggers.has_outbox(connection)
    execute(f"ALTER TABLE {table} RENAME TO away")
    try:
        assert not triggers.has_outbox(connection)
        assert not triggers.can_be_installed(connection, get_codec())
        assert not triggers.is_installed(connection, get_codec())
        triggers.install(connection, get_codec())
        triggers.remove(connection)
    finally:
        execute(f"ALTER TABLE away RENAME TO {table}")
    assert triggers.is_installed(connection, get_codec())


def test_all_enabled_alike_is_still_true(alice: User) -> None:
    """After pg_restore --disable-triggers a change is noted once, and under its label."""
    execute("ALTER TABLE users ENABLE TRIGGER ALL")
    try:
        noted()
        execute(f"{LABELLED}UPDATE users SET first_name = 'x'")
        assert noted_labels() == ["0123456789abcdef"]
    finally:
        triggers.install(connection, get_codec())


def test_migrating_to_zero_takes_them_away(alice: User) -> None:
    """Without the app, its user table takes writes as before; with it again, they are heard."""
    call_command("migrate", "usercache", "zero", verbosity=0)
    try:
        execute("UPDATE users SET first_name = 'Alicia'")
        assert fetch("SELECT 1 FROM pg_proc WHERE starts_with(proname, 'usercache')") == []
    finally:
        call_command("migrate", "usercache", verbosity=0)
    execute("UPDATE users SET first_name = 'Alice'")
    assert noted() == [str(alice.pk)]


# -- other services, and other roles


@pytest.mark.usefixtures("_other_role")
@pytest.mark.parametrize("search_path", ["public", "pg_catalog"])
def test_other_role_needs_no_right_to_the_outbox(alice: User, search_path: str) -> None:
    """Another service changes users as it always did, wherever its search path leads."""
    execute(f"SET search_path = {search_path}")
    execute("UPDATE public.users SET first_name = 'Alicia'")
    execute("RESET ROLE")
    execute("RESET search_path")
    assert noted() == [str(alice.pk)]


@pytest.mark.usefixtures("_other_role")
def test_other_role_can_t_run_code_as_the_owner(alice: User) -> None:
    """A temporary table in the outbox's place, with a trigger of its own, is not written to."""
    table = PendingInvalidation._meta.db_table
    execute(
        f"CREATE TEMP TABLE {table} (user_id text, write_label text, is_bulk bool, "
        "created_at timestamptz)"
    )
    execute(
        "CREATE FUNCTION pg_temp.seize() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"EXECUTE 'ALTER ROLE {ROLE} SUPERUSER'; RETURN NULL; END $$"
    )
    execute(
        f"CREATE TRIGGER seize BEFORE INSERT ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION pg_temp.seize()"
    )
    execute("UPDATE users SET first_name = 'Alicia'")
    execute("RESET ROLE")
    assert fetch(f"SELECT rolsuper FROM pg_roles WHERE rolname = '{ROLE}'") == [(False,)]
    assert fetch("SELECT user_id FROM public.usercache_pendinginvalidation") == [(str(alice.pk),)]
    execute(f"DROP TABLE pg_temp.{table}")


@pytest.mark.usefixtures("_other_role")
def test_other_role_can_t_put_the_function_on_a_table_of_its_own() -> None:
    """Only a change of a user may leave a note."""
    execute("RESET ROLE")
    found = fetch(
        f"SELECT has_function_privilege('{ROLE}', oid, 'EXECUTE') FROM pg_proc "
        f"WHERE starts_with(proname, '{triggers.FUNCTION}')"
    )
    functions = len(names_of_tables(get_codec())) + bool(conf.USERCACHE_VERSION_FIELD) + 1
    assert found == [(False,)] * functions


class PreparingServer(PostgreSQLServer):
    """A PostgreSQL that lets transactions be prepared."""

    def _command(self) -> Any:
        return (*super()._command(), "-c", "max_prepared_transactions=2")


@pytest.fixture
def preparing(tmp_path: Path) -> Iterator[BaseDatabaseWrapper]:
    """Connect to it, past the alias and its pool."""
    with PreparingServer(tmp_path) as server:
        configured = connections.configure_settings({"default": Env.db_url_config(server.url)})[
            "default"
        ]
        other = load_backend(configured["ENGINE"]).DatabaseWrapper(configured)
        yield other
        other.close()


def test_prepared_transaction_is_noted(
    preparing: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that commits in two phases can change users, and the change is noted."""
    monkeypatch.setattr("usercache.orm.outbox.EXTENSION_TABLES", {})  # this database has none
    with isolate_apps("usercache"), preparing.schema_editor(atomic=False) as editor:
        model = make_model("Person")
        editor.create_model(PendingInvalidation)
        editor.create_model(model)
    triggers.install(preparing, Codec(model, ["id"], ""))
    with preparing.cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO people DEFAULT VALUES")
        cursor.execute("PREPARE TRANSACTION 'one'")
        cursor.execute("COMMIT PREPARED 'one'")
        cursor.execute("SELECT user_id FROM usercache_pendinginvalidation")
        assert cursor.fetchall() == [("1",)]


# -- user models of other shapes, and schemas that change


def make_model(
    name: str, /, *bases: type[models.Model], table: str = "people", **attributes: Any
) -> type[models.Model]:
    meta = type("Meta", (), {"app_label": "usercache", "db_table": table})
    attributes |= {"__module__": __name__, "Meta": meta}
    return type(name, bases or (models.Model,), attributes)


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
