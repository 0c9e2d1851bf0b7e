"""Scatters against the time of a call: what the first call costs, the gradients, and memory."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.costs import ForwardAndBackward
from timelift.analyse.stats.absolute_times import FirstCall
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case, Setting
from timelift.present.figures.facets import PanelKey, by_workload, columns_for, described, panels
from timelift.present.figures.looks import Theme, legend_order, line_style, short_name
from timelift.present.figures.sheet import Panel, Sheet, name_axes, scale_to
from timelift.present.units import MEBIBYTES, SECONDS, Unit, unit_for

#: The smallest and the largest dot, in square points.
_SMALL, _LARGE = 16.0, 64.0
#: A first call that costs as much as this many calls.
_CALLS = {10: "10", 100: "100", 1_000: "1k", 10_000: "10k", 100_000: "100k"}
#: Backward calls that take so many times their forward call.
_TIMES: Mapping[float, str] = {times: f"{times}x" for times in (1, 2, 4, 8, 16, 32, 64)}

PeakBytes = Mapping[Case, float]


@dataclass(frozen=True)
class _Dot:
    """A case at `across` and `up`, both in seconds, with the interval of the latter if known."""

    case: Case
    across: float
    up: float
    low: float = math.nan
    high: float = math.nan


def first_call(
    rankings: Sequence[Ranking], first: Mapping[Case, FirstCall], theme: Theme
) -> Figure | None:
    """Draw first-call seconds against time per call; None where no first call is known."""
    rows = [row for ranking in rankings for row in ranking.all_rows if row.case in first]
    calls = ((first[row.case], row) for row in rows)
    dots = [
        _Dot(row.case, row.seconds_per_call, one.seconds, one.low, one.high) for one, row in calls
    ]
    about = "bars: 95 % over launches; dotted: the first call costs as much as 10, 100, 1k calls"
    return _dot_sheet("First call against time per call", about, dots, _draw_first_calls, theme)


def phases(
    rankings: Sequence[Ranking], pairs: Sequence[ForwardAndBackward], theme: Theme
) -> Figure | None:
    """Draw backward against forward seconds; None where no case of `rankings` has both."""
    here = {row.case for ranking in rankings for row in ranking.all_rows}
    both = [pair for pair in pairs if {pair.forward, pair.backward} <= here]
    dots = [_Dot(pair.backward, pair.forward_seconds, pair.backward_seconds) for pair in both]
    about = "dotted: backward takes 1, 2, 4 times the forward call"
    return _dot_sheet("Backward against forward", about, dots, _draw_phases, theme)


def _dot_sheet(
    title: str,
    about: str,
    dots: Sequence[_Dot],
    draw: Callable[[Axes, Sequence[_Dot], Theme], None],
    theme: Theme,
) -> Figure | None:
    if not dots:
        return None
    grouped: dict[PanelKey, list[_Dot]] = defaultdict(list)
    for dot in dots:
        grouped[by_workload(dot.case.setting)].append(dot)
    names = legend_order(dot.case.strategy for dot in dots)
    setting = described(dots[0].case.setting)
    subtitle = f"{setting}; larger dots: longer sequences; {about}"
    keys = sorted(grouped, key=lambda one: (one.workload, one.phase != "forward"))
    titles = [one.title for one in keys]
    panel = Panel(2.4, 2.4, right=0.4, above=0.4).wide_enough(titles)
    sheet = Sheet(title, subtitle, theme, panel, columns_for(keys), names)
    for axes, one in zip(sheet.draw(titles, pad=14), keys, strict=True):
        draw(axes, grouped[one], theme)
    return sheet.figure


def _draw_first_calls(axes: Axes, dots: Sequence[_Dot], theme: Theme) -> None:
    unit = unit_for(dot.across for dot in dots)
    _draw_dots(axes, dots, (unit, SECONDS), theme)
    name_axes(axes, f"time per call ({unit.name})", "first call (s)")
    _draw_guides(axes, {calls * unit.size: name for calls, name in _CALLS.items()}, theme)


def _draw_phases(axes: Axes, dots: Sequence[_Dot], theme: Theme) -> None:
    unit = unit_for(end for dot in dots for end in (dot.across, dot.up))
    _draw_dots(axes, dots, (unit, unit), theme)
    name_axes(axes, f"forward call ({unit.name})", f"backward call ({unit.name})")
    _draw_guides(axes, _TIMES, theme)


def _draw_dots(axes: Axes, dots: Sequence[_Dot], units: tuple[Unit, Unit], theme: Theme) -> None:
    """Draw the dots of a panel, larger where sequences are longer, and scale its axes."""
    across, up = (unit.size for unit in units)
    lengths = sorted({dot.case.setting.seq_len for dot in dots})
    smallest = _SMALL if len(lengths) > 1 else _LARGE / 2
    areas = dict(zip(lengths, np.linspace(smallest, _LARGE, len(lengths)), strict=True))
    for name in legend_order(dot.case.strategy for dot in dots):
        own = [dot for dot in dots if dot.case.strategy == name]
        axes.scatter(
            [dot.across / across for dot in own],
            [dot.up / up for dot in own],
            [areas[dot.case.setting.seq_len] for dot in own],
            alpha=0.9,
            **_marker(name, theme),
        )
        for dot in own:
            if math.isfinite(dot.low):
                where, ends = [dot.across / across] * 2, [dot.low / up, dot.high / up]
                axes.plot(where, ends, color=theme.muted, linewidth=0.8, zorder=1.5)
    heights = (end / up for dot in dots for end in (dot.up, dot.low, dot.high))
    scale_to(axes, "x", (dot.across / across for dot in dots), 6)
    scale_to(axes, "y", heights, 7)


def _marker(name: str, theme: Theme) -> dict[str, Any]:
    drawn = line_style(name)
    return {
        "color": drawn.colour,
        "marker": drawn.marker,
        "edgecolor": theme.background,
        "linewidth": 0.5,
        "label": short_name(name),
        "zorder": 3,
    }


def _draw_guides(axes: Axes, slopes: Mapping[float, str], theme: Theme) -> None:
    """Draw lines through the origin, by their slope, each with its name outside the panel."""
    ends = np.array(axes.get_xlim())
    floor, roof = axes.get_ylim()
    for slope, name in slopes.items():
        heights = slope * ends
        if heights[1] <= floor or heights[0] >= roof:
            continue
        axes.plot(ends, heights, color=theme.muted, linewidth=0.7, linestyle=":", zorder=1)
        right = bool(heights[1] <= roof)
        axes.annotate(
            name,
            (ends[1], heights[1]) if right else (roof / slope, roof),
            (3, 0) if right else (0, 2),
            textcoords="offset points",
            ha="left" if right else "center",
            va="center" if right else "bottom",
            color=theme.muted,
            size=6,
        )


def memory(
    rankings: Sequence[Ranking],
    peak: PeakBytes,
    fronts: Mapping[Setting, Sequence[RankedCase]],
    theme: Theme,
) -> Figure | None:
    """Draw peak bytes against seconds in the largest setting of each workload and phase.

    `fronts` are the rivals of each setting that no other beats in both; they are marked. None where
    too little is known.
    """
    chosen = _largest(rankings, peak)
    if not chosen:
        return None
    rows = {one: [row for row in found.rows if row.case in peak] for one, found in chosen.items()}
    names = legend_order(row.case.strategy for group in rows.values() for row in group)
    subtitle = (
        f"{described(rankings[0].setting)}; the largest setting of each; "
        f"ringed: no other is both faster and smaller{_unknown(chosen.values(), peak)}"
    )
    titles = [
        f"{one.title}, {found.setting.seq_len} steps, batch {found.setting.batch}"
        for one, found in chosen.items()
    ]
    panel = Panel(2.4, 2.0, left=0.7).wide_enough(titles)
    sheet = Sheet(
        "Peak memory against time", subtitle, theme, panel, columns_for(list(rows)), names
    )
    for axes, (one, group) in zip(sheet.draw(titles), rows.items(), strict=True):
        _draw_memory(axes, group, peak, fronts[chosen[one].setting], theme)
    return sheet.figure


def _largest(rankings: Sequence[Ranking], peak: PeakBytes) -> dict[PanelKey, Ranking]:
    """Return the largest setting of each panel in which two rivals' memory is known."""
    known = [one for one in rankings if sum(row.case in peak for row in one.rows) > 1]
    return {
        one: max(group, key=lambda ranking: (ranking.setting.seq_len, ranking.setting.batch))
        for one, group in panels(known, by_workload).items()
    }


def _unknown(found: Iterable[Ranking], peak: PeakBytes) -> str:
    """Write which strategies' memory is not known, since it may be smaller."""
    names = legend_order(
        row.case.strategy for one in found for row in one.rows if row.case not in peak
    )
    return f" (not known of {', '.join(map(short_name, names))})" if names else ""


def _draw_memory(
    axes: Axes,
    rows: Sequence[RankedCase],
    peak: PeakBytes,
    front: Sequence[RankedCase],
    theme: Theme,
) -> None:
    unit = unit_for(row.seconds_per_call for row in rows)

    def at(row: RankedCase) -> tuple[float, float]:
        return row.seconds_per_call / unit.size, peak[row.case] / MEBIBYTES.size

    times, sizes = zip(*map(at, front), strict=True)
    axes.plot(times, sizes, color=theme.muted, lw=0.8, drawstyle="steps-post", zorder=1)
    axes.scatter(times, sizes, 110, facecolor="none", edgecolor=theme.text, lw=0.9)
    for row in rows:
        axes.scatter(*at(row), 34, **_marker(row.case.strategy, theme))
    scale_to(axes, "x", (at(row)[0] for row in rows), 6)
    scale_to(axes, "y", (at(row)[1] for row in rows), 6)
    name_axes(axes, f"time per call ({unit.name})", "peak memory (MiB)")
