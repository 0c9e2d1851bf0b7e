"""Time per call against sequence length: lines where there are lengths, dots where there is one."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.present.figures.facets import PanelKey, by_batch, columns_for, described, panels
from timelift.present.figures.looks import Theme, legend_order, line_style, short_name
from timelift.present.figures.sheet import (
    Panel,
    Sheet,
    limits,
    name_axes,
    scale,
    scale_to,
    text_inches,
    thin,
    ticks,
)
from timelift.present.units import Unit, unit_for

#: More strategies than this are told apart by a legend, in any case.
_LABELLED = 8
_DOT_HEIGHT = 0.19
_LABEL_SIZE = 7
#: Points from one label's middle to the next, and points that a label may stand off its line.
_APART, _OFF = 9.5, 22.0
#: Points from the edge of a panel to its labels.
_LEAD = 12

#: The rivals of each strategy in one panel, by sequence length.
Lines = Mapping[str, list[RankedCase]]


def time_by_length(rankings: Sequence[Ranking], theme: Theme) -> dict[str, Figure]:
    """Draw the panels with several lengths as lines and the others as dots, by name."""
    grouped = panels(rankings, by_batch)
    several = {one: group for one, group in grouped.items() if len(group) > 1}
    single = {one: group[0] for one, group in grouped.items() if len(group) == 1}
    lines = {"time_by_length": _line_sheet(several, theme)} if several else {}
    ending = "-one_length" if several else ""
    dots = {f"time_by_length{ending}": _dot_sheet(single, theme)} if single else {}
    return lines | dots


def _line_sheet(grouped: Mapping[PanelKey, list[Ranking]], theme: Theme) -> Figure:
    every = [row for group in grouped.values() for one in group for row in one.all_rows]
    unit = unit_for(row.seconds_per_call for row in every)
    lines = {one: _lines(group) for one, group in grouped.items()}
    names = legend_order(row.case.strategy for row in every)
    ranges = _ranges(lines, unit)
    titles = [one.title for one in grouped]
    panel, columns = Panel(2.6, 2.2).wide_enough(titles), columns_for(list(grouped))
    labels = LineLabels(panel, {one: _ends(lines[one], unit) for one in lines}, ranges)
    direct = len(names) <= _LABELLED and columns <= 2 and labels.fit  # noqa: PLR2004
    sheet = Sheet(
        "Time per call by sequence length",
        _subtitle(every),
        theme,
        labels.panel if direct else panel,
        columns,
        () if direct else names,
    )
    for axes, one in zip(sheet.draw(titles), grouped, strict=True):
        _draw_lines(axes, lines[one], unit, theme)
        _scale(axes, lines[one], ranges[one], unit)
        if direct:
            labels.draw(axes, one, theme)
    return sheet.figure


def _lines(group: Sequence[Ranking]) -> dict[str, list[RankedCase]]:
    """Collect the rivals of each strategy in the order of their length."""
    lines: dict[str, list[RankedCase]] = {}
    for ranking in sorted(group, key=lambda one: one.setting.seq_len):
        for row in ranking.all_rows:
            lines.setdefault(row.case.strategy, []).append(row)
    return {name: lines[name] for name in legend_order(lines)}


def _ranges(lines: Mapping[PanelKey, Lines], unit: Unit) -> dict[PanelKey, tuple[float, float]]:
    """Return the vertical range of each panel, one for all panels of a workload."""
    ranges: dict[PanelKey, tuple[float, float]] = {}
    for _, keys in itertools.groupby(lines, key=lambda one: one.workload):
        own = list(keys)
        rows = [row for one in own for rivals in lines[one].values() for row in rivals]
        both = [end for row in rows for end in (*_band(row), row.seconds_per_call)]
        ranges |= dict.fromkeys(own, limits(end / unit.size for end in both))
    return ranges


def _ends(lines: Lines, unit: Unit) -> dict[str, tuple[float, float]]:
    return {
        name: (rivals[-1].case.setting.seq_len, rivals[-1].seconds_per_call / unit.size)
        for name, rivals in lines.items()
    }


def _draw_lines(axes: Axes, lines: Lines, unit: Unit, theme: Theme) -> None:
    for name, rivals in lines.items():
        drawn = line_style(name)
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
            label=short_name(name),
            **drawn.stroke,
        )


def _band(row: RankedCase) -> tuple[float, float]:
    """Return the interval of a time, empty where one launch knows none."""
    if math.isfinite(row.seconds_low) and math.isfinite(row.seconds_high):
        return row.seconds_low, row.seconds_high
    return row.seconds_per_call, row.seconds_per_call


def _scale(axes: Axes, lines: Lines, ends: tuple[float, float], unit: Unit) -> None:
    lengths = sorted({row.case.setting.seq_len for rivals in lines.values() for row in rivals})
    scale(axes, "x", limits(lengths, 1.15), thin(lengths, 7))
    scale(axes, "y", ends, ticks(*ends, 7))
    name_axes(axes, "sequence length (steps)", f"time per call ({unit.name})")


def _subtitle(rows: Sequence[RankedCase]) -> str:
    launches = [row.launches for row in rows]
    band = "bands: 95 % interval over launches" if max(launches) > 1 else "one launch: no interval"
    return f"{described(rows[0].case.setting)}; {band}"


def _dot_sheet(single: Mapping[PanelKey, Ranking], theme: Theme) -> Figure:
    every = [row for ranking in single.values() for row in ranking.all_rows]
    unit = unit_for(row.seconds_per_call for row in every)
    most = max(len(ranking.all_rows) for ranking in single.values())
    widest = max(text_inches(short_name(row.case.strategy), 7) for row in every)
    titles = [f"{one.title}, {group.setting.seq_len} steps" for one, group in single.items()]
    panel = Panel(2.4, _DOT_HEIGHT * (most + 1), left=widest + 0.25).wide_enough(titles)
    columns = columns_for(list(single), 3)
    sheet = Sheet("Time per call", _subtitle(every), theme, panel, columns)
    for axes, ranking in zip(sheet.draw(titles), single.values(), strict=True):
        _draw_dots(axes, ranking, unit, theme)
        axes.set_ylim(most - 0.25, -0.75)
    return sheet.figure


def _draw_dots(axes: Axes, ranking: Ranking, unit: Unit, theme: Theme) -> None:
    for height, row in enumerate(ranking.all_rows):
        drawn = line_style(row.case.strategy)
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
    names = [short_name(row.case.strategy) for row in ranking.all_rows]
    axes.set_yticks(range(len(names)), names)
    ends = (end / unit.size for row in ranking.all_rows for end in _band(row))
    scale_to(axes, "x", ends, 6)
    name_axes(axes, f"time per call ({unit.name})")


@dataclass(frozen=True)
class LineLabels:
    """The last point of each line, and the vertical range, by panel."""

    bare: Panel
    ends: Mapping[PanelKey, Mapping[str, tuple[float, float]]]
    ranges: Mapping[PanelKey, tuple[float, float]]

    @property
    def panel(self) -> Panel:
        """The panel with room for the widest label on its right."""
        names = [short_name(name) for ends in self.ends.values() for name in ends]
        widest = max(text_inches(name, _LABEL_SIZE) for name in names)
        return replace(self.bare, right=widest + (_LEAD + 6) / 72)

    @property
    def fit(self) -> bool:
        """True if every label finds a place near the end of its line."""
        return all(self._fits(one) for one in self.ends)

    def _fits(self, one: PanelKey) -> bool:
        wanted = self._heights(one)
        placed = spread(wanted, _APART)
        inside = min(placed) >= 0 and max(placed) <= self.bare.height * 72
        return inside and bool(np.max(np.abs(np.subtract(placed, wanted))) <= _OFF)

    def _heights(self, one: PanelKey) -> list[float]:
        """Return the heights of the ends of the lines, in points above the panel's floor."""
        low, high = (math.log(end) for end in self.ranges[one])
        points = self.bare.height * 72 / (high - low)
        return [(math.log(y) - low) * points for _, y in self.ends[one].values()]

    def draw(self, axes: Axes, one: PanelKey, theme: Theme) -> None:
        placed = spread(self._heights(one), _APART)
        for (name, end), height in zip(self.ends[one].items(), placed, strict=True):
            axes.annotate(
                short_name(name),
                end,
                (1 + _LEAD / 72 / self.bare.width, height / 72 / self.bare.height),
                textcoords="axes fraction",
                va="center",
                size=_LABEL_SIZE,
                color=theme.text,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": theme.muted, "lw": 0.5, "shrinkB": 3},
            )


def spread(wanted: Sequence[float], apart: float) -> list[float]:
    """Move places as little as needed to be `apart` from each other; their order stays.

    Neighbours that are too close become one group around their mean, until no two groups touch:
    the pool-adjacent-violators solution of least squares.
    """
    order = np.argsort(wanted, kind="stable")
    groups: list[tuple[float, int]] = []
    for rank, place in enumerate(np.asarray(wanted)[order]):
        groups.append((place - rank * apart, 1))
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (low, few), (high, more) = groups[-2:]
            groups[-2:] = [((low * few + high * more) / (few + more), few + more)]
    pooled = np.repeat([base for base, _ in groups], [count for _, count in groups])
    placed = np.empty(len(wanted))
    placed[order] = pooled + apart * np.arange(len(wanted))
    return [float(place) for place in placed]
