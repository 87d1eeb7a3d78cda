"""Numbers as text, tables as text and as Markdown."""

from collections.abc import Sequence
from typing import Final

from benchmarks.measurement import Spread
from benchmarks.outcome import Panel
from benchmarks.targets import Verdict

TARGET_HEADINGS: Final = ("", "measured", "", "target", "")
MET, MISSED = "met", "missed"
Table = Sequence[Sequence[str]]
"""Lines of cells; the first line is the headings."""


def format_all(value: float) -> str:
    """Return three digits that count: `1,234`, `12.3`, `0.0123`."""
    if value == 0:
        return "0"
    for bound, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if abs(value) >= bound:
            return f"{value:,.{digits}f}"
    return f"{value:.2g}"


def format_spread(spread: Spread) -> str:
    """Return the median, and the quartiles where they are something else: `12.3 (12.1-12.6)`."""
    middle, low, high = map(format_all, spread)
    return middle if low == high else f"{middle} ({low}-{high})"


def tabulate_panel(panel: Panel) -> Table:
    """Return a line for each row of the panel."""
    lines = [[panel.title, *panel.columns]]
    for row in panel.rows:
        found = [panel.find(row, column) for column in panel.columns]
        lines.append([row, *(format_spread(s.spread) if s else "" for s in found)])
    return lines


def tabulate_verdicts(verdicts: Sequence[Verdict]) -> Table:
    """Return a line for each target: what was measured, its quartiles, what it should be."""
    lines: list[Sequence[str]] = [TARGET_HEADINGS]
    for verdict in verdicts:
        middle, low, high = map(format_all, verdict.spread)
        quartiles = "" if low == high else f"{low}-{high}"
        target = verdict.target.format_all()
        lines.append((verdict.name, middle, quartiles, target, MET if verdict.is_met else MISSED))
    return lines


def format_table(table: Table) -> str:
    """Return the lines in columns, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )


def format_markdown(table: Table) -> str:
    """Return the lines as a table of Markdown."""
    headings, *lines = table
    rule = ["---", *(["--:"] * (len(headings) - 1))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, rule, *lines))
