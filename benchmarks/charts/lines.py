"""Lines over sizes, each with its name at its end."""

from typing import Final

from matplotlib.axes import Axes

from benchmarks.charts.style import choose_colours, is_ours
from benchmarks.formatting import format_all
from benchmarks.outcome import Panel

POINTS_BESIDE: Final = 6


def draw_lines(axes: Axes, panel: Panel, *, title: str) -> None:
    """Draw a line for each row over the columns, on a logarithmic scale, numbers at its points."""
    colours = choose_colours(panel.rows)
    for row in panel.rows:
        found = {
            place: series.spread
            for place, column in enumerate(panel.columns)
            if (series := panel.find(row, column)) is not None
        }
        places, spreads = list(found), list(found.values())
        axes.plot(
            places,
            [spread.median for spread in spreads],
            color=colours[row],
            marker="o",
            markersize=4,
            linewidth=2,
            label=row,
        )
        axes.fill_between(
            places,
            [spread.low for spread in spreads],
            [spread.high for spread in spreads],
            color=colours[row],
            alpha=0.25,
            linewidth=0,
        )
        for place, spread in found.items():
            axes.annotate(
                format_all(spread.median),
                (place, spread.high),
                xytext=(0, POINTS_BESIDE),
                textcoords="offset points",
                horizontalalignment="center",
                color=colours[row],
                fontsize=8,
                fontweight="bold" if is_ours(row) else "normal",
            )
    axes.set_xticks(range(len(panel.columns)), panel.columns)
    axes.margins(x=0.12, y=0.2)
    axes.set_yscale("log")
    axes.set_title(title)
    axes.set_yticks([], minor=False)
    axes.set_yticks([], minor=True)
    axes.spines["left"].set_visible(False)
