"""`manage.py migrate` takes as long as it takes."""

from typing import Any, cast

import pytest
from django.core.management import call_command
from django.db import connection as any_connection
from django.db import transaction
from django.db.models.signals import pre_migrate

from hiremebahamas.postgresql.base import DatabaseWrapper

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")
connection = cast(DatabaseWrapper, any_connection)


def read_bounds() -> dict[str, object]:
    bounds: dict[str, object] = {"ours": connection.gate.bounds.seconds}
    with transaction.atomic(), connection.cursor() as cursor:
        for name in TIMEOUTS:
            cursor.execute(f"SHOW {name}")
            [bounds[name]] = cursor.fetchone()
    return bounds


def test_no_statement_of_migrate_is_cancelled() -> None:
    """Neither by the server nor by us; afterwards all is as before."""
    before, seen = read_bounds(), list[dict[str, object]]()

    def look(**_kwargs: Any) -> None:
        seen.append(read_bounds())

    pre_migrate.connect(look)
    try:
        call_command("migrate", verbosity=0)
    finally:
        pre_migrate.disconnect(look)
    assert seen
    assert all(bounds == {"ours": None} | dict.fromkeys(TIMEOUTS, "0") for bounds in seen)
    assert read_bounds() == before
    assert "0" not in before.values()
