"""What keeps the production server from starting is said in full, before it starts."""

import os

import pytest
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from hiremebahamas.server import __main__ as command
from hiremebahamas.server import preparation
from hiremebahamas.server.address import Address
from hiremebahamas.server.options import ServerOptions
from hiremebahamas.server.preparation import NotReadyError, check_migrations, check_settings

OPTIONS = ServerOptions(
    Address("127.0.0.1", 8000), 2, 4, 32, 25, collects_static=True, log_format="text"
)


def test_all_that_is_missing_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command itself, without a traceback."""
    monkeypatch.setenv("ENV_FILE", "")
    monkeypatch.setattr("sys.argv", ["server"])
    for name in preparation.REQUIRED:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == os.EX_CONFIG
    message = capsys.readouterr().err
    assert message.startswith("The server can't start.")
    assert all(name in message for name in preparation.REQUIRED)


def test_settings_are_ready() -> None:
    """Those of a production server, as the tests have them."""
    check_settings(OPTIONS)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEBUG", True, "DEBUG shows errors to everybody"),
        ("ALLOWED_HOSTS", ["www.example.com", "*"], "ALLOWED_HOSTS=\\* lets a client choose"),
        ("SECURE_SSL_REDIRECT", True, "TRUST_X_FORWARDED_PROTO=True"),
    ],
)
def test_settings_that_are_not(settings: Settings, name: str, value: object, message: str) -> None:
    """Development's, and an endless redirection."""
    setattr(settings, name, value)
    with pytest.raises(NotReadyError, match=message):
        check_settings(OPTIONS)


@pytest.mark.redis
def test_each_thread_needs_a_connection_to_redis() -> None:
    """A second one for light requests, and usercache's own three.

    An exhausted pool would pass for a failed Redis.
    """
    connections = preparation.redis_connections()
    assert connections is not None
    threads = (connections - 3) // 2
    check_settings(OPTIONS._replace(threads=threads))
    with pytest.raises(NotReadyError, match="USERCACHE_REDIS_MAX_CONNECTIONS is"):
        check_settings(OPTIONS._replace(threads=threads + 1))


@pytest.mark.django_db
def test_migrations_that_are_not_applied_are_counted() -> None:
    """And never applied in passing."""
    assert check_migrations() is None
    MigrationRecorder(connection).record_unapplied("usercache_observability", "0001_initial")
    with pytest.raises(
        NotReadyError, match=r"lacks 1 migration.*usercache_observability.0001_initial"
    ):
        check_migrations()


def test_a_database_that_is_away_keeps_nobody_from_starting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cached users can be served."""

    def fail(*args: object) -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(preparation, "MigrationExecutor", fail)
    assert "nobody there" in str(check_migrations())


def test_static_files_that_cannot_be_written(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the directory, and the way around."""

    def fail(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(preparation, "call_command", fail)
    with pytest.raises(NotReadyError, match="WEB_COLLECT_STATIC=False") as refusal:
        preparation.collect_static_files()
    assert str(settings.STATIC_ROOT) in str(refusal.value)


def test_what_the_other_servers_must_take_is_said(settings: Settings) -> None:
    """All workers' connections together."""
    said = " ".join(command.describe(OPTIONS))
    assert "2 workers of 4 threads." in said
    if connection.vendor == "postgresql":
        assert "PostgreSQL must take 44 connections" in said
    if settings.USERCACHE_REDIS_ALIAS:
        assert "Redis must take 102 connections" in said
    else:
        assert "REDIS_URL is unset" in said
