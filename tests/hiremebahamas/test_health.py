"""Whether a process is alive, and ready for work: asked by load balancers."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from hiremebahamas import health
from usercache.bounded import DatabaseHangsError
from usercache.process import get_store

SQUASHED = ("accounts", "0001_squashed_0007")


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
    shared = get_store().shared
    assert shared is not None
    shared.breaker.failed(at_once=True)
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


def test_database_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as good as none."""

    def hang() -> int:
        raise DatabaseHangsError

    monkeypatch.setattr(health, "count_unapplied_soon", hang)
    response = Client().get("/health/ready")
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


@pytest.mark.django_db
def test_those_who_watch_are_not_sent_elsewhere(settings: Settings) -> None:
    """They ask the server itself, without TLS, and a redirect would pass for healthy."""
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/health/live").status_code == 200
    assert Client().get("/health/cache").status_code == 401
    assert Client().get("/metrics").status_code == 403
    assert Client().get("/auth/verify").status_code == 301
