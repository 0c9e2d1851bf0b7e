"""A history in the terminal, in Markdown and as CSV."""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from timelift.analyse.changes.history import History
from timelift.analyse.changes.many_runs import CaseHistory
from timelift.case import AXES
from timelift.escape import NAME_LIMIT, csv_text, markdown, plain
from timelift.present.changed import STYLES
from timelift.present.differences import between
from timelift.present.history_words import TITLES, cells, head, past, rows
from timelift.present.table import Column
from timelift.present.terminal import laid_out, show_line

#: More rows than these are for the report, not for a screen.
_ROWS = 40
#: The first columns to go where a terminal is narrow.
_RANKS = (0, 0, 0, 3, 1, 2, 5, 4)


def show(history: History, console: Console) -> None:
    """Print the head, the cases that changed, and what was wrong with the files."""
    for label, text in head(history):
        show_line(console, f"{label:>9}  ", text)
    found = rows(history)
    if found:
        console.print()
        table = laid_out(_columns([row.cells for row in found[:_ROWS]]), console, _styles(history))
        console.print(table, no_wrap=True, overflow="ellipsis")
    if len(found) > _ROWS:
        console.print(f"  and {len(found) - _ROWS} more: see the report")
    _show_past(list(past(history)), console)
    for warning in history.machine.warnings:
        show_line(console, "warning: ", warning, "yellow")


def _styles(history: History) -> dict[str, str]:
    return {one.case.label: STYLES.get(one.state, "") for one in history.found.cases}


def _show_past(lines: Sequence[str], console: Console) -> None:
    if lines:
        console.print(Text("\nearlier changes", "bold"))
    for line in lines[:_ROWS]:
        show_line(console, "  ", line)
    if len(lines) > _ROWS:
        console.print(f"  and {len(lines) - _ROWS} more: see the report")


def _columns(table: Sequence[Sequence[str]]) -> list[Column]:
    """Turn rows of cells into columns, without those that are empty."""
    columns = zip(TITLES, _RANKS, zip(*table, strict=True), strict=True)
    return [
        Column(title, rank, tuple(plain(cell, NAME_LIMIT) for cell in held) if rank else held)
        for title, rank, held in columns
        if any(held)
    ]


def markdown_history(history: History, figures: Iterable[str] = ()) -> str:
    """Write the history as Markdown; `figures` are the names of pictures in the same folder."""
    found = [row.cells for row in rows(history)]
    table = [_row(TITLES), _row(["---"] * len(TITLES), raw=True), *map(_row, found)]
    earlier = [f"- {markdown(line)}" for line in past(history)]
    blocks = [
        ["# timelift history"],
        [f"- **{label}:** {markdown(text)}" for label, text in head(history)],
        [f"- warning: {markdown(text)}" for text in history.machine.warnings],
        table if found else [],
        [f"![{name}]({name})" for name in figures],
        ["## earlier changes", "", *earlier] if earlier else [],
        ["## every case", "", *_every(history)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _every(history: History) -> list[str]:
    rows = [
        _row([one.case.label, one.state, str(one.runs), str(len(one.changes))])
        for one in history.found.cases
    ]
    return [_row(["case", "now", "runs", "changes"]), "| --- | --- | ---: | ---: |", *rows]


def _row(texts: Iterable[str], *, raw: bool = False) -> str:
    written = texts if raw else (markdown(text, 2 * NAME_LIMIT) for text in texts)
    return f"| {' | '.join(written)} |"


def csv_history(history: History) -> str:
    """Write one row a case: its axes and how it stands now."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    names = ("now", "runs", "changes", "ratio", "ratio_low", "ratio_high", "since", "commits")
    writer.writerow(["strategy", *AXES, *names, "with_it"])
    for one in history.found.cases:
        axes = [_cell(value) for value in one.case.fields().values()]
        writer.writerow([*axes, *map(_cell, _state(one, history))])
    return file.getvalue()


def _state(one: CaseHistory, history: History) -> list[object]:
    size = one.change
    if size is None:
        return [str(one.state), one.runs, len(one.changes), *[""] * 6]
    ratios = [round(math.exp(end), 6) for end in (size.shift, size.low, size.high)]
    written = cells(one, size, history)
    return [str(one.state), one.runs, len(one.changes), *ratios, written[4], written[5], written[7]]


def csv_changes(history: History) -> str:
    """Write one row a change of a case, and one a move of the machine, whose case is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        ["case", "before", "after", "commit_before", "commit_after", "ratio", "low", "high", "with"]
    )
    for one in history.found.cases:
        for change in one.changes:
            logs = (change.shift, change.low, change.high)
            writer.writerow(_place(one.case.label, change.before, change.after, logs, history))
    for move in history.found.moves:
        writer.writerow(_place("", move.before, move.after, (move.shift,) * 3, history))
    return file.getvalue()


def _place(
    name: str, first: int, second: int, logs: Iterable[float], history: History
) -> list[object]:
    before, after = history.runs[first], history.runs[second]
    days = [one.started.isoformat() for one in (before, after)]
    sizes = [round(math.exp(one), 6) for one in logs]
    texts = [name, *days, before.commit, after.commit]
    return [*map(_cell, texts), *sizes, _cell(between(history.differences(first, second)))]


def _cell(value: object) -> object:
    return csv_text(value) if isinstance(value, str) else value
