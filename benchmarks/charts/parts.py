"""Each part's plot."""

from collections.abc import Callable
from typing import Final

from matplotlib.figure import Figure

from benchmarks.charts.bars import draw_bars, draw_groups
from benchmarks.charts.lines import draw_lines
from benchmarks.charts.style import make_axes
from benchmarks.outcome import Outcome


def draw_lookups(outcome: Outcome) -> Figure:
    """Draw the ways to a user, the quickest first."""
    figure, [axes] = make_axes(1, inches=(8, 3.6))
    [panel] = outcome.panels
    draw_bars(axes, panel, "µs", title="One look-up, µs (logarithmic)", is_log=True)
    return figure


def draw_http(outcome: Outcome) -> Figure:
    """Draw requests per second, for one worker process and for two."""
    panels = [panel for panel in outcome.panels if panel.title.startswith("Requests/s")]
    figure, both = make_axes(len(panels), inches=(5 * len(panels), 3.8))
    for axes, panel in zip(both, panels, strict=True):
        draw_groups(axes, panel, title=panel.title)
        axes.set_xticks(range(len(panel.columns)), [_shorten(name) for name in panel.columns])
    handles, labels = both[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 * len(panels), frameon=False)
    return figure


def draw_load(outcome: Outcome) -> Figure:
    """Draw how often the database is asked, and how much is seen too late."""
    figure, [queries, stale] = make_axes(2, inches=(10, 2.8))
    [panel] = outcome.panels
    column = "queries per 1,000 requests"
    draw_bars(queries, panel, column, title="Queries per 1,000 requests")
    draw_bars(stale, panel, "stale per million", title="Stale reads per million")
    stale.set_yticks([])
    return figure


def draw_growth(outcome: Outcome) -> Figure:
    """Draw sizes and times over the number of users, and rates over that of processes."""
    figure, [sizes, speed, crowd] = make_axes(3, inches=(12, 4.2))
    bytes_panel, speed_panel, crowd_panel = outcome.panels
    draw_groups(sizes, bytes_panel, title=bytes_panel.title)
    draw_lines(speed, speed_panel, title=f"{speed_panel.title} (logarithmic)")
    draw_lines(crowd, crowd_panel, title=f"{crowd_panel.title} (logarithmic)")
    crowd.set_xlabel("processes")
    for axes, panel in ((sizes, bytes_panel), (speed, speed_panel), (crowd, crowd_panel)):
        axes.set_xticks(range(len(panel.columns)), [_shorten(name) for name in panel.columns])
        axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure


def draw_deactivations(outcome: Outcome) -> Figure:
    """Draw how long a deactivated user is still let in, and how many are at all."""
    figure, [after, stale] = make_axes(2, inches=(10, 2.2))
    panel, _ = outcome.panels
    draw_bars(after, panel, "after the response, p99", title="Let in after the response, ms, p99")
    draw_bars(stale, panel, "stale", title="Let in after the response at all")
    stale.set_yticks([])
    return figure


def draw_renewal(outcome: Outcome) -> Figure:
    """Draw what hits, and what waits."""
    figure, [hits, waits] = make_axes(2, inches=(10, 2.2))
    [panel] = outcome.panels
    draw_bars(hits, panel, "hits, %", title="Hits, %")
    draw_bars(waits, panel, "p99, ms", title="p99 of a look-up, ms")
    hits.set_yticks([])
    return figure


def draw_writes(outcome: Outcome) -> Figure:
    """Draw what a save costs."""
    figure, [axes] = make_axes(1, inches=(8, 2.2))
    [panel] = outcome.panels
    draw_bars(axes, panel, "µs", title=panel.title)
    return figure


def draw_endpoints(outcome: Outcome) -> Figure:
    """Draw what each endpoint takes, and where the time of a warm request goes."""
    endpoints = outcome.panels[0]
    layers = next(panel for panel in outcome.panels if panel.title.startswith("A warm request"))
    figure, [costs, parts] = make_axes(2, inches=(12, 4.2))
    draw_bars(
        costs, endpoints, "CPU, µs", title="CPU of one request, µs (logarithmic)", is_log=True
    )
    draw_bars(parts, layers, layers.columns[0], title=f"{layers.columns[0]}, by layer, µs")
    return figure


def draw_overload(outcome: Outcome) -> Figure:
    """Draw what is served at four times the capacity, and how soon."""
    figure, [served, waits] = make_axes(2, inches=(10, 2.2))
    [panel] = outcome.panels
    draw_bars(served, panel, "ok, /s", title="Served at four times the capacity, /s")
    draw_bars(waits, panel, "ok, p99 ms", title="Their p99, ms")
    waits.set_yticks([])
    return figure


def draw_capacity(outcome: Outcome) -> Figure:
    """Draw the processor time of one request, at each of the servers."""
    panel = outcome.panels[0]
    figure, all_axes = make_axes(len(panel.columns[:3]), inches=(12, 3.2))
    for axes, column in zip(all_axes, panel.columns[:3], strict=True):
        draw_bars(axes, panel, column, title=column)
    for axes in all_axes[1:]:
        axes.set_yticks([])
    return figure


DRAWINGS: Final[dict[str, Callable[[Outcome], Figure]]] = {
    "lookups": draw_lookups,
    "http": draw_http,
    "endpoints": draw_endpoints,
    "load": draw_load,
    "growth": draw_growth,
    "deactivations": draw_deactivations,
    "renewal": draw_renewal,
    "writes": draw_writes,
    "overload": draw_overload,
    "capacity": draw_capacity,
}


def _shorten(column: str) -> str:
    return column.replace(",000,000", " M").replace(",000", " k").partition(" process")[0]
