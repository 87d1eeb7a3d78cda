"""Fixtures that every part of the suite may need."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from tests.caches import empty_caches, use_redis_at_once
from tests.counting import count_from_now_on
from tests.emptying import empty_after
from tests.rooms import HAS_REDIS, WHOLE_PRODUCT
from usercache.models import PendingInvalidation
from usercache.postgresql.acknowledging import ACKNOWLEDGEMENTS
from usercache.runtime import RUNTIME

pytest_plugins = [
    *(["tests.fixtures.redis"] if HAS_REDIS else []),
    *(["tests.fixtures.product"] if WHOLE_PRODUCT else []),
]
count_from_now_on()


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Put SQLite's test database into a file: one in memory is not seen by other processes."""
    for alias, database in settings.DATABASES.items():
        if database["ENGINE"].endswith("sqlite3"):
            folder = Path(os.environ["TEST_DIRECTORY"])
            database.setdefault("TEST", {})["NAME"] = str(folder / f"test_{alias}.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Begin with an empty outbox: the permissions that `migrate` made are in it."""
    with django_db_blocker.unblock():
        PendingInvalidation.objects.all().delete()


@pytest.fixture(autouse=True)
def _empty_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the users of other tests, whose ids come again, and their unfinished writes."""
    use_redis_at_once(monkeypatch)
    # Each write deletes its own rows, so that what is left in the outbox after it is no race.
    monkeypatch.setattr(ACKNOWLEDGEMENTS, "take", lambda *_arguments: False)
    empty_caches()
    yield
    RUNTIME.stop()


@pytest.fixture(scope="session", autouse=True)
def _empty_written_tables() -> Iterator[None]:
    """Empty after a test with transactions only the tables in which it left rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_after)
        yield
