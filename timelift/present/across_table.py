"""What another backend, device or mode costs: tables for the terminal and the page, all as CSV.

Names are as the file wrote them: a renderer escapes them for its place.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter

from rich.console import Console

from timelift.analyse.across import ExecutionPair
from timelift.analyse.stats.verdicts import Comparison
from timelift.present.conditions import modes
from timelift.present.tables import Column, Table, axis_columns, csv_of_values, number, varying
from timelift.present.terminal import show_heading, show_note, show_table
from timelift.present.units import three_figures

_PLURALS = {"backend": "backends", "device": "devices", "mode": "modes", "threads": "threads"}


def show(found: Sequence[ExecutionPair], console: Console) -> None:
    """Print a table for each setting of each axis: a row a strategy, a column a way."""
    if not found:
        show_note(console, "everything was measured in one mode, on one backend and one device")
    for axis, of_axis in itertools.groupby(found, key=lambda pair: pair.axis):
        pairs = list(of_axis)
        usual = " or ".join(dict.fromkeys(str(pair.values[0]) for pair in pairs))
        what = f"times the seconds a call takes with {usual}"
        show_heading(console, f"across {_PLURALS[axis]}: {what}, with 95 % intervals over launches")
        if axis in {"backend", "mode"}:
            show_note(console, meaning(pairs))
        by_setting: dict[str, list[ExecutionPair]] = {}
        for pair in pairs:
            by_setting.setdefault(pair.usual.setting.label, []).append(pair)
        for label, of_setting in by_setting.items():
            show_heading(console, label)
            table = of_one_setting(of_setting)
            show_table(table, console)


def meaning(found: Iterable[ExecutionPair]) -> str:
    """Return what each mode that occurs is called on each backend."""
    return modes(case.setting for pair in found for case in (pair.usual, pair.other))


def of_one_setting(found: Iterable[ExecutionPair]) -> Table:
    """Return one row a strategy, and a column for every execution other than the usual one."""
    rows: dict[str, dict[str, str]] = {}
    for pair in found:
        cells = rows.setdefault(pair.usual.strategy, {})
        cells[str(pair.values[1])] = f"{ratio(pair.comparison)} {pair.comparison.verdict}"
    others = dict.fromkeys(way for cells in rows.values() for way in cells)
    columns = (Column(way, value=_cell(way), right=True) for way in others)
    strategy = Column("strategy", value=itemgetter(0))
    return Table("across", "Across", (strategy, *columns), list(rows.items()))


def _cell(way: str) -> Callable[[tuple[str, Mapping[str, str]]], str | None]:
    return lambda row: row[1].get(way)


def ratio(found: Comparison) -> str:
    """Return a ratio with its interval, if it has one; nothing is known without a common launch."""
    if not math.isfinite(found.effect):
        return "not known"
    middle = three_figures(math.exp(found.effect))
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return middle
    low, high = (three_figures(math.exp(one)) for one in (found.low, found.high))
    return f"{middle} [{low}, {high}]"


def across(found: Sequence[ExecutionPair]) -> Table:
    """Return one row a pair: what the other way of execution takes, as a multiple of the usual."""
    return Table(
        "across",
        "Each strategy beside itself, executed otherwise",
        (
            Column("axis"),
            Column("usual", value=lambda pair: pair.values[0]),
            Column("other", value=lambda pair: pair.values[1]),
            number("ratio", "times as long", _times("effect"), "{:.3f}".format),
            number("low", "from", _times("low"), "{:.3f}".format),
            number("high", "to", _times("high"), "{:.3f}".format),
            number("launches", value=attrgetter("comparison.launches")),
            Column("verdict", value=attrgetter("comparison.verdict")),
            Column("strategy", value=attrgetter("usual.strategy")),
            *axis_columns(attrgetter("usual.setting")),
        ),
        found,
        f"{meaning(found)}. Intervals are 95 %, over launches: the two are timed seconds apart, in "
        "processes of their own",
    )


def _times(name: str) -> Callable[[ExecutionPair], float]:
    return lambda pair: math.exp(getattr(pair.comparison, name))


def csv_files(found: Sequence[ExecutionPair]) -> dict[str, str]:
    """Return every pair as CSV, by file name; none where everything was executed in one way."""
    return {"across.csv": csv_of_values(across(found))} if found else {}


def page_tables(found: Sequence[ExecutionPair]) -> Iterator[Table]:
    if found:
        axes = varying(pair.usual for pair in found)
        names = ("strategy", "axis", "usual", "other", *axes, "ratio", "low", "high", "verdict")
        yield across(found).pick(*names)
