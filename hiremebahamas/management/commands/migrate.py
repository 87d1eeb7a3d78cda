"""`manage.py migrate`: Django's own, without bounds on its statements."""

from contextlib import ExitStack
from typing import Any

from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

from hiremebahamas.postgresql.base import DatabaseWrapper


class Command(MigrateCommand):
    """Migrate without bounds: an index of a large table takes minutes, and no request waits."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, without the bounds that requests and other commands have."""
        connection = connections[options["database"]]
        with ExitStack() as stack:
            if isinstance(connection, DatabaseWrapper) and not connection.in_atomic_block:
                stack.enter_context(connection.unbounded())
            super().handle(*args, **options)
