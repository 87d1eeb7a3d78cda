"""PostgreSQL's triggers: they hear every change, follow the settings, get in no service's way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.db.utils import load_backend
from django.test.utils import isolate_apps
from environ import Env

from tests.servers.postgresql_server import PostgreSQLServer
from tests.usercache.postgresql.noted import LABELLED, execute, make_model, noted, noted_labels
from tests.users import User
from usercache.codec import Codec
from usercache.models import PendingInvalidation
from usercache.orm.outbox import EVERYBODY, Label, journal_of
from usercache.postgresql import triggers
from usercache.postgresql.notifications import CHANNEL

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def noted_bulk() -> list[bool]:
    """Return of each waiting row whether it is drained after others, and take them away."""
    are_bulk = list(PendingInvalidation.objects.values_list("is_bulk", flat=True))
    noted()
    return are_bulk


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
