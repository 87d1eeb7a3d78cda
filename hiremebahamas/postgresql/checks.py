"""Checks of what a connection pooler in front of PostgreSQL makes of our settings."""

from collections.abc import Collection, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections

from hiremebahamas.postgresql.base import DatabaseWrapper


def check_timeouts(*, databases: Collection[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that PostgreSQL's own timeouts hold (E001, W002). One query for each database."""
    return [
        message
        for alias in databases or ()
        if isinstance(connection := connections[alias], DatabaseWrapper)
        for message in _check_statement_timeout(connection)
    ]


def _check_statement_timeout(connection: DatabaseWrapper) -> Iterator[CheckMessage]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'statement_timeout'"
        )
        [(found,)] = cursor.fetchall()
    if connection.is_pooled:
        if not found:
            yield CheckWarning(
                f"DATABASES['{connection.alias}']: PostgreSQL goes on with a statement outside of "
                "a transaction although its client has given it up.",
                hint="A pooler lets no client set a timeout there. Set it for the role: ALTER ROLE "
                "... SET statement_timeout = '4s'.",
                id="hiremebahamas.W002",
            )
    elif found != connection.timeouts["statement_timeout"]:
        yield Error(
            f"DATABASES['{connection.alias}'] leads to a connection pooler that ignores our "
            "timeouts.",
            hint="Set DATABASE_IS_POOLED=True, and DATABASE_DIRECT_URL to the same database past "
            "the pooler.",
            id="hiremebahamas.E001",
        )
