"""The files of a run: measurements, plots, and a page that shows them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.charts.parts import DRAWINGS
from benchmarks.charts.style import house_style, save
from benchmarks.outcome import Outcome
from benchmarks.page import format_page

PAGE: Final = "README.md"


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
