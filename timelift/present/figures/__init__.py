"""The figures of a report: three seaborn grids against length, drawn with the run's own intervals.

A panel shows settings that differ in their length alone: lines, or dots where there is one length.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.escape import slug
from timelift.present.figures import sheet
from timelift.present.figures.looks import legend_order, looks_of, short_name
from timelift.present.words import MEBIBYTES, SECONDS, Unit, unit_for, value_in_words

if TYPE_CHECKING:
    from timelift.case import Setting

#: A figure of more panels is split into one a workload, which has at most so many.
MOST_PANELS = 24
_COLUMNS = 4
#: Inches of the width of a panel of lines, and of its title.
_WIDTH, _TITLE = 2.5, 1.9
#: Inches of the least height of a panel, of the room around its dots, and of a row of them.
_LEAST_HEIGHT, _AROUND, _ROW = 1.8, 0.8, 0.135
#: The share of an axis over which the intervals at one length are spread.
_SPREAD = 0.06


@dataclass(frozen=True)
class Plotted:
    """A quantity that is drawn of each case, in the unit that `unit` chooses for its values.

    `title` has a place for the baseline, `label` for the unit; `bars` explains the bars. A speed-up
    is better if it is more, and has a line at 1.
    """

    title: str
    label: str
    bars: str
    of_case: Callable[[RankedCase, RunFindings], Interval | None]
    unit: Callable[[Iterable[float]], Unit]
    is_speed_up: bool = False


#: The quantities of each figure of a run, by the beginning of its file's name.
QUANTITIES: Mapping[str, Sequence[Plotted]] = {
    "speed_up": [
        Plotted(
            "Times as fast as {baseline}",
            "times as fast",
            "bars: 95 % intervals, which hold for all rivals of a setting at once, cut at the edge",
            lambda row, _: row.speed_up,
            lambda _: Unit("times", 1.0),
            is_speed_up=True,
        )
    ],
    "time": [
        Plotted(
            "Time per call",
            "time per call ({unit})",
            "bars: 95 % intervals, wider than those of ratios",
            lambda row, _: row.seconds_per_call,
            unit_for,
        )
    ],
    "first_call_and_memory": [
        Plotted(
            "First call",
            "first call ({unit})",
            "bars: 95 % intervals; the first call builds, traces and compiles, or loads an export",
            lambda row, findings: findings.first_calls.get(row.case),
            lambda _: SECONDS,
        ),
        Plotted(
            "peak memory of a call",
            "peak memory ({unit})",
            "",
            lambda row, findings: Interval(findings.peak_bytes.get(row.case, math.nan)),
            lambda _: MEBIBYTES,
        ),
    ],
}


def of_run(findings: RunFindings) -> dict[str, Figure]:
    """Draw the figures for which a run has values, by the names of their files."""
    figures: dict[str, Figure] = {}
    with sheet.styled():
        for name, quantities in QUANTITIES.items():
            frame = pd.DataFrame(_rows(quantities, findings))
            for ending, part in _files(frame):
                notes = ["provisional"] if findings.run.is_provisional else []
                figures[name + ending] = _draw(part, notes)
    return figures


def _rows(quantities: Sequence[Plotted], findings: RunFindings) -> Iterator[dict[str, Any]]:
    """Yield a row for each case and quantity with a known value, panel by panel."""
    looks = looks_of(case.strategy for case in findings.run.by_case)
    panel_numbers: dict[tuple[Setting, Plotted], int] = {}
    for ranking in sorted(findings.rankings, key=_order):
        setting = replace(ranking.setting, seq_len=0)
        for row in ranking.all_rows:
            for quantity in quantities:
                interval = quantity.of_case(row, findings)
                if interval and interval.value > 0:
                    yield {
                        "panel": panel_numbers.setdefault((setting, quantity), len(panel_numbers)),
                        "quantity": quantity,
                        "setting": setting,
                        "workload": setting.workload,
                        "seq_len": ranking.setting.seq_len,
                        "strategy": row.case.strategy,
                        "look": looks[row.case.strategy],
                        "baseline": ranking.baseline,
                        "value": interval.value,
                        "low": interval.low,
                        "high": interval.high,
                    }


def _order(ranking: Ranking) -> tuple[Any, ...]:
    setting = replace(ranking.setting, seq_len=0)
    return setting.workload, setting.phase, setting


def _files(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the rows of each file with the end of its name."""
    if frame.empty:
        return
    if frame.panel.nunique() <= MOST_PANELS:
        yield "", frame
        return
    for ending, workload in endings(dict.fromkeys(frame.workload)).items():
        yield ending, frame[frame.workload == workload]


def endings(workloads: Iterable[str]) -> dict[str, str]:
    """Return workloads by the endings of their figures' file names, which all differ."""
    by_ending: dict[str, str] = {}
    for workload in workloads:
        ending = f"-{slug(workload)}"
        while ending in by_ending:
            ending += "-2"
        by_ending[ending] = workload
    return by_ending


def _draw(frame: pd.DataFrame, notes: list[str]) -> Figure:
    frame, left_out = _largest_batches(frame)
    frame, units = _in_units(frame)
    is_line = frame.groupby("panel").seq_len.transform("nunique") > 1
    names = [sheet.text_inches(short_name(name)) for name in set(frame.strategy[~is_line])]
    width = _WIDTH + max(names, default=0)
    most = frame.groupby("panel").strategy.nunique().max()
    grid = sheet.panels(frame, _COLUMNS, width, max(_LEAST_HEIGHT, _AROUND + _ROW * most))
    for panel, axes in grid.axes_dict.items():
        rows = frame[frame.panel == panel]
        quantity = rows.quantity.iloc[0]
        label = quantity.label.format(unit=units[quantity].name)
        if len(set(rows.seq_len)) > 1:
            workload = frame[frame.workload == rows.workload.iloc[0]]
            _draw_lines(
                axes, rows, sheet.limits(workload.value[workload.quantity == quantity]), label
            )
        else:
            _draw_dots(axes, rows, label)
    bars = frame.quantity.iloc[0].bars if frame.low.notna().any() else "no intervals"
    note = "; ".join([*notes, *left_out, bars])
    looks = dict(zip(frame.strategy[is_line], frame.look[is_line], strict=True))
    return sheet.finish(grid, _COLUMNS, _title_of(frame), note, looks)


def _in_units(frame: pd.DataFrame) -> tuple[pd.DataFrame, dict[Plotted, Unit]]:
    """Return rows in the units of their quantities, and these units."""
    quantities = dict.fromkeys(frame.quantity)
    units = {each: each.unit(frame.value[frame.quantity == each]) for each in quantities}
    sizes = frame.quantity.map(lambda quantity: units[quantity].size)
    values = frame[["value", "low", "high"]].astype(float)
    return frame.assign(**values.div(sizes, axis=0)), units


def _title_of(frame: pd.DataFrame) -> str:
    """Write the title of a figure, with its quantities and baselines."""
    titles = " and ".join(quantity.title for quantity in dict.fromkeys(frame.quantity))
    baselines = " or ".join(short_name(name) for name in dict.fromkeys(frame.baseline))
    title = titles.format(baseline=baselines)
    return title[0].upper() + title[1:]


def _largest_batches(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return at most `MOST_PANELS` panels, the largest batches, and a note if some are left out."""
    batches = frame.groupby("panel").setting.first().map(lambda setting: setting.batch)
    if len(batches) <= MOST_PANELS:
        return frame, []
    kept = frame[frame.panel.isin(batches.nlargest(MOST_PANELS).index)]
    note = f"{MOST_PANELS} of {len(batches):,} panels, the largest batches: the page has all"
    return kept, [note]


def _title(rows: pd.DataFrame) -> str:
    setting, lengths = rows.setting.iloc[0], set(rows.seq_len)
    phase = value_in_words("phase", setting.phase).replace(" ", "\N{NO-BREAK SPACE}")
    words = [f"batch\N{NO-BREAK SPACE}{setting.batch}", phase, *setting.words[3:]]
    if len(lengths) == 1:
        words.insert(0, f"length\N{NO-BREAK SPACE}{lengths.pop()}")
    return sheet.wrapped(", ".join([short_name(setting.workload), *map(short_name, words)]), _TITLE)


def _draw_lines(axes: Axes, rows: pd.DataFrame, ends: tuple[float, float], label: str) -> None:
    """Draw a line a strategy over length; `ends` are those of the vertical axis."""
    lengths = sorted(set(rows.seq_len))
    first, last = sheet.limits(lengths, max(1.15, (lengths[-1] / lengths[0]) ** _SPREAD))
    sheet.make_logarithmic(axes, "x", (first, last))
    sheet.set_lengths(axes, lengths)
    sheet.make_logarithmic(axes, "y", ends)
    names = legend_order(rows.strategy)
    for place, name in enumerate(names):
        line = rows[rows.strategy == name].sort_values("seq_len")
        look = line.look.iloc[0]
        # bars of one length stand beside each other, so that none hides another
        share = _SPREAD * (place - (len(names) - 1) / 2) / len(names) * line.low.notna().any()
        x = line.seq_len * (last / first) ** share
        axes.vlines(x, line.low, line.high, look.colour, linewidth=1.5, alpha=0.5)
        axes.plot(x, line.value, **look.line)
    if rows.quantity.iloc[0].is_speed_up:
        axes.axhline(1, color=sheet.MUTED, linewidth=0.8, zorder=1)
    axes.set_title(_title(rows))
    axes.set(xlabel="sequence length (steps)", ylabel=label)


def _draw_dots(axes: Axes, rows: pd.DataFrame, label: str) -> None:
    """Draw a dot a strategy, the best on top; all rows are of one length."""
    quantity = rows.quantity.iloc[0]
    rows = rows.sort_values("value", ascending=not quantity.is_speed_up)
    sheet.make_logarithmic(axes, "x", sheet.limits(rows.value))
    columns = rows[["value", "low", "high"]].to_numpy()
    for place, (look, (value, low, high)) in enumerate(zip(rows.look, columns, strict=True)):
        axes.hlines(place, low, high, look.colour, linewidth=4, alpha=0.35)
        axes.plot(value, place, **look.line)
    axes.set_yticks(range(len(rows)), [short_name(name) for name in rows.strategy])
    axes.set_ylim(len(rows) - 0.25, -0.75)
    if quantity.is_speed_up:
        axes.axvline(1, color=sheet.MUTED, linewidth=0.8, zorder=1)
    axes.set_title(_title(rows))
    axes.set(xlabel=label, ylabel="")
