"""Fixtures of the dashboard's tests: staff with and without leave."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.usercache.conftest import MakeUser
from tests.users import User


@pytest.fixture
def dora(make_user: MakeUser) -> User:
    """Dora, the superuser."""
    return make_user("dora", is_admin=True, is_superuser=True)


@pytest.fixture
def eve(make_user: MakeUser) -> User:
    """Eve, who may enter the admin site, and nothing else."""
    return make_user("eve", is_admin=True)


@pytest.fixture
def admin(dora: User) -> Client:
    """Dora's browser."""
    return browser_of(dora)


def browser_of(user: User) -> Client:
    """Return the browser of somebody who has logged in."""
    client = Client()
    client.force_login(user)
    return client


def grant(user: User, *codenames: str) -> None:
    """Give leave."""
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
