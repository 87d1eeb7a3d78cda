"""The files of a run: measurements, plots, and a page that shows them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.charts.parts import DRAWINGS
from benchmarks.charts.style import house_style, save
from benchmarks.errors import BenchmarkError
from benchmarks.outcome import Outcome
from benchmarks.page import format_page, format_part

PAGE: Final = "README.md"
BEGIN: Final = "<!-- figures: begin -->\n"
END: Final = "<!-- figures: end -->\n"


def write(
    folder: Path, machine: Mapping[str, str], outcomes: Sequence[Outcome], command: str
) -> None:
    """Write `results.json`, `README.md` and a plot per part."""
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    results = {
        "machine": dict(machine),
        "targets": [verdict.as_json() for verdict in verdicts],
        "parts": {outcome.name: outcome.as_json() for outcome in outcomes},
    }
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (folder / "results.json").write_text(f"{text}\n")
    with house_style():
        for outcome in outcomes:
            save(DRAWINGS[outcome.name](outcome), folder / f"{outcome.name}.svg")
    (folder / PAGE).write_text(format_page(machine, outcomes, command))


def update_page(page: Path, machine: Mapping[str, str], outcome: Outcome, command: str) -> None:
    """Put one part's figures into a page of the documentation, in place of those of before."""
    replace_figures(page, format_part(machine, outcome, command))


def replace_figures(page: Path, figures: str) -> None:
    """Put figures into a page, between the comments that say where.

    Raises: BenchmarkError if it has none.
    """
    before, begin, rest = page.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise BenchmarkError(f"{page} has no place for figures: put {BEGIN + END} into it.")
    page.write_text(f"{before}{begin}\n{figures}\n\n{end}{after}")
