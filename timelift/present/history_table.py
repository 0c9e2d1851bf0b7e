"""A history in the terminal, in Markdown and as CSV."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from rich.console import Console
from rich.text import Text

from timelift.analyse.changes.history import History
from timelift.analyse.changes.many_runs import CaseHistory
from timelift.analyse.changes.states import LevelChange, MachineMove
from timelift.case import AXES
from timelift.escape import NAME_LIMIT, markdown
from timelift.present.changed import STYLES, interval, percent
from timelift.present.differences import between
from timelift.present.history_words import head, past
from timelift.present.tables import (
    Column,
    Table,
    axis_columns,
    csv_of_values,
    markdown_lines,
    number,
)
from timelift.present.terminal import show_line, show_table

#: More rows than these are for the report, not for a screen.
_ROWS = 40
#: The columns of the cases that changed, for readers, and of every case, for programs.
_CHANGED = ("case", "now", "change", "95 % interval", "since", "commits", "runs_now", "with_it")
_IN_CSV = (
    *("strategy", *AXES, "now", "runs", "changes", "ratio", "ratio_low", "ratio_high"),
    *("since", "commits", "with_it"),
)


def show(history: History, console: Console) -> None:
    """Print the head, the cases that changed, and what was wrong with the files."""
    for label, text in head(history):
        show_line(console, f"{label:>9}  ", text)
    found = _changed(history)
    if found:
        console.print()
        styles = [STYLES.get(one.state, "") for one in found[:_ROWS]]
        show_table(cases(found[:_ROWS], history).pick(*_CHANGED).told(), console, styles)
    if len(found) > _ROWS:
        console.print(f"  and {len(found) - _ROWS} more: see the report")
    _show_past(list(past(history)), console)
    for warning in history.machine.warnings:
        show_line(console, "warning: ", warning, "yellow")


def _show_past(lines: Sequence[str], console: Console) -> None:
    if lines:
        console.print(Text("\nearlier changes", "bold"))
    for line in lines[:_ROWS]:
        show_line(console, "  ", line)
    if len(lines) > _ROWS:
        console.print(f"  and {len(lines) - _ROWS} more: see the report")


def markdown_history(history: History, figures: Iterable[str] = ()) -> str:
    """Return the history as Markdown; `figures` are the names of pictures in the same folder."""
    found = _changed(history)
    every = cases(history.found.cases, history).pick("case", "now", "runs", "changes")
    earlier = [f"- {markdown(line)}" for line in past(history)]
    blocks = [
        ["# timelift history"],
        [f"- **{label}:** {markdown(text)}" for label, text in head(history)],
        [f"- warning: {markdown(text)}" for text in history.machine.warnings],
        _markdown(cases(found, history).pick(*_CHANGED)) if found else [],
        [f"![{name}]({name})" for name in figures],
        ["## earlier changes", "", *earlier] if earlier else [],
        ["## every case", "", *_markdown(every)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _markdown(table: Table) -> list[str]:
    return markdown_lines(table, 2 * NAME_LIMIT)


def _changed(history: History) -> list[CaseHistory]:
    """Return the cases that stand otherwise than they stood, the worst first."""
    return [one for one, _ in history.found.changed]


def cases(found: Sequence[CaseHistory], history: History) -> Table:
    """Return one row a case: its axes, how it stands now, and what its latest change was."""

    def place(one: CaseHistory) -> LevelChange | None:
        return (one.since or one.change) if one.change else None

    columns = (
        Column("case", value=attrgetter("case.label")),
        Column("strategy", value=attrgetter("case.strategy")),
        *axis_columns(attrgetter("case.setting")),
        Column("now", value=attrgetter("state")),
        number("runs"),
        number("changes", value=lambda one: len(one.changes)),
        Column("change", value=attrgetter("change"), format=_percent, right=True),
        Column("95 % interval", value=attrgetter("change"), format=interval, rank=3, right=True),
        number("ratio", value=_ratio("shift"), format="{:.3f}".format),
        number("ratio_low", value=_ratio("low"), format="{:.3f}".format),
        number("ratio_high", value=_ratio("high"), format="{:.3f}".format),
        Column("since", value=lambda one: _since(place(one), history), rank=1),
        Column("commits", "between commits", lambda one: _commits(place(one), history), rank=2),
        number("runs_now", "runs", attrgetter("runs_now"), rank=5),
        Column("with_it", "with it", lambda one: _with_it(place(one), history), rank=4),
    )
    return Table("history", "Cases", columns, found)


def _ratio(name: str) -> Callable[[CaseHistory], float | None]:
    """Read a log ratio of the latest change as a ratio, in steps of a millionth."""
    return lambda one: round(math.exp(getattr(one.change, name)), 6) if one.change else None


def _percent(change: LevelChange) -> str:
    return percent(change.shift)


def _since(place: LevelChange | None, history: History) -> str | None:
    return history.runs[place.after].day if place else None


def _commits(place: LevelChange | None, history: History) -> str | None:
    if place is None:
        return None
    return f"{history.runs[place.before].commit}..{history.runs[place.after].commit}"


def _with_it(place: LevelChange | None, history: History) -> str | None:
    return between(history.differences(place.before, place.after)) if place else None


def csv_history(history: History) -> str:
    """Return one row a case as CSV: its axes and how it stands now."""
    return csv_of_values(cases(history.found.cases, history).pick(*_IN_CSV))


@dataclass(frozen=True)
class _Moment:
    """A change of a case between two runs, or of the machine, whose case is empty."""

    case: str
    change: LevelChange | MachineMove
    logs: tuple[float, float, float]


def csv_changes(history: History) -> str:
    """Return one row a change of a case as CSV, then one a move of the machine."""
    runs = history.runs
    rows = [
        _Moment(one.case.label, change, (change.shift, change.low, change.high))
        for one in history.found.cases
        for change in one.changes
    ]
    rows += [_Moment("", move, (move.shift,) * 3) for move in history.found.moves]
    columns = (
        Column("case"),
        Column("before", value=lambda row: runs[row.change.before].started.isoformat()),
        Column("after", value=lambda row: runs[row.change.after].started.isoformat()),
        Column("commit_before", value=lambda row: runs[row.change.before].commit),
        Column("commit_after", value=lambda row: runs[row.change.after].commit),
        Column("ratio", value=lambda row: round(math.exp(row.logs[0]), 6)),
        Column("low", value=lambda row: round(math.exp(row.logs[1]), 6)),
        Column("high", value=lambda row: round(math.exp(row.logs[2]), 6)),
        Column("with", value=lambda row: _with_it(row.change, history)),
    )
    return csv_of_values(Table("changes", "Changes", columns, rows))
