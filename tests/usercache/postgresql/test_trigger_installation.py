"""Triggers are installed by migrate, follow the settings, and need no service's rights."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from tests.usercache.postgresql.noted import (
    LABELLED,
    check_ids,
    execute,
    noted,
    noted_labels,
)
from tests.users import User
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.models import PendingInvalidation
from usercache.postgresql import triggers
from usercache.postgresql.labels import names_of_tables

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
ROLE = "usercache_test_reporting"
OUTBOX = PendingInvalidation._meta.db_table


def fetch(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


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
