"""Whether to leave this process alive, and whether to send it work: for whoever balances the load.

Open to everybody, and saying no more than that; what the cache does is at `/health/cache`.
"""

from functools import cache
from http import HTTPStatus
from typing import Final

from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse

from usercache.bounded import BoundedQuery
from usercache.monitoring.answers import reads_only
from usercache.monitoring.views import get_backlog_soon
from usercache.report import SHORTEST_WINDOW_SECONDS, Status, take_snapshot

Name = tuple[str, str]
"""An app and one of its migrations."""


@reads_only
def show_life(_request: HttpRequest) -> HttpResponse:
    """Answer `GET /health/live`, and ask nobody: a restart mends no database."""
    return JsonResponse({"status": "ok"})


@reads_only
def show_readiness(_request: HttpRequest) -> HttpResponse:
    """Answer `GET /health/ready`: 200 `ok`, or `degraded` without Redis; 503 without database.

    Also 503 while migrations are to be applied. It takes a second at most, plus Redis' timeout.
    """
    try:
        unapplied = count_unapplied_soon()
    except AnyDatabaseError:
        return _refuse("database_unavailable", "The database can't be asked.")
    if unapplied:
        return _refuse(
            "migrations_unapplied",
            f"The database lacks {unapplied} migrations of this code: run manage.py migrate.",
        )
    snapshot = take_snapshot(SHORTEST_WINDOW_SECONDS, top=0, get_backlog=get_backlog_soon)
    status = "ok" if snapshot.status is Status.HEALTHY else "degraded"
    return JsonResponse({"status": status, "database": "ok", "cache": snapshot.status.value})


def count_unapplied() -> int:
    """Count the migrations that the database hasn't had. Two queries."""
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


count_unapplied_soon: Final = BoundedQuery(count_unapplied)


def _refuse(code: str, detail: str) -> HttpResponse:
    return JsonResponse(
        {"status": "unavailable", "detail": detail, "code": code},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )
