"""Load users into Redis: after it was emptied, or before a busy hour."""

import datetime
import sys
import time
from argparse import ArgumentTypeError
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError
from django.utils import timezone

from usercache.backends.base import UnavailableError
from usercache.codec import get_codec
from usercache.management.canvas import Canvas, open_canvas
from usercache.management.units import span_argument
from usercache.management.warming import LAST_LOGIN, Progress, Warmer, find_activity_fields
from usercache.runtime import await_verdict, get_store

LARGEST_BATCH = 5000
INTERRUPTED = 130
SAY_EVERY_SECONDS = 5.0
"""Where there is no terminal whose line could be written over."""


class Command(BaseCommand):
    """Warm in batches, and report the progress."""

    help = (
        "Loads users from the database into Redis in batches. Cached users are left alone. "
        "--resume continues an interrupted warming, for a day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take which users, and how many at a time."""
        parser.add_argument(
            "--active-since",
            type=span_argument(),
            metavar="SPAN",
            help="only users with a registration or log-in in this time, as in 12h or 30d",
        )
        parser.add_argument(
            "--limit",
            type=_count,
            metavar="N",
            help="only the N users with the most recent registration or log-in",
        )
        parser.add_argument(
            "--batch",
            type=_batch,
            default=500,
            metavar="N",
            help=f"users loaded at a time, 1 to {LARGEST_BATCH} (default: 500)",
        )
        parser.add_argument("--resume", action="store_true", help="continue an interrupted warming")

    def handle(self, *args: Any, **options: Any) -> None:
        """Warm.

        Raises:
            CommandError: there is nothing to fill or to resume, or Redis or the database fails.
        """
        canvas = open_canvas(options, stream=options.get("stderr") or sys.stderr)
        store, codec = get_store(), get_codec()
        if store.redis is None:
            raise CommandError("There is no Redis to warm: set REDIS_URL.")
        await_verdict()
        warmer = Warmer(store, store.redis, codec, batch_size=options["batch"])
        began, progress = time.monotonic(), None
        try:
            progress = _begin(warmer, options)
            progress = _run(warmer, progress, canvas)
        except (UnavailableError, AnyDatabaseError) as error:
            what = "Redis" if isinstance(error, UnavailableError) else "The database"
            begun = "Nothing was warmed." if progress is None else "--resume goes on from here."
            raise CommandError(f"{what} failed. {begun}") from error
        except KeyboardInterrupt:
            self.stderr.write("Broken off. --resume goes on from here.")
            sys.exit(INTERRUPTED)
        seconds = time.monotonic() - began
        self.stdout.write(
            f"Warmed {progress.filled:,} of {progress.seen:,} users in {seconds:.1f} s; "
            f"{progress.seen - progress.filled:,} were cached already, or being written."
        )


def _begin(warmer: Warmer, options: dict[str, Any]) -> Progress:
    if options["resume"]:
        if options["active_since"] is not None or options["limit"] is not None:
            raise CommandError("--resume goes on with the same users; leave the other options off.")
        saved = warmer.load_progress()
        if saved is None:
            raise CommandError("There is nothing to resume: begin without --resume.")
        return saved
    since = None
    if options["active_since"] is not None:
        since = timezone.now() - datetime.timedelta(seconds=options["active_since"])
    if since is not None or options["limit"] is not None:
        _require_activity_fields()
    return warmer.plan(since, options["limit"])


def _run(warmer: Warmer, begun: Progress, canvas: Canvas) -> Progress:
    reached, said_at = begun, time.monotonic()
    for reached in warmer.run(begun):
        # There may be more of them than when it began.
        said = f"{reached.seen:,} of {max(reached.total, reached.seen):,} users"
        if canvas.is_terminal:
            canvas.stream.write(f"\r{said}")
        elif time.monotonic() - said_at >= SAY_EVERY_SECONDS:
            canvas.stream.write(f"{said}\n")
            said_at = time.monotonic()
        canvas.stream.flush()
    if canvas.is_terminal:
        canvas.stream.write("\n")
    return reached


def _require_activity_fields() -> None:
    if not find_activity_fields(get_user_model()):
        raise CommandError(
            f"The user model has neither {LAST_LOGIN} nor a moment of registration: leave "
            "--active-since and --limit off."
        )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is no number from 1 up.")
    return int(text)


def _batch(text: str) -> int:
    if _count(text) > LARGEST_BATCH:
        raise ArgumentTypeError(f"'{text}' is more than {LARGEST_BATCH}.")
    return int(text)
