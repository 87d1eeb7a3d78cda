"""Whether a process is alive, and ready for work: asked by load balancers."""

from collections.abc import Iterator
from typing import cast

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from hiremebahamas import health
from hiremebahamas.postgresql.base import DatabaseWrapper
from tests.cast import PASSWORD, client_of
from tests.steering import keep_redis_away
from usercache.observability.bounded_query import DatabaseHangsError

SQUASHED = ("accounts", "0001_squashed_0007")


@pytest.fixture
def read_only_database(dora: User) -> Iterator[None]:
    """Let every later session of the test database be read only."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    _begin_sessions_anew()
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        _begin_sessions_anew()


def _begin_sessions_anew() -> None:
    connection.close()
    cast(DatabaseWrapper, connection).close_pool()


def test_alive_asks_nobody() -> None:
    """No database is allowed here, and none is asked."""
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert Client().post("/health/live").status_code == 405


@pytest.mark.django_db
def test_ready() -> None:
    """The database answers, and has had every migration; nothing else is told to strangers."""
    response = Client().get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "ok", "cache": "healthy"}


@pytest.mark.redis
@pytest.mark.django_db
def test_degraded_without_redis() -> None:
    """It serves all the same."""
    keep_redis_away()
    response = Client().get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "degraded", "database": "ok", "cache": "down"}


@pytest.mark.django_db
def test_unapplied_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is ahead of the database gets no work, and says what to do."""
    needed = health.read_migrations() | {("accounts", "0099_future"): frozenset()}
    monkeypatch.setattr(health, "read_migrations", lambda: needed)
    response = Client().get("/health/ready")
    assert (response.status_code, response.json()["code"]) == (503, "migrations_unapplied")
    assert "lacks 1 migrations" in response.json()["detail"]


@pytest.mark.django_db
def test_migrations_that_were_squashed(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A squashed migration counts as applied where all that it replaces are."""
    replaced = frozenset([("accounts", "0001_initial")])
    monkeypatch.setattr(health, "read_migrations", lambda: {SQUASHED: replaced})
    with django_assert_num_queries(2):
        assert health.count_unapplied() == 0
    missing = replaced | {("accounts", "0002_missing")}
    monkeypatch.setattr(health, "read_migrations", lambda: {SQUASHED: missing})
    assert health.count_unapplied() == 1


@pytest.mark.own_session
@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_database_that_takes_no_writes(dora: User, read_only_database: None) -> None:
    """A standby, or one set to read only: no work for it, and a write says why it failed."""
    response = Client().get("/health/ready")
    assert (response.status_code, response.json()["code"]) == (503, "database_read_only")
    client = client_of(dora)
    write = client.put("/auth/profile", {"bio": "Dives."})
    assert (write.status_code, write.json()["code"]) == (503, "database_read_only")
    assert client.get("/auth/profile").status_code == 200
    browser = Client(raise_request_exception=False)
    login = {"username": dora.email, "password": PASSWORD}
    page = browser.post("/admin/login/", login)
    assert (page.status_code, b"Nothing can be changed" in page.content) == (503, True)


def test_database_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as good as none."""

    def hang() -> tuple[bool, int]:
        raise DatabaseHangsError

    monkeypatch.setattr(health, "examine_database_soon", hang)
    response = Client().get("/health/ready")
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


@pytest.mark.django_db
def test_those_who_watch_are_not_sent_elsewhere(settings: Settings) -> None:
    """They ask the server itself, without TLS, and a redirect would pass for healthy."""
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/health/live").status_code == 200
    assert Client().get("/health/cache").status_code == 401
    assert Client().get("/metrics").status_code == 403
    assert Client().get("/admin/").status_code == 301
