"""PostgreSQL's triggers: they follow the settings, and get in no other service's way."""

from collections.abc import Iterator

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from usercache import triggers
from usercache.codec import get_codec
from usercache.models import PendingInvalidation

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

ROLE = "usercache_test_reporting"


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def check_ids() -> list[str | None]:
    found = run_checks(tags=[Tags.database], databases=["default"])
    return [message.id for message in found]


@pytest.fixture
def _installed_again() -> Iterator[None]:
    """Put back what the settings ask for when the test is over."""
    yield
    triggers.install(connection, get_codec())


@pytest.fixture
def _other_role(alice: User) -> Iterator[None]:
    """Be somebody who may change users, and nothing else."""
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
    execute("UPDATE users SET last_login = now()")
    assert not PendingInvalidation.objects.exists()
    call_command("migrate", verbosity=0)
    assert check_ids() == []
    execute("UPDATE users SET last_login = now() + interval '1 second'")
    assert PendingInvalidation.objects.get().user_id == str(alice.pk)


@pytest.mark.usefixtures("_installed_again")
@pytest.mark.parametrize(
    "statement",
    [
        f"DROP TRIGGER {triggers.UPDATE_TRIGGER} ON users",
        f"DROP TRIGGER {triggers.DELETE_TRIGGER} ON users",
        f"ALTER TABLE users DISABLE TRIGGER {triggers.DELETE_TRIGGER}",
    ],
)
def test_missing_trigger_is_noticed(statement: str) -> None:
    """A trigger that was dropped or disabled by hand is noticed, and put back."""
    execute(statement)
    assert check_ids() == ["usercache.W017"]
    triggers.install(connection, get_codec())
    assert check_ids() == []


@pytest.mark.usefixtures("_other_role")
@pytest.mark.parametrize("search_path", ["public", "pg_catalog"])
def test_other_role_needs_no_right_to_the_outbox(alice: User, search_path: str) -> None:
    """Another service changes users as it always did, wherever its search path leads."""
    execute(f"SET search_path = {search_path}")
    execute("UPDATE public.users SET first_name = 'Alicia'")
    execute("RESET ROLE")
    execute("RESET search_path")
    assert PendingInvalidation.objects.get().user_id == str(alice.pk)


def test_many_rows_in_one_statement(alice: User, bob: User) -> None:
    """One statement leaves a row for each user it changed."""
    execute("UPDATE users SET location = 'Nassau'")
    noted = set(PendingInvalidation.objects.values_list("user_id", flat=True))
    assert noted == {str(alice.pk), str(bob.pk)}
