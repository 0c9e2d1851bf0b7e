"""What the gradients cost: the time of a backward call against that of its forward call."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.costs import ForwardAndBackward
from timelift.analyse.stats.ranking import Ranking
from timelift.case import Setting
from timelift.present.figures.facets import Key, columns_for, described, panels, phase
from timelift.present.figures.logscale import limits, scale_x, scale_y, ticks
from timelift.present.figures.panels import Panel, Sheet, dotted, legend_order, name_axes
from timelift.present.figures.plot_fastest import titled
from timelift.present.figures.style import Theme
from timelift.present.units import unit_for

_SMALL, _LARGE = 16.0, 64.0
#: Backward calls that take so many times their forward call.
_TIMES = (1, 2, 4, 8, 16, 32, 64)


def key(setting: Setting) -> Key:
    """Return the panel of a backward setting: its workload, and by what it differentiates."""
    return setting.workload, 0, *phase(setting)


def phases(
    rankings: Sequence[Ranking], pairs: Sequence[ForwardAndBackward], theme: Theme
) -> Figure | None:
    """Draw backward against forward seconds; None where no case of `rankings` has both."""
    here = {row.case for one in rankings for row in one.everyone}
    found = {pair.backward: pair for pair in pairs if {pair.forward, pair.backward} <= here}
    known = [one for one in rankings if any(row.case in found for row in one.everyone)]
    if not known:
        return None
    grouped = {
        one: [found[row.case] for ranking in group for row in ranking.everyone if row.case in found]
        for one, group in panels(known, key).items()
    }
    names = legend_order(pair.backward.strategy for pair in found.values())
    subtitle = (
        f"{described(known[0].setting)}; larger dots: longer sequences; "
        "dotted: backward takes 1, 2, 4 times the forward call"
    )
    columns = columns_for(list(grouped))
    panel = Panel(2.4, 2.4, right=0.4, above=0.4).under(map(titled, grouped))
    sheet = Sheet("Backward against forward", subtitle, theme, panel, columns, names)
    for axes, (one, group) in zip(sheet.draw(len(grouped)), grouped.items(), strict=True):
        _draw(axes, group, theme)
        axes.set_title(titled(one), loc="left", pad=14)
    return sheet.figure


def _draw(axes: Axes, group: Sequence[ForwardAndBackward], theme: Theme) -> None:
    unit = unit_for(end for pair in group for end in (pair.forward_seconds, pair.backward_seconds))
    lengths = sorted({pair.backward.setting.seq_len for pair in group})
    smallest = _SMALL if len(lengths) > 1 else _LARGE / 2
    areas = dict(zip(lengths, np.linspace(smallest, _LARGE, len(lengths)), strict=True))
    for name in legend_order(pair.backward.strategy for pair in group):
        mine = [pair for pair in group if pair.backward.strategy == name]
        axes.scatter(
            [pair.forward_seconds / unit.size for pair in mine],
            [pair.backward_seconds / unit.size for pair in mine],
            [areas[pair.backward.setting.seq_len] for pair in mine],
            **dotted(name, theme),
        )
    across = limits(pair.forward_seconds / unit.size for pair in group)
    up = limits(pair.backward_seconds / unit.size for pair in group)
    scale_x(axes, *across, ticks(*across, 6))
    scale_y(axes, *up, ticks(*up, 7))
    name_axes(axes, f"forward call ({unit.name})", f"backward call ({unit.name})")
    _draw_guides(axes, theme)


def _draw_guides(axes: Axes, theme: Theme) -> None:
    """Draw the lines on which backward takes 1, 2, 4, … times, named outside the panel."""
    ends = np.array(axes.get_xlim())
    floor, roof = axes.get_ylim()
    for times in _TIMES:
        heights = times * ends
        if heights[1] <= floor or heights[0] >= roof:
            continue
        axes.plot(ends, heights, color=theme.muted, linewidth=0.7, linestyle=":", zorder=1)
        right = bool(heights[1] <= roof)
        axes.annotate(
            f"{times}x",
            (ends[1], heights[1]) if right else (roof / times, roof),
            (3, 0) if right else (0, 2),
            textcoords="offset points",
            ha="left" if right else "center",
            va="center" if right else "bottom",
            color=theme.muted,
            size=6,
        )
