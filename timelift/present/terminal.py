"""The report in a terminal, or as plain text where the output is none."""

import os
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from timelift.escape import NAME_LIMIT, plain
from timelift.present.table import Column, Report, SettingTable

#: Blanks between two columns.
_GAP = 3
_LEAST_NAME = 8
#: Columns of a text that goes to a file or a pipe.
PLAIN_WIDTH = 140


def console(width: int | None = None) -> Console:
    """Open the standard output; its width is the terminal's unless told otherwise."""
    found = Console(width=width, highlight=False)
    if width is None and not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = PLAIN_WIDTH
    return found


def show(report: Report, console: Console) -> None:
    """Print the head, every setting, and what was wrong with the file."""
    for label, text in report.head:
        show_line(console, f"{label:>9}  ", text)
    for table in report.tables:
        _show_setting(table, console)
    if report.meanings:
        console.print(
            "\nwhat each strategy means for layers that are more than a function", style="bold"
        )
    for name, meaning in report.meanings:
        show_line(console, f"  {plain(name, NAME_LIMIT)}  ", meaning)
    for warning in report.warnings:
        show_line(console, "warning: ", warning, "yellow")


def show_line(console: Console, label: str, text: str, style: str = "dim") -> None:
    """Print a label and, beside it, a text that wraps under its own beginning."""
    line = Table.grid(padding=0)
    line.add_column(no_wrap=True, style=style)
    line.add_column(overflow="fold")
    line.add_row(Text(plain(label)), Text(plain(text)))
    console.print(line)


def _show_setting(table: SettingTable, console: Console) -> None:
    console.print()
    console.print(Text(plain(table.setting.label), "bold"), no_wrap=True, overflow="ellipsis")
    if table.columns:
        text = laid_out(table.columns, console, dict.fromkeys(table.fastest, "green"))
        console.print(text, no_wrap=True, overflow="ellipsis")
    for note in table.notes:
        console.print(Padding.indent(Text(plain(note)), 2))


def laid_out(columns: Sequence[Column], console: Console, styles: Mapping[str, str]) -> Text:
    """Lay out columns as one text, each row in the style of the name that it begins with.

    Rich's own tables take longer than everything else here.
    """
    width, line = console.width, "-" if console.options.ascii_only else "─"
    names, *numbers = _fitting(columns, width)
    widths = [_width(column) for column in numbers]
    room = min(_width(names), max(_LEAST_NAME, width - sum(_GAP + one for one in widths)))
    titles = zip((column.title for column in numbers), widths, strict=True)
    text = Text(_row(names.title, room, titles), "bold")
    text.append(f"\n{line * cell_len(text.plain)}", "dim")
    for place, name in enumerate(names.cells):
        cells = zip((column.cells[place] for column in numbers), widths, strict=True)
        text.append(f"\n{_row(name, room, cells)}", f"not bold {styles.get(name, '')}")
    return text


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Give the columns that the width has room for, dropping the least important first."""
    left = list(columns)
    while sum(_GAP + _width(column) for column in left) - _GAP > width:
        least = max(left, key=lambda column: column.rank)
        if least.rank == 0:
            break
        left.remove(least)
    return left


def _width(column: Column) -> int:
    return max(cell_len(plain(text, NAME_LIMIT)) for text in (column.title, *column.cells))


def _row(name: str, room: int, cells: Iterable[tuple[str, int]]) -> str:
    """Write a row; in very little room the name is cut, never a number."""
    shown = plain(name, NAME_LIMIT)
    if cell_len(shown) > room:
        shown = f"{set_cell_size(shown, room - 1)}…"
    right = ((" " * (_GAP + width - cell_len(cell)), cell) for cell, width in cells)
    return set_cell_size(shown, room) + "".join(blank + cell for blank, cell in right)


def show_lines(lines: Iterable[str], console: Console) -> None:
    """Print lines below the tables, the first as their heading."""
    for place, line in enumerate(lines):
        text = Text(plain(line), "bold" if place == 0 else "")
        console.print(Text("\n") + text if place == 0 else text, overflow="fold")
