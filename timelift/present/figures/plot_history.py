"""A history as a figure for each workload: how far each case went from where it began."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from timelift.analyse.changes.history import History
from timelift.analyse.changes.many_runs import CaseHistory
from timelift.analyse.runs.measurement import Samples
from timelift.case import Setting
from timelift.errors import counted
from timelift.present.figures.frame import endings
from timelift.present.figures.looks import (
    THEMES,
    Theme,
    legend_order,
    line_style,
    short_name,
    styled,
)
from timelift.present.figures.sheet import Block, sheet

#: More settings than these are not drawn; those with a change come first.
_PANELS = 12
_COLUMNS = 3
_DAYS_SHOWN = 3
#: Inches of a panel with the words around it.
_PANEL = (3.4, 2.3)
#: The dots of a case share so much area, in square points.
_INK = 600.0
#: A day in seconds.
_DAY = 86_400.0
#: Of the points, so many per cent at each end may lie outside of a panel: a spike is no scale.
_OUTSIDE = 1
_LEAST_REACH = 5.0
_ROOM = 1.25


def figures(history: History, theme: str = "light") -> dict[str, Figure]:
    """Draw the history of every workload, by the name that its files get."""
    groups: dict[str, list[CaseHistory]] = defaultdict(list)
    for one in history.findings.cases:
        groups[one.case.setting.workload].append(one)
    names = endings(groups)
    with styled(THEMES[theme]):
        return {
            f"history{names[workload]}": _figure(workload, cases, history, THEMES[theme])
            for workload, cases in groups.items()
        }


def _figure(workload: str, cases: Sequence[CaseHistory], history: History, theme: Theme) -> Figure:
    by_setting: dict[Setting, list[CaseHistory]] = defaultdict(list)
    for one in cases:
        by_setting[one.case.setting].append(one)
    drawn = [
        (short_name(setting.label.removeprefix(f"{workload}-")), by_setting[setting])
        for setting in _drawn(by_setting)
    ]
    changed = legend_order(one.case.strategy for _, some in drawn for one in some if one.changes)
    days = np.array([run.started.timestamp() / _DAY for run in history.runs])
    draw = partial(_draw, days=days, history=history, theme=theme)
    block = Block(drawn, draw, _PANEL, min(len(drawn), _COLUMNS))
    title = f"{short_name(workload)}: change over all runs"
    note = _subtitle(history, len(by_setting) - len(drawn))
    return sheet(title, note, [block], theme, changed)


def _drawn(by_setting: dict[Setting, list[CaseHistory]]) -> list[Setting]:
    """Choose the settings that there is room for, in their order."""
    most = sorted(by_setting, key=lambda one: -sum(len(case.changes) for case in by_setting[one]))
    return sorted(most[:_PANELS])


def _subtitle(history: History, left_out: int) -> str:
    words = [
        "ratio to the median rival, beside the first level",
        "colour: changed, lines are levels and dots are runs",
        "grey: not shown to change",
        f"band: ±{100 * history.gate:g} %",
    ]
    words += (
        ["dashed: the machine moved, and all begin anew"] if history.findings.common_shifts else []
    )
    words += [f"not drawn: {counted(left_out, 'setting')} without more changes"] if left_out else []
    return "; ".join(words)


def _draw(
    axes: Axes, cases: Sequence[CaseHistory], *, days: Samples, history: History, theme: Theme
) -> None:
    gate = 100 * history.gate
    axes.axhspan(-gate, gate, color=theme.grid, alpha=0.4, linewidth=0)
    for shift in history.findings.common_shifts:
        middle = (days[shift.before] + days[shift.after]) / 2
        axes.axvline(middle, color=theme.muted, linestyle=(0, (4, 3)), linewidth=0.9)
    drawn = {case.case: list(_eras(case, history)) for case in cases}
    for one in sorted(cases, key=lambda case: bool(case.changes)):
        _draw_case(axes, one, drawn[one.case], days, theme)
    _scale_up(axes, [era for eras in drawn.values() for era in eras])
    _scale_days(axes, days)
    axes.set(xlabel="day of the run (UTC)", ylabel="change (%)")


def _draw_case(
    axes: Axes,
    one: CaseHistory,
    eras: Sequence[tuple[Samples, Samples]],
    days: Samples,
    theme: Theme,
) -> None:
    for points, levels in eras:
        there = np.isfinite(points)
        if not one.changes:
            axes.plot(days[there], points[there], color=theme.muted, linewidth=0.5, alpha=0.45)
            continue
        drawn = line_style(one.case.strategy)
        area = float(np.clip(_INK / len(days), 3, 14))
        axes.scatter(days[there], points[there], area, drawn.colour, alpha=0.7, linewidths=0)
        axes.plot(days, levels, color=drawn.colour, drawstyle="steps-mid", **drawn.stroke)


def _eras(one: CaseHistory, history: History) -> Iterator[tuple[Samples, Samples]]:
    """Yield each era's runs and levels in per cent of its first level, NaN outside of it."""
    bounds = history.findings.era_bounds(len(history.runs))
    for levels, first, end in zip(one.eras, bounds[:-1], bounds[1:], strict=True):
        if not levels:
            continue
        start = levels[0].mean
        points, line = np.full(len(history.runs), np.nan), np.full(len(history.runs), np.nan)
        points[first:end] = 100 * np.expm1(one.ratio[first:end] - start)
        for level in levels:
            line[level.first : level.last + 1] = 100 * math.expm1(level.mean - start)
        yield points, line


def _scale_up(axes: Axes, eras: Sequence[tuple[Samples, Samples]]) -> None:
    """Make room on the vertical axis for every level and almost every run."""
    points = np.concatenate([points[np.isfinite(points)] for points, _ in eras] or [np.zeros(1)])
    levels = np.concatenate([line[np.isfinite(line)] for _, line in eras] or [np.zeros(1)])
    low, high = np.percentile(points, [_OUTSIDE, 100 - _OUTSIDE])
    low, high = min(low, levels.min(), -_LEAST_REACH), max(high, levels.max(), _LEAST_REACH)
    low, high = float(low * _ROOM), float(high * _ROOM)
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_ylim(low, high)
    axes.set_yticks([tick for tick in ticks if low <= tick <= high])


def _scale_days(axes: Axes, days: Samples) -> None:
    """Put few days under the horizontal axis, which has room on both sides."""
    first, last = float(days[0]), float(days[-1])
    room = max((last - first) * 0.04, 0.5)
    places = np.linspace(first, last, _DAYS_SHOWN) if last - first >= 1 else np.array([first])
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(FixedLocator([float(place) for place in places]))
    words = [datetime.fromtimestamp(place * _DAY, UTC).date().isoformat() for place in places]
    axes.xaxis.set_major_formatter(FixedFormatter(words))
