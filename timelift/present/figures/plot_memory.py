"""Peak memory against time per call, in the largest setting of each workload and phase."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import Case, Setting
from timelift.present.figures.colour import look
from timelift.present.figures.facets import Key, columns_for, described, panels, phase
from timelift.present.figures.logscale import limits, scale_x, scale_y, ticks
from timelift.present.figures.panels import Panel, Sheet, legend_order, name_axes, shown
from timelift.present.figures.style import Theme
from timelift.present.units import unit_for

_MIB = 1 << 20
PeakBytes = Mapping[Case, float]
#: The rivals of each setting that no other beats in both time and memory.
Fronts = Mapping[Setting, Sequence[RankedCase]]


def key(setting: Setting) -> Key:
    """Return the panel of a setting: its workload and phase."""
    return setting.workload, 0, *phase(setting)


def largest(rankings: Sequence[Ranking], peak: PeakBytes) -> dict[Key, Ranking]:
    """Return the largest setting of each panel in which two rivals' memory is known."""
    known = [one for one in rankings if sum(row.case in peak for row in one.rows) > 1]
    return {
        one: max(group, key=lambda ranking: (ranking.setting.seq_len, ranking.setting.batch))
        for one, group in panels(known, key).items()
    }


def memory(
    rankings: Sequence[Ranking], peak: PeakBytes, fronts: Fronts, theme: Theme
) -> Figure | None:
    """Draw peak bytes against seconds, the Pareto front marked; None where too little is known."""
    chosen = largest(rankings, peak)
    if not chosen:
        return None
    rows = {one: [row for row in found.rows if row.case in peak] for one, found in chosen.items()}
    names = legend_order(row.case.strategy for group in rows.values() for row in group)
    subtitle = (
        f"{described(rankings[0].setting)}; the largest setting of each; "
        f"ringed: no other is both faster and smaller{_silent(chosen.values(), peak)}"
    )
    titles = {one: titled(one, found.setting) for one, found in chosen.items()}
    panel = Panel(2.4, 2.0, left=0.7).under(titles.values())
    columns = columns_for(list(rows))
    sheet = Sheet("Peak memory against time", subtitle, theme, panel, columns, names)
    for axes, (one, group) in zip(sheet.draw(len(rows)), rows.items(), strict=True):
        _draw(axes, group, peak, fronts[chosen[one].setting], theme)
        axes.set_title(titles[one], loc="left")
    return sheet.figure


def _silent(found: Iterable[Ranking], peak: PeakBytes) -> str:
    """The strategies of unknown memory, as the end of a sentence: they may be smaller."""
    names = legend_order(
        row.case.strategy for one in found for row in one.rows if row.case not in peak
    )
    return f" (not known of {', '.join(map(shown, names))})" if names else ""


def titled(one: Key, setting: Setting) -> str:
    """Write the title of a panel."""
    return f"{shown(one[0])}, {one[2]}{one[3]}, {setting.seq_len} steps, batch {setting.batch}"


def _draw(
    axes: Axes,
    rows: Sequence[RankedCase],
    peak: PeakBytes,
    best: Sequence[RankedCase],
    theme: Theme,
) -> None:
    unit = unit_for(row.seconds_per_call for row in rows)
    places = [(row.seconds_per_call / unit.size, peak[row.case] / _MIB) for row in best]
    times, sizes = zip(*places, strict=True)
    axes.plot(times, sizes, color=theme.muted, lw=0.8, drawstyle="steps-post", zorder=1)
    axes.scatter(times, sizes, 110, facecolor="none", edgecolor=theme.text, lw=0.9)
    for row in rows:
        drawn = look(row.case.strategy)
        axes.scatter(
            row.seconds_per_call / unit.size,
            peak[row.case] / _MIB,
            34,
            color=drawn.colour,
            marker=drawn.marker,
            edgecolor=theme.background,
            linewidth=0.5,
            label=shown(row.case.strategy),
            zorder=3,
        )
    across = limits(row.seconds_per_call / unit.size for row in rows)
    up = limits(peak[row.case] / _MIB for row in rows)
    scale_x(axes, *across, ticks(*across, 6))
    scale_y(axes, *up, ticks(*up, 6))
    name_axes(axes, f"time per call ({unit.name})", "peak memory (MiB)")
