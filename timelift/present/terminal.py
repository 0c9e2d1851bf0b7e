"""A document in a terminal, by rich; plain text for a file or a pipe."""

import io
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table as Grid
from rich.text import Text

from timelift.analyse.left_out import Kind
from timelift.escape import plain
from timelift.present.document import SCREEN_LINES, Block, Document, Line
from timelift.present.tables import Column, Table

#: The most columns of a text; a narrower terminal has more lines.
SCREEN_WIDTH = 80
#: Blanks between two columns of figures, and of words.
_GAP, _NARROW_GAP = 3, 2
#: Letters in a line of a heading of words, and the most in a line of a cell, but for the last one.
_LONGEST_HEADING, _WIDEST = 18, 32
#: The colours of labels: what one may have to do something about.
_STYLES = dict.fromkeys((Kind.FAILED, Kind.GIVEN_UP, "warning"), "yellow")
#: Columns of a text for a file or a pipe.
_PLAIN_WIDTH = 140
#: Columns of a line that is never broken.
_NO_LIMIT = 10_000
#: What is not broken at the end of a line: an interval, a share.
_UNBROKEN = re.compile(r"\[[^\[\]]{1,24}\]|\S+ %")


def show(document: Document, *, at_length: bool = False) -> None:
    """Print a document on the standard output, of which a file or a pipe has a fixed width."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PLAIN_WIDTH
    _print(document, console, at_length=at_length)
    sys.stdout.flush()


def to_text(
    document: Document, width: int = SCREEN_WIDTH, *, colour: bool = False, at_length: bool = False
) -> str:
    """Return what a terminal of this width shows."""
    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=colour, no_color=not colour, highlight=False
    )
    _print(document, console, at_length=at_length)
    return text.getvalue()


def as_comments(document: Document) -> Iterator[str]:
    """Yield the lines of a document as comments of Python."""
    yield from (f"# {line}".rstrip() for line in to_text(document).splitlines())


def _print(document: Document, console: Console, *, at_length: bool) -> None:
    """Print all of a document, or as much of it as a screen has room for."""
    layout, document = _Layout(console, at_length=at_length), document.shown(at_length=at_length)
    most = 0 if at_length else max((block.size for block in document.blocks), default=0)
    room = SCREEN_LINES * SCREEN_WIDTH // layout.width
    lines = [*layout.lines(document if at_length else document.up_to(most))]
    while document.fits_a_screen and len(lines) > room and most:
        most -= 1
        lines = [*layout.lines(document.up_to(most))]
    console.print(Segments([*_without_ends(lines)]), end="", soft_wrap=True)


def _without_ends(lines: Iterable[Sequence[Segment]]) -> Iterator[Segment]:
    """Yield the lines without the blanks at their ends."""
    for line in lines:
        kept = [*line]
        while kept and not kept[-1].text.strip():
            kept.pop()
        *before, last = kept or [Segment("")]
        yield from (*before, Segment(last.text.rstrip(), last.style), Segment.line())


class _Layout:
    """The lines of a document on a console: words in at most 80 columns, figures in all of them."""

    def __init__(self, console: Console, *, at_length: bool = False) -> None:
        self._console, self._at_length = console, at_length
        self.width = min(console.width, SCREEN_WIDTH)
        self._most = self.width  # of a table of words

    def lines(self, document: Document) -> Iterator[Sequence[Segment]]:
        """Yield the lines of a document, an empty one between its parts."""
        self._most = self.width if document.fits_a_screen else self._console.width
        is_first = True
        for part in self._parts(document):
            lines = [line for shown in part for line in self._rendered(shown)]
            yield from lines if is_first or not lines else ([], *lines)
            is_first = is_first and not lines

    def _rendered(self, shown: RenderableType) -> list[list[Segment]]:
        """Return a table as wide as the console, a text less wide, a command as wide as it is."""
        width = self._console.width
        if isinstance(shown, Text):
            width = _NO_LIMIT if shown.no_wrap else self.width
        options = self._console.options.update(width=width)
        return self._console.render_lines(shown, options, pad=False)

    def _parts(self, document: Document) -> Iterator[list[RenderableType]]:
        state = self._wrapped(document.state, "yellow")
        yield [*state, *self._wrapped(document.top)]
        yield [*self._answer(plain(document.answer), plain(document.below))]
        blocks = itertools.groupby(document.blocks, attrgetter("has_lines_alone"))
        for has_lines_alone, group in blocks:
            if has_lines_alone:  # their labels stand below each other
                yield [*self._labelled([line for block in group for line in block.lines])]
            else:
                yield from ([*self._block(block)] for block in group)

    def _answer(self, answer: str, below: str) -> Iterator[Text]:
        """Yield the lines of the answer, its first sentence bold."""
        bold = len(answer)
        for line in self._wrapped(f"{answer} {below}".strip()):
            line.stylize("bold", 0, max(bold, 0))
            bold -= len(line) + 1  # the blank where it was broken
            yield line

    def _block(self, block: Block) -> Iterator[RenderableType]:
        indent = "  " if block.heading else ""
        yield from self._wrapped(block.heading, "bold")
        if block.table and block.table.rows:
            yield self._table(block.table)
        yield from self._labelled(block.lines, indent)
        for sentence in block.sentences:
            yield from self._wrapped(sentence, first=indent, rest=f"{indent}  ")
        for command in block.commands:  # whole, for a reader to copy it
            yield Text(f"  {plain(command)}", no_wrap=True)

    def _labelled(self, lines: Sequence[Line], indent: str = "") -> Iterator[Text]:
        """Yield each text beside its label, which stands once where several have it."""
        wide = max((cell_len(plain(line.label)) for line in lines), default=0)
        column = min(wide, self.width // 2) + _NARROW_GAP
        shown = ""
        for line in lines:
            label, style = plain(line.label), _STYLES.get(line.label, "")
            text = line.written(at_length=self._at_length)
            first = rest = indent + " " * column
            if label != shown and cell_len(label) + _NARROW_GAP > column:
                yield from self._wrapped(label, style, indent, indent)
            elif label != shown:
                first = f"{indent}{label}{' ' * (column - cell_len(label))}"
            yield from self._wrapped(text, style, first, rest) or [Text(first, style)]
            shown = label

    def _wrapped(self, text: str, style: str = "", first: str = "", rest: str = "") -> list[Text]:
        """Wrap a text between words; an interval, or a share, counts as one word."""
        unbroken = _UNBROKEN.sub(lambda found: found[0].replace(" ", "\xa0"), plain(text))
        lines = textwrap.wrap(
            unbroken,
            self.width,
            initial_indent=first,
            subsequent_indent=rest,
            break_on_hyphens=False,
        )
        return [Text(line.replace("\xa0", " "), style, overflow="fold") for line in lines]

    def _table(self, table: Table) -> RenderableType:
        if any(column.number or column.right for column in table.columns):
            return _figures(table, self._console.width)
        return _words(table, self.width, self._most)


# Tables ------------------------------------------------------------------------------------------


def _words(table: Table, width: int, most: int) -> RenderableType:
    """Return a table of words in `width` columns, or in at most so many if it needs them.

    It loses the columns whose `drop_order` is above 1 if there is too little room. Each column is
    as wide as its texts, except for the last one, which has the remaining room.
    """
    for shown, limit in ((table, width), (table, most), (table.up_to(1), width)):
        headings = [_heading(column) for column in shown.columns]
        cells = [column.cells(table.rows) for column in shown.columns]
        texts = [[*heading, *own] for heading, own in zip(headings, cells, strict=True)]
        widths = [min(max(map(cell_len, own)), _WIDEST) for own in texts[:-1]]
        room = limit - sum(widths) - _NARROW_GAP * len(widths)
        words = [cell_len(word) for text in headings[-1] for word in text.split()]
        if room >= max(words + [_least_width(text) for text in cells[-1]]):
            return _grid(shown, [*widths, room])
    return _stacked(table)


def _least_width(text: str) -> int:
    """Return the columns that a text needs: a long one those of its longest word."""
    whole = cell_len(text)
    return whole if whole <= _LONGEST_HEADING else max(map(cell_len, text.split()))


def _heading(column: Column) -> list[str]:
    return textwrap.wrap(plain(column.heading), _LONGEST_HEADING)


def _grid(table: Table, widths: Iterable[int]) -> Grid:
    grid = Grid(box=None, padding=(0, _NARROW_GAP, 0, 0), pad_edge=False, header_style="dim")
    for column, wide in zip(table.columns, widths, strict=True):
        grid.add_column(Text("\n".join(_heading(column))), width=wide, overflow="fold")
    for row in _styled(table):
        grid.add_row(*row)
    return grid


def _styled(table: Table) -> Iterator[tuple[Text, ...]]:
    """Yield the cells of each row."""
    for row, cells in zip(table.rows, table.cells, strict=True):
        pairs = zip(table.columns, cells, strict=True)
        yield tuple(Text(cell, column.style(row) if column.style else "") for column, cell in pairs)


def _stacked(table: Table) -> Group:
    """Return the table for little room: the cells of a row below each other."""
    parts: list[RenderableType] = []
    title = plain(table.columns[0].heading)
    for name, *rest in _styled(table):
        parts += [Text(f"{title}: {name}", "bold", overflow="fold")] if name.plain else []
        for column, cell in zip(table.columns[1:], rest, strict=True):
            line = Text.assemble(f"{plain(column.heading)}: ", cell, overflow="fold")
            parts += [Padding.indent(line, 2)] if cell.plain else []
    return Group(*parts)


def _figures(table: Table, width: int) -> Grid:
    """Return a table of figures, without the least important columns if they do not fit.

    If the others do not fit either, the names of the first column have several lines.
    """
    wide = {
        column.name: _GAP + max(map(cell_len, [column.heading, *column.cells(table.rows)]))
        for column in table.columns
    }
    columns = [*table.columns]
    while sum(wide[column.name] for column in columns) > width + _GAP:
        least = max(columns, key=attrgetter("drop_order"))
        if least.drop_order == 0:
            break
        columns.remove(least)
    grid = Grid(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, border_style="dim")
    first, *others = columns
    grid.add_column(Text(first.heading), overflow="fold")
    for column in others:
        grid.add_column(Text(column.heading), justify="right", no_wrap=True)
    for row in _styled(replace(table, columns=tuple(columns))):
        grid.add_row(*row)
    return grid
