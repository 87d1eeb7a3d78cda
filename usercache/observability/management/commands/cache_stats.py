"""Show what the user cache did and how it is."""

import json
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from usercache.management.canvas import Canvas, open_canvas
from usercache.management.units import span_argument
from usercache.observability.sections import Section, Tone, describe
from usercache.observability.snapshot import (
    LONGEST_WINDOW_SECONDS,
    SHORTEST_WINDOW_SECONDS,
    Snapshot,
    as_json,
    take_snapshot,
)
from usercache.runtime import await_verdict

SHORTEST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 3600.0
MOST_USERS: Final = 100
INTERRUPTED: Final = 130  # the exit code that shells use for Ctrl-C

STYLES: Final = {Tone.GOOD: "green", Tone.WARNING: "yellow", Tone.BAD: "bold red"}
LABEL_WIDTH: Final = 16
BAR_WIDTH: Final = 10
WIDE: Final = 118  # columns from which on two sections stand side by side
LEFT_SECTIONS: Final = 4  # how many of them stand on the left
ROWS_SHOWN: Final = 12  # of a section; there may be a thousand processes


class Command(BaseCommand):
    """Show the metrics of all processes, once or again and again."""

    help = (
        "Shows what the user cache did, over all processes, and how it is. Exits with 0 when it is "
        "healthy, 1 when it is degraded, 2 when Redis can't be used."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what to show, and how."""
        add = parser.add_argument
        window = span_argument(SHORTEST_WINDOW_SECONDS, LONGEST_WINDOW_SECONDS)
        pause = span_argument(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        said = "look back so far: 60s to 2h by minutes, up to 2d by hours (default: 1h)"
        add("--window", type=window, default="1h", metavar="SPAN", help=said)
        add("--json", action="store_true", help="one JSON object per line, for programs")
        said = "show it again every so often until Ctrl-C (default: 2)"
        add("--watch", type=pause, nargs="?", const=2.0, metavar="SECONDS", help=said)
        said = "list so many users with the most hits, 0 to 100 (default: 5)"
        add("--top", type=_parse_top, default=5, metavar="N", help=said)

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it, and exit with the status."""
        canvas = open_canvas(options)
        await_verdict()

        def take() -> Snapshot:
            return take_snapshot(options["window"], options["top"])

        try:
            snapshot = take()
            if options["watch"] is None:
                _show(snapshot, canvas, as_lines=options["json"])
            else:
                snapshot = _watch(take, snapshot, canvas, options)
        except BrokenPipeError:  # the reader has had enough
            sys.stderr.close()  # or Python would complain of it, too
            return
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        if snapshot.status.exit_code:
            sys.exit(snapshot.status.exit_code)


def draw(snapshot: Snapshot, canvas: Canvas) -> RenderableType:
    """Return the dashboard for rich to print."""
    sections = [_draw_section(section, canvas) for section in describe(snapshot)]
    content: RenderableType = Group(*sections)
    if canvas.console.width >= WIDE:
        columns = Table.grid(expand=True, padding=(0, 2))
        columns.add_column(ratio=1)
        columns.add_column(ratio=1)
        columns.add_row(Group(*sections[:LEFT_SECTIONS]), Group(*sections[LEFT_SECTIONS:]))
        content = columns
    return Panel(content, box=box.ASCII if canvas.is_ascii else box.ROUNDED)


def _show(snapshot: Snapshot, canvas: Canvas, *, as_lines: bool) -> None:
    if as_lines:
        canvas.stream.write(json.dumps(as_json(snapshot)) + "\n")
    elif canvas.is_terminal:
        canvas.console.print(draw(snapshot, canvas))
    else:
        canvas.stream.write(
            "\n".join(_write_plain(section, canvas) for section in describe(snapshot))
        )
    canvas.stream.flush()


def _watch(
    take: Callable[[], Snapshot], snapshot: Snapshot, canvas: Canvas, options: dict[str, Any]
) -> Snapshot:
    is_drawn = canvas.is_terminal and not options["json"]
    live = Live(console=canvas.console, screen=True, auto_refresh=False)
    try:
        with live if is_drawn else nullcontext():
            while True:
                if is_drawn:
                    live.update(draw(snapshot, canvas), refresh=True)
                else:
                    _show(snapshot, canvas, as_lines=options["json"])
                time.sleep(options["watch"])
                close_old_connections()  # one that broke isn't replaced otherwise
                snapshot = take()
    except KeyboardInterrupt:
        return snapshot


def _write_plain(section: Section, canvas: Canvas) -> str:
    rows = (f"{row.label:<{LABEL_WIDTH}}  {row.text}" for row in section.rows)
    return "".join(f"{canvas.clean(line).rstrip()}\n" for line in (section.title, *rows))


def _draw_section(section: Section, canvas: Canvas) -> RenderableType:
    line, full, empty = ("-", "#", ".") if canvas.is_ascii else ("─", "█", "░")
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    for row in section.rows[:ROWS_SHOWN]:
        bar = Text("")
        if row.part is not None and not row.cells:
            filled = round(min(1.0, row.part) * BAR_WIDTH)
            bar = Text(full * filled, style="cyan")
            bar += Text(empty * (BAR_WIDTH - filled), style="dim")
        label = Text(canvas.clean(row.label), style="dim")
        table.add_row(label, Text(canvas.clean(row.text), style=STYLES.get(row.tone, "")), bar)
    if hidden := len(section.rows[ROWS_SHOWN:]):
        table.add_row("", Text(f"and {hidden:,} more", style="dim"), "")
    title = Text(section.title, style="bold")
    return Group(Rule(title, characters=line, style="dim", align="left"), table)


def _parse_top(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_USERS:
        raise ArgumentTypeError(f"'{text}' is out of range: a whole number from 0 to {MOST_USERS}.")
    return int(text)
