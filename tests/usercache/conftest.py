"""Fixtures of the cache's tests: users, and each backend."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker, Settings

from tests.rooms import DEPLOYMENTS
from tests.usercache.key_types import KEY_TYPES
from tests.users import User
from usercache.backends import memory
from usercache.backends.base import Backend
from usercache.conf import conf

MakeUser = Callable[..., User]


@pytest.fixture(
    params=["memory", *(pytest.param(n, marks=pytest.mark.redis) for n in ("redis", *DEPLOYMENTS))],
)
def backend(request: pytest.FixtureRequest, settings: Settings) -> Backend:
    """Give each backend in turn: process memory, and every kind of Redis."""
    if request.param == "memory":
        return memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    if request.param != "redis":
        request.getfixturevalue("deploy")(request.param).use(settings)
    redis: Backend = request.getfixturevalue("redis_backend")
    return redis


@pytest.fixture(scope="session")
def key_type_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the tables of the user models with other kinds of keys."""
    models = [key_type.model for key_type in KEY_TYPES.values()]
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    yield
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        for model in models:
            editor.delete_model(model)


@pytest.fixture
def make_user() -> MakeUser:
    """Make users who can't log in, which spares hashing a password."""

    def make(name: str, **fields: object) -> User:
        values = {"email": f"{name}@example.com", "username": name, "password": "!unusable"}
        return User.objects.create(**(values | fields))

    return make


@pytest.fixture
def alice(make_user: MakeUser) -> User:
    """Alice, a job seeker."""
    return make_user("alice", first_name="Alice", phone="+12425550101")


@pytest.fixture
def bob(make_user: MakeUser) -> User:
    """Bob, another."""
    return make_user("bob", first_name="Bob", phone="+12425550102")
