"""One table for the terminal, Markdown, CSV, the page and notebooks.

The rows are findings, such as `RankedCase`, and a column reads its value from a row. Numbers stay
numbers, in seconds and bytes, until a renderer writes those that it shows. There is no pandas frame
inside: a report has a table for each of up to 20,000 settings, and a frame takes as long to make as
all other parts of a setting's report. A notebook makes one of `Table.data`.
"""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

from timelift.case import AXES, REQUIRED, Case, several_valued
from timelift.escape import NAME_LIMIT, csv_text, markdown, plain
from timelift.present.words import Unit, axis_title, three_figures


@dataclass(frozen=True)
class Column:
    """A column: what it reads from a row, and how that is shown.

    `name` is its heading for programs, `title` the one for readers, by default the same. `value`
    reads a row, by default its attribute `name`. A `number` is aligned to the right and sorted by
    size; a text is aligned to the `right` if so asked. In a narrow terminal a table of figures
    loses the column of the highest `drop_order` first, and one of 0 never; a table of words loses
    all above 1 at once. `limit` is where a text is cut everywhere; `style` colours the cell of a
    row in a terminal, in the words of rich.
    """

    name: str
    title: str | None = None
    value: Callable[[Any], Any] | None = None
    format: Callable[[Any], str] = str
    unit: Unit | None = None
    drop_order: int = 0
    number: bool = False
    right: bool = False
    limit: int = NAME_LIMIT
    style: Callable[[Any], str] | None = None

    @property
    def heading(self) -> str:
        title = self.name if self.title is None else self.title
        return f"{title} ({self.unit.name})" if self.unit else title

    def values(self, rows: Iterable[Any]) -> Iterator[Any]:
        """Return the value of each row, a time in seconds and memory in bytes."""
        return map(self.value or attrgetter(self.name), rows)

    def cells(self, rows: Iterable[Any]) -> list[str]:
        return [plain(self._text(value), self.limit) for value in self.values(rows)]

    def _text(self, value: Any) -> str:
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            return ""
        return self.format(value / self.unit.size if self.unit else value)


@dataclass(frozen=True)
class Table:
    """Columns over rows; `name` is that of its CSV file and unique on the page."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Any]
    note: str = ""

    def pick(self, *names: str) -> "Table":
        by_name = {column.name: column for column in self.columns}
        return replace(self, columns=tuple(by_name[name] for name in names))

    def up_to(self, drop_order: int) -> "Table":
        """Return the table without the columns whose `drop_order` is higher."""
        kept = (column for column in self.columns if column.drop_order <= drop_order)
        return replace(self, columns=tuple(kept))

    def without_empty_columns(self) -> "Table":
        kept = (column for column in self.columns if any(column.cells(self.rows)))
        return replace(self, columns=tuple(kept))

    @cached_property
    def cells(self) -> list[tuple[str, ...]]:
        """The cells of every row as readers see them."""
        return [*zip(*(column.cells(self.rows) for column in self.columns), strict=True)]

    @property
    def data(self) -> dict[str, list[Any]]:
        """The values of every column by its name, for a pandas frame."""
        return {column.name: [*column.values(self.rows)] for column in self.columns}


def _count_or_three_figures(value: float) -> str:
    """Write a count as it is, and any other number with three figures."""
    return str(value) if isinstance(value, int) else three_figures(value)


def number(
    name: str,
    title: str | None = None,
    value: Callable[[Any], Any] | None = None,
    format: Callable[[Any], str] = _count_or_three_figures,  # noqa: A002 - the field of a column
    **options: Any,
) -> Column:
    return Column(name, title, value, format, number=True, **options)


def markdown_lines(table: Table) -> list[str]:
    rules = ["---:" if column.number or column.right else "---" for column in table.columns]
    cells = [column.cells(table.rows) for column in table.columns]
    headings = [column.heading for column in table.columns]
    rows = ([markdown(cell) for cell in row] for row in (headings, *zip(*cells, strict=True)))
    first, *others = (f"| {' | '.join(row)} |" for row in rows)
    return [first, f"| {' | '.join(rules)} |", *others]


def csv_of_values(table: Table) -> str:
    """Return the table as CSV for programs: names as headings, numbers with all their digits."""
    rows = zip(*table.data.values(), strict=True)
    return _csv([column.name for column in table.columns], (map(_csv_cell, row) for row in rows))


def csv_as_shown(table: Table) -> str:
    """Return the table as CSV with the cells of readers; numbers lose the commas of thousands."""
    rows = (
        (
            cell.replace(",", "") if column.number else csv_text(cell)
            for column, cell in zip(table.columns, row, strict=True)
        )
        for row in table.cells
    )
    return _csv([csv_text(column.heading) for column in table.columns], rows)


def _csv(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)
    return file.getvalue()


def _csv_cell(value: object) -> object:
    """Return text that is no formula, whole numbers without a point, nothing for NaN."""
    if isinstance(value, str):
        return csv_text(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else int(value) if value.is_integer() else value
    return value


def shown_axes(cases: Iterable[Case]) -> tuple[str, ...]:
    """Return the axes of a table for readers: the rarer ones only if they have several values."""
    several = several_valued(case.setting for case in cases)
    return tuple(axis for axis in AXES if axis in REQUIRED or axis in several)


def axis_columns(setting: str, axes: Iterable[str] = AXES) -> Iterator[Column]:
    """Yield a column for each axis; the dotted path `setting` leads from a row to its setting."""
    for axis in axes:
        value = attrgetter(f"{setting}.{axis}")
        yield Column(axis, axis_title(axis), value, number=AXES[axis].kind is int)
