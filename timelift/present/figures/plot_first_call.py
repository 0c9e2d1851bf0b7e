"""What the first call costs, tracing and compiling included, against every call after it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.stats.absolute_times import FirstCall
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case
from timelift.present.figures.facets import columns_for, described, panels
from timelift.present.figures.logscale import limits, scale_x, scale_y, ticks
from timelift.present.figures.panels import Panel, Sheet, dotted, legend_order, name_axes
from timelift.present.figures.plot_fastest import key, titled
from timelift.present.figures.style import Theme
from timelift.present.units import Unit, unit_for

#: The smallest and the largest dot, in square points.
_SMALL, _LARGE = 16.0, 64.0
#: A first call that costs as much as this many calls.
_CALLS = {10: "10", 100: "100", 1_000: "1k", 10_000: "10k", 100_000: "100k"}

FirstCalls = Mapping[Case, FirstCall]


def first_call(rankings: Sequence[Ranking], first: FirstCalls, theme: Theme) -> Figure | None:
    """Draw first-call seconds against time per call; None where no first call is known."""
    known = [one for one in rankings if any(row.case in first for row in one.everyone)]
    if not known:
        return None
    grouped = panels(known, key)
    names = legend_order(
        row.case.strategy for one in known for row in one.everyone if row.case in first
    )
    subtitle = (
        f"{described(known[0].setting)}; larger dots: longer sequences; "
        "bars: 95 % over launches; dotted: the first call costs as much as 10, 100, 1k calls"
    )
    columns = columns_for(list(grouped))
    panel = Panel(2.4, 2.4, right=0.4, above=0.4).under(map(titled, grouped))
    sheet = Sheet("First call against time per call", subtitle, theme, panel, columns, names)
    for axes, (one, group) in zip(sheet.draw(len(grouped)), grouped.items(), strict=True):
        rows = [row for ranking in group for row in ranking.everyone if row.case in first]
        _draw(axes, rows, first, theme)
        axes.set_title(titled(one), loc="left", pad=14)
    return sheet.figure


def _draw(axes: Axes, rows: Sequence[RankedCase], first: FirstCalls, theme: Theme) -> None:
    unit = unit_for(row.seconds_per_call for row in rows)
    lengths = sorted({row.case.setting.seq_len for row in rows})
    smallest = _SMALL if len(lengths) > 1 else _LARGE / 2
    areas = dict(zip(lengths, np.linspace(smallest, _LARGE, len(lengths)), strict=True))
    for name in legend_order(row.case.strategy for row in rows):
        mine = [row for row in rows if row.case.strategy == name]
        axes.scatter(
            [row.seconds_per_call / unit.size for row in mine],
            [first[row.case].seconds for row in mine],
            [areas[row.case.setting.seq_len] for row in mine],
            **dotted(name, theme),
        )
        _draw_intervals(axes, [(row, first[row.case]) for row in mine], unit, theme)
    across = limits(row.seconds_per_call / unit.size for row in rows)
    up = limits(
        end
        for row in rows
        for end in (first[row.case].seconds, first[row.case].low, first[row.case].high)
        if math.isfinite(end)
    )
    scale_x(axes, *across, ticks(*across, 6))
    scale_y(axes, *up, ticks(*up, 7))
    name_axes(axes, f"time per call ({unit.name})", "first call (s)")
    _draw_guides(axes, unit.size, theme)


def _draw_intervals(
    axes: Axes, known: Sequence[tuple[RankedCase, FirstCall]], unit: Unit, theme: Theme
) -> None:
    """Draw the 95 % intervals over launches, where there are any, behind the dots."""
    for row, one in known:
        if math.isfinite(one.low):
            where, colour = row.seconds_per_call / unit.size, theme.muted
            axes.plot([where, where], [one.low, one.high], color=colour, linewidth=0.8, zorder=1.5)


def _draw_guides(axes: Axes, seconds: float, theme: Theme) -> None:
    """Draw the lines on which a first call costs 10, 100, … calls, named outside the panel."""
    ends = np.array(axes.get_xlim())
    floor, roof = axes.get_ylim()
    for calls, name in _CALLS.items():
        heights = calls * seconds * ends
        if heights[1] <= floor or heights[0] >= roof:
            continue
        axes.plot(ends, heights, color=theme.muted, linewidth=0.7, linestyle=":", zorder=1)
        right = bool(heights[1] <= roof)
        where = (ends[1], heights[1]) if right else (roof / (calls * seconds), roof)
        axes.annotate(
            name,
            where,
            (3, 0) if right else (0, 2),
            textcoords="offset points",
            ha="left" if right else "center",
            va="center" if right else "bottom",
            color=theme.muted,
            size=6,
        )
