"""The report in a terminal, or as plain text where the output is none."""

import os
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from timelift.escape import NAME_LIMIT, plain
from timelift.present.report import Report, SettingTable
from timelift.present.tables import Table

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


def show_report(report: Report, console: Console) -> None:
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
    line = Grid.grid(padding=0)
    line.add_column(no_wrap=True, style=style)
    line.add_column(overflow="fold")
    line.add_row(Text(plain(label)), Text(plain(text)))
    console.print(line)


def _show_setting(table: SettingTable, console: Console) -> None:
    show_heading(console, table.setting.label)
    if table.table:
        green = dict.fromkeys(table.fastest, "green")
        styles = [green.get(name, "") for name in table.table.columns[0].values(table.table.rows)]
        show_table(table.table, console, styles)
    for note in table.notes:
        show_note(console, note)


def show_table(table: Table, console: Console, styles: Sequence[str] = ()) -> None:
    """Print a table as one text, each row in its style, without columns that have no room.

    Rich's own tables take longer than everything else here.
    """
    width, line = console.width, "-" if console.options.ascii_only else "─"
    fitting = _fitting(table, width)
    longest, *widths = (wide for _, wide, _ in fitting)
    room = min(longest, max(_LEAST_NAME, width - sum(_GAP + wide for wide in widths)))
    rows = zip(*(texts for _, _, texts in fitting), strict=True)
    heading, *lines = (_row(name, room, zip(cells, widths, strict=True)) for name, *cells in rows)
    text = Text(heading, "bold")
    text.append(f"\n{line * cell_len(heading)}", "dim")
    for shown, style in zip(lines, styles or [""] * len(lines), strict=True):
        text.append(f"\n{shown}", f"not bold {style}")
    console.print(text, no_wrap=True, overflow="ellipsis")


def _fitting(table: Table, width: int) -> list[tuple[int, int, list[str]]]:
    """Return order, width and texts of the columns that have room, without the least important."""
    left = []
    for one in table.columns:
        texts = [one.heading, *one.cells(table.rows)]
        left.append((one.drop_order, max(map(cell_len, texts)), texts))
    while sum(_GAP + wide for _, wide, _ in left) - _GAP > width:
        least = max(left, key=lambda column: column[0])
        if least[0] == 0:
            break
        left.remove(least)
    return left


def _row(name: str, room: int, cells: Iterable[tuple[str, int]]) -> str:
    """Return a row; in very little room the name is cut, never a number."""
    shown = f"{set_cell_size(name, room - 1)}…" if cell_len(name) > room else name
    right = ((" " * (_GAP + width - cell_len(cell)), cell) for cell, width in cells)
    return set_cell_size(shown, room) + "".join(blank + cell for blank, cell in right)


def show_heading(console: Console, text: str) -> None:
    """Print the heading of what follows, after a blank line."""
    console.print()
    console.print(Text(plain(text), "bold"), no_wrap=True, overflow="ellipsis")


def show_note(console: Console, text: str) -> None:
    """Print a sentence below a table."""
    console.print(Padding.indent(Text(plain(text)), 2))
