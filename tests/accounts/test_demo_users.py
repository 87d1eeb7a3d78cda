"""`manage.py create_demo_users`: for development, and as often as one likes."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.management.commands.create_demo_users import DEMO_USERS, PASSWORD
from accounts.models import User

pytestmark = pytest.mark.django_db


def create() -> str:
    output = io.StringIO()
    call_command("create_demo_users", stdout=output)
    return output.getvalue()


def test_an_admin_and_job_seekers_can_log_in(settings: Settings, anybody: APIClient) -> None:
    """With what is printed."""
    settings.DEBUG = True
    output = create()
    assert User.objects.filter(is_admin=True).count() == 1
    assert User.objects.count() == len(DEMO_USERS) > 3
    for user in User.objects.all():
        user.full_clean()
        assert f"{user.email} " in output
    credentials = {"email": DEMO_USERS[-1]["email"], "password": PASSWORD}
    assert anybody.post("/auth/login", credentials).status_code == 200
    assert Client().login(username=DEMO_USERS[0]["email"], password=PASSWORD)


def test_second_time_is_one_query(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """And changes nothing, so that what one did to them stays."""
    settings.DEBUG = True
    first = create()
    User.objects.update(bio="mine")
    with django_assert_num_queries(1):
        assert create() == first
    assert set(User.objects.values_list("bio", flat=True)) == {"mine"}


def test_refused_in_production() -> None:
    """Everybody knows their password."""
    with pytest.raises(CommandError, match="DEBUG"):
        create()
    assert not User.objects.exists()
