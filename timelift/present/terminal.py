"""The report in a terminal, or as plain text where the output is none."""

import io
import itertools
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table as Grid
from rich.text import Text

from timelift.escape import NAME_LIMIT, plain
from timelift.present.report import Report, SettingsTable
from timelift.present.summary import ROWS, Summary, SummaryRow
from timelift.present.tables import Table
from timelift.present.wrapping import wrapped

#: Blanks between two columns.
_GAP = 3
_LEAST_NAME = 8
#: What the end of a run has at most, however wide the terminal is; in fewer columns more lines.
SUMMARY_WIDTH, SUMMARY_LINES = 80, 25
#: Blanks between two columns of the summary's table.
_BETWEEN = 2
#: A heading of so many letters stays on one line, and a word of so many is not broken.
_LONG_WORD, _UNBROKEN = 14, 16
#: A longer heading has a wider column.
_HEADING_LINES = 3
#: Columns of a workload's name in the summary's table.
_LONGEST_NAME = 18
#: In fewer columns the summary's table leaves out what is least important, or is none.
_WIDE, _TABLE_WIDTH = 72, 60
_NOTE_STYLES = {"failed": "yellow", "file": "yellow"}
#: Columns of a text that goes to a file or a pipe.
PLAIN_WIDTH = 140


def console(width: int | None = None) -> Console:
    """Open the standard output; its width is the terminal's unless told otherwise."""
    found = Console(width=width, highlight=False)
    if width is None and not found.is_terminal and "COLUMNS" not in os.environ:
        found.width = PLAIN_WIDTH
    return found


def summary_text(found: Summary, width: int, *, colour: bool) -> str:
    """Return the end of a run as a terminal shows it, for another program to print."""
    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=colour, no_color=not colour, highlight=False
    )
    show_summary(found, console)
    return text.getvalue()


def show_summary(found: Summary, console: Console) -> None:
    """Print the end of a run in a screenful, whatever the width."""
    width = min(console.width, SUMMARY_WIDTH)
    options = console.options.update(width=width)
    room = SUMMARY_LINES * SUMMARY_WIDTH // width
    brief, most = found.in_brief(), min(len(found.table.rows), ROWS)
    without_price = replace(brief, table=brief.table.up_to(1))
    shorter = (one.up_to(rows) for rows in range(most, -1, -1) for one in (brief, without_price))
    for one in itertools.chain([found.up_to(most)], shorter):
        lines = console.render_lines(_drawn(one, width), options, pad=False)
        if len(lines) <= room:
            break
    _print_lines(lines, console)


def _drawn(found: Summary, width: int) -> Group:
    blank, notes = Text(""), _notes(found.notes)
    state = Text(f"{plain(found.state)}\n" if found.state else "", "yellow")
    top = Text.assemble(state, plain(found.top))
    if not found.table.rows:
        return Group(top, blank, notes)
    if width < _TABLE_WIDTH:
        return Group(top, blank, _stacked(found), blank, notes)
    return Group(top, blank, _summary_grid(found, width), blank, notes)


def show_notes(notes: Iterable[tuple[str, str]], console: Console) -> None:
    """Print labels and texts, which wrap beside their labels."""
    options = console.options.update(width=min(console.width, SUMMARY_WIDTH))
    _print_lines(console.render_lines(_notes(notes), options, pad=False), console)


def screenful(versions: Iterable[Iterable[str]], width: int, lines_below: int = 0) -> list[str]:
    """Return the lines of the first of these texts that fits in a screenful, else of the last.

    Each sentence wraps below its beginning. So many lines are kept for what stands below.
    """
    width = min(width, SUMMARY_WIDTH)
    room, lines = (SUMMARY_LINES - lines_below) * SUMMARY_WIDTH // width, [""]
    for texts in versions:
        lines = [line for text in texts for line in _hanging(plain(text), width)]
        if len(lines) <= room:
            break
    return lines


def _hanging(text: str, width: int) -> Iterable[str]:
    first, *others = wrapped(text, width - _BETWEEN) or ("",)
    return first, *(" " * _BETWEEN + line for line in others)


def _print_lines(lines: Iterable[Sequence[Segment]], console: Console) -> None:
    """Print lines without the blanks at their ends."""
    shown: list[Segment] = []
    for line in lines:
        kept = [*line]
        while kept and not kept[-1].text.strip():
            kept.pop()
        *before, last = kept or [Segment("")]
        shown += [*before, Segment(last.text.rstrip(), last.style), Segment.line()]
    console.print(Segments(shown), end="")


def _notes(notes: Iterable[tuple[str, str]]) -> Grid:
    grid = Grid.grid(padding=(0, _BETWEEN, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in notes:
        grid.add_row(Text(label), Text(plain(text)), style=_NOTE_STYLES.get(label, ""))
    return grid


def _summary_grid(found: Summary, width: int) -> Grid:
    table = found.table if width >= _WIDE else found.table.up_to(1)
    grid = Grid(box=None, padding=(0, _BETWEEN, 0, 0), pad_edge=False, header_style="dim")
    widths = _widths(table, width)
    for column, wide in zip(table.columns, widths, strict=True):
        grid.add_column(_cell(plain(column.heading), wide), width=wide, no_wrap=True)
    for row, (name, *cells) in zip(table.rows, table.cells, strict=True):
        write, *rest = map(_cell, cells, widths[1:])
        write.stylize(_row_style(row))
        grid.add_row(Text(name), write, *rest)
    return grid


def _cell(text: str, width: int) -> Text:
    return Text("\n".join(wrapped(text, width)))


def _widths(table: Table, width: int) -> list[int]:
    """Share the width among columns: what each wants, less where that costs the fewest lines."""
    headings = [plain(column.heading) for column in table.columns]
    cells = [column.cells(table.rows) for column in table.columns]
    words = [
        [*heading.split(), *(word[:_UNBROKEN] for text in texts for word in text.split())]
        for heading, texts in zip(headings, cells, strict=True)
    ]
    least = [
        max(_narrowest(heading), *map(cell_len, some))
        for heading, some in zip(headings, words, strict=True)
    ]
    in_two = [max(_LONG_WORD, cell_len(heading) // 2 + 1) for heading in headings]
    wanted = [
        max(min(cell_len(heading), two), *map(cell_len, texts))
        for heading, two, texts in zip(headings, in_two, cells, strict=True)
    ]
    wanted[0] = min(wanted[0], _LONGEST_NAME)
    least[0] = min(least[0], _LONG_WORD)
    shown = [[heading, *texts] for heading, texts in zip(headings, cells, strict=True)]
    return _narrowed(shown, wanted, least, width - _BETWEEN * (len(wanted) - 1))


def _narrowest(heading: str) -> int:
    """Return the least width at which a heading has not too many lines."""
    widths = range(1, cell_len(heading) + 1)
    return next((one for one in widths if len(wrapped(heading, one)) <= _HEADING_LINES), 1)


def _narrowed(
    columns: Sequence[Sequence[str]], wanted: Sequence[int], least: Sequence[int], room: int
) -> list[int]:
    """Return the widths of columns that have so much room together, if their least have."""
    widths = [*wanted]
    while sum(widths) > room:
        narrower = {
            place: [*widths[:place], wide - 1, *widths[place + 1 :]]
            for place, wide in enumerate(widths)
            if wide > least[place]
        }
        if not narrower:
            break
        costs = {place: (_height(columns, one), -widths[place]) for place, one in narrower.items()}
        widths = narrower[min(costs, key=costs.__getitem__)]
    return widths


def _height(columns: Sequence[Sequence[str]], widths: Sequence[int]) -> int:
    """Return the lines of a table; a name in its first column is cut, which counts as a line."""
    others = (
        [len(wrapped(text, wide)) for text in texts]
        for texts, wide in zip(columns[1:], widths[1:], strict=True)
    )
    cut: int = sum(cell_len(name) > widths[0] for name in columns[0])
    lines: int = sum(map(max, zip(*others, strict=True)))
    return cut + lines


def _stacked(found: Summary) -> Grid:
    """Return the table for little room: a workload's cells below each other."""
    table, grid = found.table, Grid.grid()
    grid.add_column(overflow="fold")
    for row, cells in zip(table.rows, table.cells, strict=True):
        name, write, *rest = cells
        grid.add_row(Text.assemble((f"{name}: ", "bold"), (write, _row_style(row))))
        told = zip(table.columns[2:], rest, strict=True)
        texts = (f"{plain(column.heading)}: {cell}" for column, cell in told if cell)
        for text in texts:
            grid.add_row(Padding.indent(Text(text), 2))
    return grid


def _row_style(row: SummaryRow) -> str:
    return "bold green" if row.is_safe else "bold yellow"


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


def _show_setting(table: SettingsTable, console: Console) -> None:
    show_heading(console, table.heading)
    if table.table:
        styles = ["green" if is_best else "" for is_best in table.not_shown_slower]
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
