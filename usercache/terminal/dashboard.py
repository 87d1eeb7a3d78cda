"""The sections of a snapshot drawn in a terminal with rich, or written as plain lines."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from usercache.report import Snapshot
from usercache.report.sections import Section, Tone, describe
from usercache.terminal.canvas import Canvas

STYLES: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WARNING: "yellow",
    Tone.BAD: "bold red",
}
LABEL_WIDTH: Final = 16
BAR_WIDTH: Final = 20
WIDE: Final = 118
"""Columns from which on two sections stand side by side."""
LEFT_SECTIONS: Final = 4
"""How many of them stand on the left."""
PROCESSES_SHOWN: Final = 12


def draw(snapshot: Snapshot, canvas: Canvas) -> RenderableType:
    """Return the dashboard for rich to print."""
    sections = describe(snapshot)
    if canvas.console.width >= WIDE:
        columns = Table.grid(expand=True, padding=(0, 2))
        columns.add_column(ratio=1)
        columns.add_column(ratio=1)
        columns.add_row(
            Group(*_draw_sections(sections[:LEFT_SECTIONS], canvas)),
            Group(*_draw_sections(sections[LEFT_SECTIONS:], canvas)),
        )
        content: RenderableType = columns
    else:
        content = Group(*_draw_sections(sections, canvas))
    return Panel(content, box=box.ASCII if canvas.is_ascii else box.ROUNDED)


def write_plain(snapshot: Snapshot, canvas: Canvas) -> str:
    """Return the same as lines of a label and a value, without anything drawn."""
    lines: list[str] = []
    for section in describe(snapshot):
        lines += ["", canvas.clean(section.title)] if lines else [canvas.clean(section.title)]
        lines += [
            canvas.clean(f"{row.label:<{LABEL_WIDTH}}  {row.value}").rstrip()
            for row in section.rows
        ]
    return "\n".join(lines) + "\n"


def _draw_sections(sections: Sequence[Section], canvas: Canvas) -> Iterator[RenderableType]:
    line = "-" if canvas.is_ascii else "─"
    for section in sections:
        yield Rule(Text(section.title, style="bold"), characters=line, style="dim", align="left")
        yield _draw_rows(section, canvas)


def _draw_rows(section: Section, canvas: Canvas) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=LABEL_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True)
    for row in section.rows[:PROCESSES_SHOWN]:
        table.add_row(
            Text(canvas.clean(row.label), style="dim"),
            Text(canvas.clean(row.value), style=STYLES[row.tone]),
            _draw_bar(row.part, canvas),
        )
    if len(section.rows) > PROCESSES_SHOWN:
        hidden = len(section.rows) - PROCESSES_SHOWN
        table.add_row("", Text(f"and {hidden:,} more", style="dim"), "")
    return table


def _draw_bar(part: float | None, canvas: Canvas) -> Text:
    if part is None:
        return Text("")
    filled = round(min(1.0, part) * BAR_WIDTH)
    full, empty = ("#", ".") if canvas.is_ascii else ("█", "░")
    return Text(full * filled, style="cyan") + Text(empty * (BAR_WIDTH - filled), style="dim")
