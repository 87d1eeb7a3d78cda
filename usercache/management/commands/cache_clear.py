"""Invalidate some users, or all."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError

from usercache.management.canvas import open_canvas
from usercache.management.clearing import clear_all_users, clear_users
from usercache.management.inspection import find_pk
from usercache.runtime import await_verdict


class Command(BaseCommand):
    """Invalidate as a write would, so that nothing older can come back."""

    help = (
        "Invalidates the users given, or all of them; their next look-up comes from the database. "
        "While Redis can't be reached, the invalidation goes into the outbox."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the users to invalidate."""
        users = parser.add_mutually_exclusive_group(required=True)
        users.add_argument(
            "--user",
            action="append",
            metavar="USER",
            help="an id, email, username or phone; may be given more than once",
        )
        users.add_argument("--all", action="store_true", help="every user")
        parser.add_argument(
            "--no-input", "--noinput", action="store_true", help="do it without asking"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, do it and say what was done.

        Raises:
            CommandError: there is no such user, nobody to ask, or the database can't be asked.
        """
        canvas = open_canvas(options)
        await_verdict()
        try:
            if options["all"]:
                self._confirm("Forget all users? Each will be loaded from the database.", options)
                done = clear_all_users()
            else:
                pks = [_find(text) for text in options["user"]]
                named = ", ".join(f"user:id:{pk}" for pk in pks)
                self._confirm(f"Forget {named}?", options)
                done = clear_users(pks)
        except AnyDatabaseError as error:
            raise CommandError(f"The database can't be asked: {error}") from error
        canvas.stream.write(canvas.clean(done) + "\n")

    def _confirm(self, question: str, options: dict[str, Any]) -> None:
        if options["no_input"]:
            return
        if not sys.stdin.isatty():
            raise CommandError("There is nobody to ask: add --no-input to do it all the same.")
        if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was done.")


def _find(text: str) -> Any:
    pk = find_pk(text)
    if pk is None:
        raise CommandError(
            f"There is no user '{text}'. Give an id, an email, a username or a phone number."
        )
    return pk
