"""Tables and notes in a terminal, by rich; plain text for a file or a pipe."""

import io
import itertools
import os
import re
import textwrap
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table as Grid
from rich.text import Text

from timelift.analyse.left_out import Kind
from timelift.escape import NAME_LIMIT, plain
from timelift.present.answer import AnswerRow
from timelift.present.full_report import Report, SettingsTable
from timelift.present.summary import ROWS, Section, Summary
from timelift.present.tables import Column, Table

#: The most columns and lines of the end of a run; a narrower terminal has more lines.
SUMMARY_WIDTH, SUMMARY_LINES = 80, 28
#: Lines that are left below a section, for the name of the run and its page.
_BELOW_SECTION = 4
#: Blanks between two columns of a table, and of the summary's.
_GAP, _NARROW_GAP = 3, 2
#: Letters in a line of a heading.
_LONGEST_HEADING = 18
#: The most letters in a line of a cell of the summary's table, by its column.
_WIDEST = {"workload": 18, "gain": 32}
_NOTE_STYLES = dict.fromkeys((Kind.FAILED, Kind.GIVEN_UP, "file"), "yellow")
#: Columns of a text for a file or a pipe.
_PLAIN_WIDTH = 140
_INTERVAL = re.compile(r"\[[^\[\]]{1,24}\]")


def console() -> Console:
    """Return a console on the standard output; a file or a pipe has a fixed width."""
    output = Console(highlight=False)
    if not output.is_terminal and "COLUMNS" not in os.environ:
        output.width = _PLAIN_WIDTH
    return output


def _show(shown: RenderableType, console: Console, width: int | None = None) -> None:
    _show_lines(_lines(shown, console, width or console.width), console)


def _lines(shown: RenderableType, console: Console, width: int) -> list[list[Segment]]:
    return console.render_lines(shown, console.options.update(width=width), pad=False)


def _show_lines(lines: Iterable[Sequence[Segment]], console: Console) -> None:
    """Print lines without the blanks at their ends."""
    trimmed: list[Segment] = []
    for line in lines:
        kept = [*line]
        while kept and not kept[-1].text.strip():
            kept.pop()
        *before, last = kept or [Segment("")]
        trimmed += [*before, Segment(last.text.rstrip(), last.style), Segment.line()]
    console.print(Segments(trimmed), end="")


# The end of a run --------------------------------------------------------------------------------


def summary_text(summary: Summary, width: int, *, colour: bool) -> str:
    """Return the end of a run as a terminal shows it, for pytest to print."""
    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=colour, no_color=not colour, highlight=False
    )
    show_summary(summary, console)
    return text.getvalue()


def show_summary(summary: Summary, console: Console) -> None:
    """Print the end of a run in a screenful, with as many rows as fit."""
    width = min(console.width, SUMMARY_WIDTH)
    room, most = SUMMARY_LINES * SUMMARY_WIDTH // width, min(len(summary.table.rows), ROWS)
    for rows in range(most, -1, -1):
        lines = _lines(_summary(summary.with_rows(rows), width), console, width)
        if len(lines) <= room:
            break
    _show_lines(lines, console)


def _summary(summary: Summary, width: int) -> Group:
    state = [Text(plain(summary.state), "yellow")] if summary.state else []
    rows = [Text(""), _rows(summary.table, width)] if summary.table.rows else []
    if summary.below:
        rows += [Text(summary.words, "dim")]
    said = Text.assemble((plain(summary.headline), "bold"), f" {plain(summary.below)}")
    top = Text(plain(summary.top))
    return Group(
        *state, top, Text(""), said, *rows, Text(""), _notes((*summary.left_out, *summary.notes))
    )


def _rows(table: Table, width: int) -> RenderableType:
    """Return a row a workload, without its least important column if there is little room.

    Each column is as wide as its texts, except for the last one, which has the remaining room.
    """
    for shown in (table, table.up_to(1)):
        columns = [[*_heading(column), *column.cells(table.rows)] for column in shown.columns]
        most = [_WIDEST.get(column.name, width) for column in shown.columns[:-1]]
        widths = [
            min(max(map(cell_len, own)), cut) for own, cut in zip(columns[:-1], most, strict=True)
        ]
        room = width - sum(widths) - _NARROW_GAP * len(widths)
        if room >= max(cell_len(word) for text in columns[-1] for word in text.split()):
            return _grid(shown, [*widths, room])
    return _stacked(table)


def _heading(column: Column) -> list[str]:
    return textwrap.wrap(plain(column.heading), _LONGEST_HEADING)


def _grid(table: Table, widths: Iterable[int]) -> Grid:
    grid = Grid(box=None, padding=(0, _NARROW_GAP, 0, 0), pad_edge=False, header_style="dim")
    for column, wide in zip(table.columns, widths, strict=True):
        grid.add_column(Text("\n".join(_heading(column))), width=wide, overflow="fold")
    for row, cells in zip(table.rows, table.cells, strict=True):
        named = zip(table.columns, cells, strict=True)
        grid.add_row(*(Text(cell, _style(column, row)) for column, cell in named))
    return grid


def _stacked(table: Table) -> Group:
    """Return the table for little room: the cells of a workload below each other."""
    parts: list[RenderableType] = []
    for row, (name, *rest) in zip(table.rows, table.cells, strict=True):
        parts.append(Text(name, "bold", overflow="fold"))
        for column, cell in zip(table.columns[1:], rest, strict=True):
            line = Text(f"{plain(column.heading)}: {cell}", _style(column, row), overflow="fold")
            parts += [Padding.indent(line, 2)] if cell else []
    return Group(*parts)


def _style(column: Column, row: AnswerRow) -> str:
    if column.name != "write":
        return ""
    return "bold green" if row.is_safe else "bold yellow"


def _notes(notes: Iterable[tuple[str, str]]) -> Grid:
    grid = Grid.grid(padding=(0, _NARROW_GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    shown = ""
    for label, text in notes:
        once = "" if label == shown else label
        grid.add_row(Text(once), Text(plain(text)), style=_NOTE_STYLES.get(label, ""))
        shown = label
    return grid


def show_section(section: Section, notes: Iterable[tuple[str, str]], console: Console) -> None:
    for line in section_lines(section, console.width):
        console.print(Text(line), soft_wrap=True)
    _show(_notes(notes), console, min(console.width, SUMMARY_WIDTH))


def section_lines(section: Section, width: int) -> list[str]:
    """Return the longest version of a section that fits in a screenful, else the shortest."""
    width = min(width, SUMMARY_WIDTH)
    room, lines = (SUMMARY_LINES - _BELOW_SECTION) * SUMMARY_WIDTH // width, [""]
    for texts in section.versions:
        lines = [line for text in texts for line in _hanging(plain(text), width)]
        if len(lines) <= room:
            break
    return lines


def _hanging(text: str, width: int) -> list[str]:
    """Wrap a text between words; an interval counts as one word."""
    unbroken = _INTERVAL.sub(lambda interval: interval[0].replace(" ", "\xa0"), text)
    lines = textwrap.wrap(unbroken, width, subsequent_indent="  ", break_on_hyphens=False)
    return [line.replace("\xa0", " ") for line in lines]


# Tables ------------------------------------------------------------------------------------------


def show_report(report: Report, console: Console) -> None:
    show_head(report.head, console)
    if report.answer and report.answer.rows:
        console.print()
        width = min(console.width, SUMMARY_WIDTH)
        _show(_rows(report.answer, width), console, width)
    for table in report.tables:
        _show_setting(table, console)
    if report.meanings:
        _show_heading(console, "what each strategy means for layers that are more than a function")
    for name, meaning in report.meanings:
        show_line(console, f"  {plain(name, NAME_LIMIT)}  ", meaning)
    for warning in report.warnings:
        show_line(console, "warning: ", warning, "yellow")


def _show_setting(table: SettingsTable, console: Console) -> None:
    _show_heading(console, table.heading)
    if table.table:
        # green is what no rival was shown to beat
        styles = ["green" if row.rival.rank_low == 1 else "" for row in table.table.rows]
        show_table(table.table, console, styles)
    for note in table.notes:
        show_note(console, note)


def show_table(table: Table, console: Console, styles: Sequence[str] = ()) -> None:
    """Print a table, each row in its style, without the least important columns if they do not fit.

    If the others do not fit either, the names of the first column have several lines.
    """
    columns = [*table.columns]
    cells = {column.name: [column.heading, *column.cells(table.rows)] for column in columns}
    while (
        sum(_GAP + max(map(cell_len, cells[column.name])) for column in columns)
        > console.width + _GAP
    ):
        least = max(columns, key=lambda column: column.drop_order)
        if least.drop_order == 0:
            break
        columns.remove(least)
    grid = Grid(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, border_style="dim")
    first, *others = columns
    grid.add_column(Text(first.heading), overflow="fold")
    for column in others:
        grid.add_column(Text(column.heading), justify="right", no_wrap=True)
    rows = zip(*(cells[column.name][1:] for column in columns), strict=True)
    for row, style in itertools.zip_longest(rows, styles, fillvalue=""):
        grid.add_row(*map(Text, row), style=style)
    _show(grid, console)


def show_head(head: Iterable[tuple[str, str]], console: Console) -> None:
    for label, text in head:
        show_line(console, f"{label:>9}  ", text)


def _show_heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(plain(text), "bold"), overflow="fold")


def show_line(console: Console, label: str, text: str, style: str = "dim") -> None:
    """Print a label and, beside it, a text that wraps under its own beginning."""
    line = Grid.grid(padding=0)
    line.add_column(no_wrap=True, style=style)
    line.add_column(overflow="fold")
    line.add_row(Text(plain(label)), Text(plain(text)))
    _show(line, console)


def show_note(console: Console, text: str) -> None:
    _show(Padding.indent(Text(plain(text), overflow="fold"), 2), console)
