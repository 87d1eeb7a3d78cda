"""Fill the shared cache before users ask: after Redis was emptied, or before a busy hour."""

import datetime
import sys
import time
from argparse import ArgumentTypeError
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError
from django.utils import timezone
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usercache.codec import get_codec
from usercache.guard import UnavailableError
from usercache.process import get_store
from usercache.report.units import parse_span
from usercache.terminal.canvas import Canvas, open_canvas
from usercache.warming import LAST_LOGIN, Warmer
from usercache.warming import Progress as WarmingProgress

LARGEST_BATCH = 5000
INTERRUPTED = 130
SAY_EVERY_SECONDS = 5.0
"""Where there is no terminal to draw a bar in."""


class Command(BaseCommand):
    """Warm in batches, and say how far that is."""

    help = (
        "Loads users from the database into Redis in batches. Who is cached already stays as he "
        "is. What was broken off goes on with --resume, for a day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whom, and how many at a time."""
        parser.add_argument(
            "--active-since",
            type=_span,
            metavar="SPAN",
            help="only who logged in so lately, as in 12h or 30d",
        )
        parser.add_argument(
            "--limit", type=_count, metavar="N", help="only the N who logged in last"
        )
        parser.add_argument(
            "--batch",
            type=_batch,
            default=500,
            metavar="N",
            help=f"users loaded at a time, 1 to {LARGEST_BATCH} (default: 500)",
        )
        parser.add_argument(
            "--resume", action="store_true", help="go on where the last one was broken off"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Warm.

        Raises:
            CommandError: there is nothing to fill or to resume, or Redis or the database fails.
        """
        canvas = open_canvas(options, stream=options.get("stderr") or sys.stderr)
        store, codec = get_store(), get_codec()
        if store.shared is None:
            raise CommandError("There is no Redis to warm: set REDIS_URL.")
        warmer = Warmer(store.shared, codec, store.stats, batch_size=options["batch"])
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


def _begin(warmer: Warmer, options: dict[str, Any]) -> WarmingProgress:
    if options["resume"]:
        if options["active_since"] is not None or options["limit"] is not None:
            raise CommandError("--resume goes on with whom it began; leave the other options off.")
        saved = warmer.load_progress()
        if saved is None:
            raise CommandError("There is nothing to resume: begin anew, without --resume.")
        return saved
    since = None
    if options["active_since"] is not None:
        since = timezone.now() - datetime.timedelta(seconds=options["active_since"])
    if since is not None or options["limit"] is not None:
        _require_last_login()
    return warmer.plan(since, options["limit"])


def _run(warmer: Warmer, begun: WarmingProgress, canvas: Canvas) -> WarmingProgress:
    columns = (TextColumn("Warming"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    reached, said_at = begun, time.monotonic()
    draws = canvas.is_terminal and not canvas.is_ascii
    with Progress(*columns, console=canvas.console, disable=not draws) as bar:
        task = bar.add_task("", total=begun.total, completed=begun.seen)
        for reached in warmer.run(begun):
            # There may be more of them than when it began.
            bar.update(task, completed=reached.seen, total=max(begun.total, reached.seen))
            if not draws and time.monotonic() - said_at >= SAY_EVERY_SECONDS:
                canvas.stream.write(f"{reached.seen:,} of {reached.total:,} users\n")
                canvas.stream.flush()
                said_at = time.monotonic()
    return reached


def _require_last_login() -> None:
    try:
        get_user_model()._meta.get_field(LAST_LOGIN)
    except FieldDoesNotExist:
        raise CommandError(
            f"The user model has no {LAST_LOGIN}: leave --active-since and --limit off."
        ) from None


def _span(text: str) -> float:
    try:
        return parse_span(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"'{text}' is no number from 1 up.")
    return int(text)


def _batch(text: str) -> int:
    if _count(text) > LARGEST_BATCH:
        raise ArgumentTypeError(f"'{text}' is more than {LARGEST_BATCH}.")
    return int(text)
