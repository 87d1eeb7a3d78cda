"""What one part of the benchmark found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.measurement import Series
from benchmarks.targets import Verdict


@dataclass
class Panel:
    """Measurements that are shown side by side: rows are contenders, columns what was measured."""

    title: str
    """As in `One look-up, µs`."""
    series: list[Series] = field(default_factory=list)

    @property
    def rows(self) -> list[str]:
        """The contenders, in order of appearance."""
        return list(dict.fromkeys(series.row for series in self.series))

    @property
    def columns(self) -> list[str]:
        """What, in order of appearance."""
        return list(dict.fromkeys(series.column for series in self.series))

    def add(self, row: str, column: str, values: Sequence[float]) -> Series:
        """Add one measurement's rounds, and return them."""
        series = Series(row, column, tuple(values))
        self.series.append(series)
        return series

    def find(self, row: str, column: str) -> Series | None:
        """Return the measurement; None where it was not measured."""
        return next((s for s in self.series if (s.row, s.column) == (row, column)), None)

    def get(self, row: str, column: str) -> Series:
        """Return the measurement. Raises: KeyError where it was not measured."""
        found = self.find(row, column)
        if found is None:
            raise KeyError((row, column))
        return found


@dataclass
class Outcome:
    """One part's measurements, what they mean for the targets, and how they came about."""

    name: str
    title: str
    panels: list[Panel] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    remarks: str = ""
    """How it was measured, and what else must be known to read it: a list in Markdown."""

    def as_json(self) -> dict[str, Any]:
        """Name all of it."""
        return {
            "title": self.title,
            "remarks": self.remarks,
            "panels": [
                {"title": panel.title, "series": [series.as_json() for series in panel.series]}
                for panel in self.panels
            ],
        }
