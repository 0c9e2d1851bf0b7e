"""The scoreboard: the one printer of the studies' figures, and the bounds that these must keep."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from studies import write
from timelift.selftest.trust import Proportion

#: A word, a figure, hits among tries, or nothing.
Cell = str | float | Proportion | None
Row = Sequence[Cell]
#: The form of a share that is written as its two numbers.
OF = "of"
_NONE, _GAP = "-", "  "


@dataclass(frozen=True)
class Column:
    """A title, the format of its figures, the least width, and the bounds that they must keep."""

    title: str
    form: str = ""
    width: int = 0
    least: float = -math.inf
    most: float = math.inf

    def text(self, cell: Cell) -> str:
        """Write a cell; a figure that is not known is a dash."""
        if isinstance(cell, str):
            return cell
        if isinstance(cell, Proportion) and self.form == OF:
            return f"{cell.hits:,} of {cell.tries:,}"
        value = cell.value if isinstance(cell, Proportion) else cell
        return _NONE if value is None or math.isnan(value) else format(value, self.form)

    def is_wrong(self, cell: Cell) -> bool:
        """True if the cell is a figure out of bounds; few tries may be too few by chance."""
        if isinstance(cell, Proportion):
            return cell.tries > 0 and (cell.at_most < self.least or cell.value > self.most)
        known = isinstance(cell, int | float) and not math.isnan(cell)
        return known and not self.least <= float(cell or 0) <= self.most


@dataclass(frozen=True)
class Scoreboard:
    """Columns, `words` of which at the left hold words, and a legend below.

    Only rows that are bound must keep the bounds of the columns.
    """

    columns: Sequence[Column]
    legend: str = ""
    words: int = 1
    is_bound: Callable[[Row], bool] = lambda _: True

    def show(self, rows: Iterable[Row]) -> int:
        """Print every row as it comes, and the legend; return 1 if a figure is out of bounds.

        The columns of a list of rows are as wide as its cells need.
        """
        board = self._fitted(rows) if isinstance(rows, Sequence) else self
        write(board.line([column.title for column in self.columns]))
        wrong: list[str] = []
        for row in rows:
            write(board.line(row))
            wrong += self.complaints(row)
        sys.stdout.write(self.legend)
        sys.stderr.writelines(f"{complaint}\n" for complaint in wrong)
        return int(bool(wrong))

    def complaints(self, row: Row) -> Iterator[str]:
        for column, cell in zip(self.columns, row, strict=True):
            if self.is_bound(row) and column.is_wrong(cell):
                name = " ".join(map(str, row[: self.words]))
                bounds = (("at least", column.least), ("at most", column.most))
                asked = [f"{word} {end:g}" for word, end in bounds if math.isfinite(end)]
                yield (
                    f"{name}: {column.title}: expected {' and '.join(asked)}, "
                    f"found {column.text(cell)}"
                )

    def line(self, row: Row) -> str:
        """Lay a row out: words to the left, figures to the right."""
        cells = [
            column.text(cell).ljust(column.width)
            if place < self.words
            else column.text(cell).rjust(max(column.width, len(column.title)))
            for place, (column, cell) in enumerate(zip(self.columns, row, strict=True))
        ]
        return _GAP.join(cells).rstrip()

    def markdown(self, rows: Iterable[Row]) -> Iterator[str]:
        rule = ["---" if place < self.words else "---:" for place in range(len(self.columns))]
        titles = [column.title for column in self.columns]
        for row in (titles, rule, *rows):
            cells = (column.text(cell) for column, cell in zip(self.columns, row, strict=True))
            yield f"| {' | '.join(cells)} |"

    def _fitted(self, rows: Iterable[Row]) -> "Scoreboard":
        table = [[column.title for column in self.columns], *rows]
        widths = [
            max(len(column.text(cell)) for cell in cells)
            for column, cells in zip(self.columns, zip(*table, strict=True), strict=True)
        ]
        pairs = zip(self.columns, widths, strict=True)
        return replace(self, columns=[replace(column, width=width) for column, width in pairs])
