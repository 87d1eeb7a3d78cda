"""How all plots look: no background, and colours that can be seen on white and on black."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#768390"
"""Of all text and lines; about as far from white as from a dark page's black."""
OURS: Final = {"miss": "#a5c8f0", "Redis": "#6cabf7", "": "#2f81f7"}
"""By what is in the name: the farther away the answer, the paler."""
GREY: Final = "#8f8a84"
OTHERS: Final = (GREY, "#c9803f", "#a8749c", "#6f9a6a", "#b7a14e", "#7d8fb3")
OUR_NAME: Final = "usercache"

_PARAMETERS: Final[dict[Any, Any]] = {
    # Text stays text: small files, and a changed number changes a line of them.
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save within this."""
    with mpl.rc_context(_PARAMETERS):
        yield


def make_axes(columns: int, *, inches: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Make one row of plots."""
    figure = Figure(figsize=inches, layout="constrained")
    return figure, [figure.add_subplot(1, columns, number + 1) for number in range(columns)]


def choose_colours(rows: list[str]) -> dict[str, str]:
    """Give each row its colour: blue for ours, something else for the others."""
    others = cycle(OTHERS)
    return {row: _choose_blue(row) if is_ours(row) else next(others) for row in rows}


def is_ours(row: str) -> bool:
    """Say whether the row is a measurement of usercache's."""
    return row.startswith(OUR_NAME)


def save(figure: Figure, path: Path) -> None:
    """Write a file that differs from the last run's in its numbers only."""
    figure.savefig(path, transparent=True, metadata={"Date": None})


def _choose_blue(row: str) -> str:
    return next(blue for part, blue in OURS.items() if part in row)
