"""`manage.py create_demo_users`: for development, and as often as one likes."""

import io
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.management.commands.create_demo_users import DEMO_USERS
from accounts.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _password_file(settings: Settings, tmp_path: Path) -> None:
    settings.DEMO_PASSWORD_FILE = tmp_path / "password.txt"


@pytest.fixture
def _debug(settings: Settings) -> None:
    settings.DEBUG = True


def create(*, any_database: bool = True) -> str:
    output = io.StringIO()
    call_command("create_demo_users", any_database=any_database, stdout=output)
    return output.getvalue()


def password_in(output: str) -> str:
    [password] = {line.split()[1] for line in output.splitlines()}
    return password


@pytest.mark.usefixtures("_debug")
def test_an_admin_and_job_seekers_can_log_in(anybody: APIClient) -> None:
    """With what is printed."""
    output = create()
    assert User.objects.filter(is_admin=True).count() == 1
    assert User.objects.count() == len(DEMO_USERS) > 3
    for user in User.objects.all():
        user.full_clean()
        assert f"{user.email} " in output
    password = password_in(output)
    credentials = {"email": DEMO_USERS[-1]["email"], "password": password}
    assert anybody.post("/auth/login", credentials).status_code == 200
    assert Client().login(username=DEMO_USERS[0]["email"], password=password)


@pytest.mark.usefixtures("_debug")
def test_second_time_is_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """And changes nothing, so that what one did to them stays."""
    first = create()
    User.objects.update(bio="mine")
    with django_assert_num_queries(1):
        assert create() == first
    assert set(User.objects.values_list("bio", flat=True)) == {"mine"}


@pytest.mark.usefixtures("_debug")
def test_their_password_is_another_for_each_database(settings: Settings) -> None:
    """In a file for its owner alone; nobody knows it from the source."""
    first = password_in(create())
    file = Path(settings.DEMO_PASSWORD_FILE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    User.objects.all().delete()
    assert password_in(create()) != first


@pytest.mark.usefixtures("_debug")
def test_one_that_is_missing_comes_with_a_password_for_all() -> None:
    """What is printed is true of each."""
    create()
    User.objects.get(email=DEMO_USERS[1]["email"]).delete()
    password = password_in(create())
    assert all(user.check_password(password) for user in User.objects.all())
    assert User.objects.count() == len(DEMO_USERS)


@pytest.mark.usefixtures("_debug")
def test_a_lost_password_is_not_replaced(settings: Settings) -> None:
    """They may have been given others."""
    create()
    Path(settings.DEMO_PASSWORD_FILE).unlink()
    assert "changepassword" in create()


@pytest.mark.usefixtures("_debug")
def test_refused_beside_other_users(alice: User) -> None:
    """Whatever is asked for: an admin that nobody expects is no demo."""
    with pytest.raises(CommandError, match="users of its own"):
        create()
    assert list(User.objects.all()) == [alice]


@pytest.mark.usefixtures("_debug")
def test_refused_in_a_server_s_database_unless_asked_for() -> None:
    """It may be somebody's; a local file is ours."""
    if connection.vendor == "sqlite":
        create(any_database=False)
        return
    with pytest.raises(CommandError, match="--any-database"):
        create(any_database=False)
    assert not User.objects.exists()


def test_refused_in_production() -> None:
    """An admin who was not made on purpose."""
    with pytest.raises(CommandError, match="DEBUG"):
        create()
    assert not User.objects.exists()
