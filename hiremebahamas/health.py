"""Liveness and readiness of this process, for load balancers.

They are public and show nothing else; `/health/cache` has the state of the cache.
"""

from functools import cache
from http import HTTPStatus
from typing import Final

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse

from usercache.observability.bounded_query import BoundedQuery
from usercache.observability.snapshot import look_at_once
from usercache.observability.status import Status
from usercache.observability.views import get_backlog_soon, reads_only

Name = tuple[str, str]
"""An app and one of its migrations."""


@reads_only
def show_life(_request: HttpRequest) -> HttpResponse:
    """Answer `GET /health/live` without a query: a restart would not repair a database."""
    return JsonResponse({"status": "ok"})


@reads_only
def show_readiness(_request: HttpRequest) -> HttpResponse:
    """Answer `GET /health/ready`: 200 `ok`, or `degraded` without Redis; 503 without database.

    Also 503 while the database takes no writes, and while migrations are to be applied. It takes a
    second at most, plus Redis' timeout.
    """
    try:
        takes_writes, unapplied = examine_database_soon()
    except AnyDatabaseError:
        return _refuse("database_unavailable", "The database can't be asked.")
    if not takes_writes:
        return _refuse("database_read_only", "The database takes no writes.")
    if unapplied:
        return _refuse(
            "migrations_unapplied",
            f"The database lacks {unapplied} migrations of this code: run manage.py migrate.",
        )
    cache_status = look_at_once(get_backlog_soon)
    status = "ok" if cache_status is Status.HEALTHY else "degraded"
    return JsonResponse({"status": status, "database": "ok", "cache": cache_status.value})


def is_ready() -> bool:
    """Return whether `GET /health/ready` would succeed, before this process serves."""
    request = HttpRequest()
    request.method = "GET"
    return show_readiness(request).status_code == HTTPStatus.OK


def examine_database() -> tuple[bool, int]:
    """Return whether it accepts writes, and how many migrations it lacks. Three queries."""
    return takes_writes(), count_unapplied()


def takes_writes() -> bool:
    """Return whether the database accepts writes: no standby, and not set to read-only."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        [answer] = cursor.fetchone()
    return bool(answer == "off")


def count_unapplied() -> int:
    """Count the migrations that aren't applied. Two queries."""
    applied = MigrationRecorder(connection).applied_migrations().keys()
    return sum(
        name not in applied and not (replaced and replaced <= applied)
        for name, replaced in read_migrations().items()
    )


@cache
def read_migrations() -> dict[Name, frozenset[Name]]:
    """Return the migrations of the installed apps, and those that each replaces; read once."""
    nodes = MigrationLoader(None, ignore_no_migrations=True).graph.nodes
    return {name: frozenset(map(tuple, nodes[name].replaces)) for name in nodes}


examine_database_soon: Final = BoundedQuery(examine_database)


def _refuse(code: str, detail: str) -> HttpResponse:
    return JsonResponse(
        {"status": "unavailable", "detail": detail, "code": code},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )
