"""Show what the user cache did and how it is."""

import json
import sys
import time
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.live import Live

from usercache.report import Snapshot, as_json, parse_window, take_snapshot
from usercache.report.units import parse_span
from usercache.terminal.canvas import Canvas, open_canvas
from usercache.terminal.dashboard import draw, write_plain

SHORTEST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 3600.0
MOST_USERS = 100
INTERRUPTED = 130
"""What shells use for Ctrl-C."""


class Command(BaseCommand):
    """Show the figures of all processes, once or again and again."""

    help = (
        "Shows what the user cache did, over all processes, and how it is. Exits with 0 when it is "
        "healthy, 1 when it is degraded, 2 when Redis can't be used."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to show, and how."""
        parser.add_argument(
            "--window",
            type=_window,
            default="1h",
            metavar="SPAN",
            help="look back so far: 60s to 2h by minutes, up to 2d by hours (default: 1h)",
        )
        parser.add_argument(
            "--json", action="store_true", help="one JSON object per line, for programs"
        )
        parser.add_argument(
            "--watch",
            type=_pause,
            nargs="?",
            const=2.0,
            metavar="SECONDS",
            help="show it again every so often until Ctrl-C (default: 2)",
        )
        parser.add_argument(
            "--top",
            type=_top,
            default=5,
            metavar="N",
            help="list so many users with the most hits, 0 to 100 (default: 5)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it, and exit with the status."""
        canvas = open_canvas(options)
        try:
            snapshot = take_snapshot(options["window"], options["top"])
            if options["watch"] is None:
                _show(snapshot, canvas, options)
            else:
                snapshot = _watch(snapshot, canvas, options)
        except BrokenPipeError:  # whoever read has had enough
            sys.stderr.close()  # or Python would complain of it, too
            return
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        if snapshot.status.exit_code:
            sys.exit(snapshot.status.exit_code)


def _show(snapshot: Snapshot, canvas: Canvas, options: dict[str, Any]) -> None:
    if options["json"]:
        canvas.stream.write(json.dumps(as_json(snapshot)) + "\n")
    elif canvas.is_terminal:
        canvas.console.print(draw(snapshot, canvas))
    else:
        canvas.stream.write(write_plain(snapshot, canvas))
    canvas.stream.flush()


def _watch(snapshot: Snapshot, canvas: Canvas, options: dict[str, Any]) -> Snapshot:
    try:
        if options["json"] or not canvas.is_terminal:
            while True:
                _show(snapshot, canvas, options)
                time.sleep(options["watch"])
                snapshot = take_snapshot(options["window"], options["top"])
        with Live(
            draw(snapshot, canvas), console=canvas.console, screen=True, auto_refresh=False
        ) as live:
            while True:
                time.sleep(options["watch"])
                snapshot = take_snapshot(options["window"], options["top"])
                live.update(draw(snapshot, canvas), refresh=True)
    except KeyboardInterrupt:
        return snapshot


def _window(text: str) -> float:
    try:
        return parse_window(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _pause(text: str) -> float:
    try:
        seconds = parse_span(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    if not SHORTEST_PAUSE_SECONDS <= seconds <= LONGEST_PAUSE_SECONDS:
        raise ArgumentTypeError(f"'{text}' is out of range: 0.5s to 1h.")
    return seconds


def _top(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_USERS:
        raise ArgumentTypeError(f"'{text}' is out of range: a whole number from 0 to {MOST_USERS}.")
    return int(text)
