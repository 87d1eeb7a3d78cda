"""Show what the cache holds of one user, and what differs from the database."""

import sys
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError

from usercache.keys import IDENTIFIERS
from usercache.management.canvas import open_canvas
from usercache.management.inspection import UNREACHABLE, Inspection, find_pk, inspect_fully
from usercache.management.units import format_span
from usercache.runtime import await_verdict

LABEL_WIDTH = 14


class Command(BaseCommand):
    """Print the inspection; changes nothing."""

    help = (
        "Shows under which keys a user is cached, how old that is, and what differs from the "
        "database. Exits with 1 when anything does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user."""
        parser.add_argument(
            "user",
            help="an id, email, username or phone; or which of them it is: username:42",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print it.

        Raises:
            CommandError: there is no such user, or the database can't be asked.
        """
        canvas = open_canvas(options)
        await_verdict()
        try:
            pk = find_pk(options["user"])
            if pk is None:
                raise CommandError(
                    f"There is no user '{canvas.clean(options['user'])}'. Give an id, an email, a "
                    "username or a phone number."
                )
            inspection = inspect_fully(pk)
        except AnyDatabaseError as error:
            raise CommandError(f"The database can't be asked: {error}") from error
        for label, value in _lines(inspection):
            canvas.stream.write(canvas.clean(f"{label:<{LABEL_WIDTH}}{value}") + "\n")
        if inspection.differences:
            sys.exit(1)


def _lines(inspection: Inspection) -> Iterator[tuple[str, str]]:
    if inspection.row is None:
        yield "User", "none in the database"
    else:
        columns = (name for name in (*IDENTIFIERS, "is_active") if name in inspection.row)
        yield "User", ", ".join(f"{name} {inspection.row[name]}" for name in columns)
    state = inspection.state
    yield "Key", inspection.key
    yield "Holds", f"{state.state} ({state.backend})"
    if state.age_seconds is not None:
        yield "Age", format_span(state.age_seconds)
    if state.ttl_seconds is not None:
        yield "Runs out in", format_span(state.ttl_seconds)
    for pointer, pk in inspection.pointers.items():
        is_known = state.state != UNREACHABLE
        yield "Pointer", f"{pointer} -> {(pk or 'nothing') if is_known else UNREACHABLE}"
    if state.record is not None and not inspection.differences:
        yield "Differs", "in nothing"
    for field, cached, database in inspection.differences:
        yield "Differs", f"{field}: cached {cached!r}, database {database!r}"
