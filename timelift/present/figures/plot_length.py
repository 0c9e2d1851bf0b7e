"""Time per call against sequence length: lines where there are lengths, dots where there is one."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Setting
from timelift.present.figures.colour import look
from timelift.present.figures.facets import Key, columns_for, described, panels, phase
from timelift.present.figures.labels import Labels
from timelift.present.figures.logscale import limits, scale_x, scale_y, thin, ticks
from timelift.present.figures.panels import (
    Panel,
    Sheet,
    legend_order,
    name_axes,
    shown,
    stroke,
    text_inches,
)
from timelift.present.figures.style import Theme
from timelift.present.units import Unit, unit_for

#: More strategies than this are told apart by a legend, in any case.
_LABELLED = 8
_DOT_HEIGHT = 0.19

#: The rivals of each strategy in one panel, by sequence length.
Lines = Mapping[str, list[RankedCase]]


def key(setting: Setting) -> Key:
    """Return the panel of a setting: its workload, batch and phase."""
    return setting.workload, setting.batch, *phase(setting)


def time_by_length(rankings: Sequence[Ranking], theme: Theme) -> dict[str, Figure]:
    """Draw the panels with several lengths as lines and the others as dots, by name."""
    grouped = panels(rankings, key)
    several = {one: group for one, group in grouped.items() if len(group) > 1}
    single = {one: group[0] for one, group in grouped.items() if len(group) == 1}
    lines = {"time_by_length": _line_sheet(several, theme)} if several else {}
    ending = "-one_length" if several else ""
    dots = {f"time_by_length{ending}": _dot_sheet(single, theme)} if single else {}
    return lines | dots


def _line_sheet(grouped: Mapping[Key, list[Ranking]], theme: Theme) -> Figure:
    every = [row for group in grouped.values() for one in group for row in one.everyone]
    unit = unit_for(row.seconds_per_call for row in every)
    lines = {one: _lines(group) for one, group in grouped.items()}
    names = legend_order(row.case.strategy for row in every)
    ranges = _ranges(lines, unit)
    panel, columns = Panel(2.6, 2.2).under(map(titled, grouped)), columns_for(list(grouped))
    labels = Labels(panel, {one: _ends(lines[one], unit) for one in lines}, ranges)
    direct = len(names) <= _LABELLED and columns <= 2 and labels.fit  # noqa: PLR2004
    sheet = Sheet(
        "Time per call by sequence length",
        _subtitle(every),
        theme,
        labels.panel if direct else panel,
        columns,
        () if direct else names,
    )
    for axes, one in zip(sheet.draw(len(grouped)), grouped, strict=True):
        _draw_lines(axes, lines[one], unit, theme)
        _scale(axes, lines[one], ranges[one], unit)
        axes.set_title(titled(one), loc="left")
        if direct:
            labels.draw(axes, one, theme)
    return sheet.figure


def _lines(group: Sequence[Ranking]) -> dict[str, list[RankedCase]]:
    """Collect the rivals of each strategy in the order of their length."""
    lines: dict[str, list[RankedCase]] = {}
    for ranking in sorted(group, key=lambda one: one.setting.seq_len):
        for row in ranking.everyone:
            lines.setdefault(row.case.strategy, []).append(row)
    return {name: lines[name] for name in legend_order(lines)}


def _ranges(lines: Mapping[Key, Lines], unit: Unit) -> dict[Key, tuple[float, float]]:
    """Return the vertical range of each panel, one for all panels of a workload."""
    ranges: dict[Key, tuple[float, float]] = {}
    for _, keys in itertools.groupby(lines, key=lambda one: one[0]):
        mine = list(keys)
        rows = [row for one in mine for rivals in lines[one].values() for row in rivals]
        both = [end for row in rows for end in (*_band(row), row.seconds_per_call)]
        ranges |= dict.fromkeys(mine, limits(end / unit.size for end in both))
    return ranges


def _ends(lines: Lines, unit: Unit) -> dict[str, tuple[float, float]]:
    """Return the last point of each line."""
    return {
        name: (rivals[-1].case.setting.seq_len, rivals[-1].seconds_per_call / unit.size)
        for name, rivals in lines.items()
    }


def _draw_lines(axes: Axes, lines: Lines, unit: Unit, theme: Theme) -> None:
    for name, rivals in lines.items():
        drawn = look(name)
        lengths = [row.case.setting.seq_len for row in rivals]
        times = [row.seconds_per_call / unit.size for row in rivals]
        low, high = np.array([_band(row) for row in rivals]).T / unit.size
        axes.fill_between(lengths, low, high, color=drawn.colour, alpha=0.18, linewidth=0)
        axes.plot(
            lengths,
            times,
            color=drawn.colour,
            marker=drawn.marker,
            markeredgecolor=theme.background,
            markeredgewidth=0.4,
            label=shown(name),
            **stroke(drawn),
        )


def _band(row: RankedCase) -> tuple[float, float]:
    """Return the interval of a time, empty where one launch knows none."""
    if math.isfinite(row.seconds_low) and math.isfinite(row.seconds_high):
        return row.seconds_low, row.seconds_high
    return row.seconds_per_call, row.seconds_per_call


def _scale(axes: Axes, lines: Lines, ends: tuple[float, float], unit: Unit) -> None:
    lengths = sorted({row.case.setting.seq_len for rivals in lines.values() for row in rivals})
    scale_x(axes, *limits(lengths, 1.15), thin(lengths, 7))
    scale_y(axes, *ends, ticks(*ends, 7))
    name_axes(axes, "sequence length (steps)", f"time per call ({unit.name})")


def titled(one: Key) -> str:
    """Write the title of a panel."""
    return f"{shown(one[0])}, batch {one[1]}, {one[2]}{one[3]}"


def _subtitle(rows: Sequence[RankedCase]) -> str:
    launches = [row.launches for row in rows]
    band = "bands: 95 % interval over launches" if max(launches) > 1 else "one launch: no interval"
    return f"{described(rows[0].case.setting)}; {band}"


def _dot_sheet(single: Mapping[Key, Ranking], theme: Theme) -> Figure:
    every = [row for ranking in single.values() for row in ranking.everyone]
    unit = unit_for(row.seconds_per_call for row in every)
    most = max(len(ranking.everyone) for ranking in single.values())
    widest = max(text_inches(shown(row.case.strategy), 7) for row in every)
    titles = [f"{titled(one)}, {group.setting.seq_len} steps" for one, group in single.items()]
    panel = Panel(2.4, _DOT_HEIGHT * (most + 1), left=widest + 0.25).under(titles)
    columns = columns_for(list(single), 3)
    sheet = Sheet("Time per call", _subtitle(every), theme, panel, columns)
    everything = zip(sheet.draw(len(single)), single.values(), titles, strict=True)
    for axes, ranking, title in everything:
        _draw_dots(axes, ranking, unit, theme)
        axes.set_ylim(most - 0.25, -0.75)
        axes.set_title(title, loc="left")
    return sheet.figure


def _draw_dots(axes: Axes, ranking: Ranking, unit: Unit, theme: Theme) -> None:
    for height, row in enumerate(ranking.everyone):
        drawn = look(row.case.strategy)
        low, high = np.array(_band(row)) / unit.size
        time = row.seconds_per_call / unit.size
        axes.hlines(height, low, high, color=drawn.colour, linewidth=4, alpha=0.35)
        axes.plot(
            time,
            height,
            drawn.marker,
            color=drawn.colour,
            markersize=5.5,
            markeredgecolor=theme.background,
            markeredgewidth=0.4,
        )
    names = [shown(row.case.strategy) for row in ranking.everyone]
    axes.set_yticks(range(len(names)), names)
    ends = limits(end / unit.size for row in ranking.everyone for end in _band(row))
    scale_x(axes, *ends, ticks(*ends, 6))
    name_axes(axes, f"time per call ({unit.name})")
