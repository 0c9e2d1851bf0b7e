"""The files that `history` writes: Markdown, CSV of cases and of changes, and a figure."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from timelift.case import AXES, Setting
from timelift.errors import counted, writing
from timelift.history import ChangeState, history_words
from timelift.history.many_runs import CaseHistory, History
from timelift.journal.files import replace_file
from timelift.present.document import Document, to_markdown
from timelift.present.figures import sheet
from timelift.present.figures.looks import LineStyle, looks_of, short_name
from timelift.present.tables import Column, Table, csv_of_values

#: The columns of every case, for programs.
_IN_CSV = (
    *("strategy", *AXES, "now", "runs", "changes", "ratio", "ratio_low", "ratio_high"),
    *("since", "commits", "with_it"),
)
#: The most settings that are drawn, those with most changes.
_MOST_PANELS = 12
#: Panels side by side, and inches across and down of one.
_COLUMNS, _WIDTH, _HEIGHT = 3, 3.2, 2.0
#: The most runs whose day is written under a panel.
_NAMED_RUNS = 3
#: The area that all dots of a case share, in square points.
_INK = 600.0
_UNCHANGED: dict[str, Any] = {"linewidth": 0.5, "markersize": 2, "alpha": 0.45}
#: The per cent of the values at each end that may lie outside of a panel, so that spikes do.
_OUTSIDE = 1
#: The least reach of a vertical axis each way, in per cent, and the factor for room around it.
_LEAST_REACH, _ROOM = 5.0, 1.25


def write_history(history: History, document: Document, folder: Path, top: Path) -> list[Path]:
    """Write all files, and return their paths; raises UserError where the folder forbids it."""
    advice = "name another folder with --output"
    with writing(folder, advice):
        pictures = sheet.save(draw_history(history), folder, top)
    svgs = [picture.name for picture in pictures if picture.suffix == ".svg"]
    every_case = history_words.table(history.findings.cases, history)
    texts = {
        "history.md": to_markdown(document, svgs),
        "history.csv": csv_of_values(every_case.pick(*_IN_CSV)),
        "changes.csv": csv_changes(history),
    }
    for name, text in texts.items():
        with writing(folder / name, advice):
            replace_file(folder / name, text, top)
    return [*(folder / name for name in texts), *pictures]


def csv_changes(history: History) -> str:
    """Return CSV: a row for each change of a case, then for each common shift, without a case."""
    runs = history.runs
    rows = [(row.case.label, change) for row in history.findings.cases for change in row.changes]
    rows += [("", shift) for shift in history.findings.common_shifts]
    columns = (
        Column("case", value=itemgetter(0)),
        Column("before", value=lambda row: runs[row[1].before].started.isoformat()),
        Column("after", value=lambda row: runs[row[1].after].started.isoformat()),
        Column("commit_before", value=lambda row: runs[row[1].before].commit),
        Column("commit_after", value=lambda row: runs[row[1].after].commit),
        *history_words.ratio_columns(("ratio", "low", "high"), itemgetter(1)),
        Column("with", value=lambda row: history_words.drift_in_words(history, row[1])),
    )
    return csv_of_values(Table("changes", "Changes", columns, rows))


# The figure --------------------------------------------------------------------------------------


def draw_history(history: History) -> dict[str, Figure]:
    """Draw each case's change from its first level, a panel a setting; none without a ratio."""
    changes = Counter[Setting]()
    for row in history.findings.cases:
        changes[row.case.setting] += len(row.changes)
    drawn = sorted(setting for setting, _ in changes.most_common(_MOST_PANELS))
    cases = [row for row in history.findings.cases if row.case.setting in drawn]
    frame = pd.DataFrame(point for row in cases for point in _points(row))
    if frame.empty:
        return {}
    frame["panel"] = frame.setting.map(drawn.index)
    looks = looks_of(row.case.strategy for row in history.findings.cases)
    with sheet.styled():
        grid = sheet.panels(frame.sort_values("panel", kind="stable"), _COLUMNS, _WIDTH, _HEIGHT)
        for panel, axes in grid.axes_dict.items():
            _draw(axes, frame[frame.panel == panel], looks, history)
            axes.set_title(sheet.wrapped(short_name(drawn[panel].label), _WIDTH))
        changed = {name: looks[name] for name in frame[frame.changed].strategy}
        note = _note(history, len(changes) - len(drawn))
        return {"history": sheet.finish(grid, _COLUMNS, "Change over all runs", note, changed)}


def _points(row: CaseHistory) -> Iterator[dict[str, Any]]:
    """Yield a point for each run of a case: its change and its level's, in per cent.

    Both are changes from the first level, or from the first one after a shift of most cases. If the
    case is slower together with others since a shift, its own change then is added.
    """
    together = row.since if row.state is ChangeState.TOGETHER else None
    start = math.nan
    for part in row.series.measured:
        if part.anew or math.isnan(start):
            start = part.mean
            start -= together.value if together and part.first >= together.after else 0.0
        runs = row.series.levels[part.first : part.last + 1]
        for run, log_ratio in enumerate(runs, part.first):
            yield {
                "setting": row.case.setting,
                "strategy": row.case.strategy,
                "changed": bool(row.changes or together),
                "era": start,
                "run": run,
                "change": 100 * math.expm1(log_ratio - start),
                "level": 100 * math.expm1(part.mean - start),
            }


def _note(history: History, left_out: int) -> str:
    words = [
        "ratio to the median rival, beside the first level",
        "colour: changed, lines are levels and dots are runs",
        "grey: not shown to change",
        f"band: ±{100 * history.gate:g} %",
    ]
    if history.findings.common_shifts:
        words.append("dashed: most cases moved at once, and begin anew")
    if history.findings.slower_together:
        words.append("those slower together are higher by their change beside the canary")
    if left_out:
        words.append(f"not drawn: {counted(left_out, 'setting')} without more changes")
    return "; ".join(words)


def _draw(axes: Axes, rows: pd.DataFrame, looks: Mapping[str, LineStyle], history: History) -> None:
    gate = 100 * history.gate
    axes.axhspan(-gate, gate, color=sheet.GRID, alpha=0.4, linewidth=0)
    for shift in history.findings.common_shifts:
        middle = (shift.before + shift.after) / 2
        axes.axvline(middle, color=sheet.MUTED, linestyle=(0, (4, 3)), linewidth=0.9)
    for (changed, strategy, _), era in rows.groupby(["changed", "strategy", "era"]):
        if changed:
            look = looks[str(strategy)].line
            area = min(max(_INK / len(history.runs), 3), 14)
            axes.scatter(era.run, era.change, area, look["color"], alpha=0.7, linewidths=0)
            axes.plot(era.run, era.level, drawstyle="steps-mid", **look | {"marker": ""})
        else:
            measured = era.dropna(subset="change")
            dot = "." if len(measured) == 1 else ""
            axes.plot(measured.run, measured.change, color=sheet.MUTED, marker=dot, **_UNCHANGED)
    _scale_up(axes, rows)
    _name_runs(axes, history)
    axes.set(xlabel="run (UTC)", ylabel="change (%)")


def _scale_up(axes: Axes, rows: pd.DataFrame) -> None:
    """Scale the vertical axis to hold every level and almost every run."""
    low, high = np.nanpercentile(rows.change, [_OUTSIDE, 100 - _OUTSIDE])
    low, high = min(low, rows.level.min(), -_LEAST_REACH), max(high, rows.level.max(), _LEAST_REACH)
    ends = low * _ROOM, high * _ROOM
    axes.set_ylim(ends)
    axes.set_yticks(sheet.inside(MaxNLocator(5, steps=[1, 2, 5, 10]), ends))


def _name_runs(axes: Axes, history: History) -> None:
    """Write the day below a few runs, which lie side by side in their order, not by their times."""
    last = len(history.runs) - 1
    places = sorted({*np.linspace(0, last, _NAMED_RUNS).round().astype(int).tolist()})
    axes.set_xticks(places, [history.moment(place).replace(" ", "\n") for place in places])
    room = max(0.04 * (last + 1), 0.5)
    axes.set_xlim(-room, last + room)
