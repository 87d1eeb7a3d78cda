"""Bars with quartiles and numbers beside them."""

from typing import Final

from matplotlib.axes import Axes

from benchmarks.charts.style import GREY, INK, choose_colours, is_ours
from benchmarks.formatting import format_all
from benchmarks.measurement import Spread
from benchmarks.outcome import Panel

POINTS_BESIDE: Final = 5
GROUP_WIDTH: Final = 0.84
WHISKERS: Final = {"ecolor": INK, "elinewidth": 1.2, "capsize": 2.5}


def draw_bars(axes: Axes, panel: Panel, column: str, *, title: str, is_log: bool = False) -> None:
    """Draw a bar across for each row, the panel's order from top to bottom."""
    found = [s for row in panel.rows if (s := panel.find(row, column)) is not None]
    colours = choose_colours([series.row for series in found])
    places = range(len(found))
    bars = axes.barh(
        places,
        [series.spread.median for series in found],
        xerr=_whiskers([series.spread for series in found]),
        color=[colours[s.row] if is_ours(s.row) else GREY for s in found],
        error_kw=WHISKERS,
    )
    axes.set_yticks(places, [series.row for series in found])
    axes.invert_yaxis()
    for label, series in zip(axes.get_yticklabels(), found, strict=True):
        label.set_fontweight("bold" if is_ours(series.row) else "normal")
    for bar, series in zip(bars, found, strict=True):
        axes.annotate(
            format_all(series.spread.median),
            (max(series.spread.high, bar.get_width()), bar.get_y() + bar.get_height() / 2),
            xytext=(POINTS_BESIDE, 0),
            textcoords="offset points",
            verticalalignment="center",
            fontweight="bold" if is_ours(series.row) else "normal",
        )
    axes.margins(x=0.12)
    if is_log:
        axes.set_xscale("log")
        axes.set_xlim(left=1)
    axes.set_title(title)
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([], minor=False)
    axes.set_xticks([], minor=True)
    axes.spines["bottom"].set_visible(False)


def draw_groups(axes: Axes, panel: Panel, *, title: str) -> None:
    """Draw a group of upright bars for each column, a bar for each row."""
    colours = choose_colours(panel.rows)
    width = GROUP_WIDTH / len(panel.rows)
    for number, row in enumerate(panel.rows):
        shift = (number - (len(panel.rows) - 1) / 2) * width
        found = {
            place: series.spread
            for place, column in enumerate(panel.columns)
            if (series := panel.find(row, column)) is not None
        }
        axes.bar(
            [place + shift for place in found],
            [spread.median for spread in found.values()],
            width * 0.94,
            yerr=_whiskers(list(found.values())),
            color=colours[row],
            label=row,
            error_kw=WHISKERS,
        )
        for place, spread in found.items():
            axes.annotate(
                format_all(spread.median),
                (place + shift, spread.high),
                xytext=(0, POINTS_BESIDE - 2),
                textcoords="offset points",
                horizontalalignment="center",
                fontsize=7.5,
                fontweight="bold" if is_ours(row) else "normal",
            )
    axes.set_xticks(range(len(panel.columns)), panel.columns)
    axes.set_title(title)
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _whiskers(spreads: list[Spread]) -> list[list[float]]:
    return [
        [spread.median - spread.low for spread in spreads],
        [spread.high - spread.median for spread in spreads],
    ]
