"""A table of the page: cells as text, which a reader sorts and filters, and a CSV file holds."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from timelift.escape import csv_text


@dataclass(frozen=True)
class Heading:
    """A column: numbers are sorted by size, and a column that is `asked` has a filter."""

    title: str
    number: bool = False
    asked: bool = False


@dataclass(frozen=True)
class Table:
    """Headings and rows; `name` is that of its CSV file and unique on the page."""

    name: str
    title: str
    headings: tuple[Heading, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    @property
    def choices(self) -> dict[int, tuple[str, ...]]:
        """The values of every column that has a filter and more than one of them."""
        found = {}
        for place, heading in enumerate(self.headings):
            values = {row[place] for row in self.rows} if heading.asked else set()
            if len(values) > 1:
                found[place] = tuple(sorted(values, key=_number if heading.number else str))
        return found

    def csv(self) -> str:
        """Write the table for programs, numbers without the commas of thousands."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(csv_text(heading.title) for heading in self.headings)
        for row in self.rows:
            writer.writerow(
                cell.replace(",", "") if heading.number else csv_text(cell)
                for heading, cell in zip(self.headings, row, strict=True)
            )
        return file.getvalue()


def _number(cell: str) -> tuple[float, str]:
    """Put numbers in order, and what is none behind them."""
    try:
        return float(cell.replace(",", "")), cell
    except ValueError:
        return float("inf"), cell
