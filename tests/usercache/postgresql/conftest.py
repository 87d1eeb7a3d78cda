"""Fixtures of PostgreSQL's part: triggers put back, a process that it reports to."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from pytest_django import Settings

from tests.waiting import wait_until
from usercache.codec import get_codec
from usercache.lookup import Store
from usercache.postgresql import triggers
from usercache.runtime import get_store

if TYPE_CHECKING:
    from usercache.postgresql.listening import ListeningConnection


@pytest.fixture
def _installed_again() -> Iterator[None]:
    """Put back what the settings ask for when the test is over."""
    yield
    triggers.install(connection, get_codec())


@pytest.fixture
def _without_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have PostgreSQL alone report changes, to a memory of a hundred records."""
    settings.USERCACHE_REDIS_ALIAS = ""
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    monkeypatch.setattr("usercache.l1.listener.PAUSE_SECONDS", 0.01)


@pytest.fixture
def store() -> Store:
    """Return a store that PostgreSQL reports to."""
    store = get_store()
    present = store.memory_l1
    assert present is not None
    wait_until(lambda: present.is_current, "the process listens")
    return store


@pytest.fixture
def listener() -> "Iterator[ListeningConnection]":
    """Listen as a process does."""
    from usercache.postgresql import listening  # noqa: PLC0415  # it needs psycopg 3

    with closing(listening.connect()) as listener:
        yield listener
