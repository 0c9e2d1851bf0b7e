"""What another backend, device or mode costs: lines for the terminal, a table, all of it as CSV.

Names are as the file wrote them: a renderer escapes them for its place.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter

from timelift.analyse.across import ExecutionPair
from timelift.analyse.stats.verdicts import Comparison
from timelift.present.conditions import modes
from timelift.present.tables import Column, Table, axis_columns, csv_of_values, number, varying
from timelift.present.units import three_figures

#: So many settings of an axis are in the terminal; the CSV has the rest.
SETTINGS = 4
_PLURALS = {"backend": "backends", "device": "devices", "mode": "modes", "threads": "threads"}


def lines(found: Sequence[ExecutionPair]) -> Iterator[str]:
    """Return it in a few lines, an axis after the other."""
    for axis, of_axis in itertools.groupby(found, key=lambda pair: pair.axis):
        yield from _axis(axis, list(of_axis))


def _axis(axis: str, found: Sequence[ExecutionPair]) -> Iterator[str]:
    usual = " or ".join(dict.fromkeys(str(pair.values[0]) for pair in found))
    yield (
        f"across {_PLURALS[axis]}: times the seconds a call takes with {usual}, "
        "with the 95 % interval over launches"
    )
    if axis in {"backend", "mode"}:
        yield f"  {meaning(found)}"
    by_setting: dict[str, dict[str, list[ExecutionPair]]] = {}
    for pair in found:
        strategies = by_setting.setdefault(pair.usual.setting.label, {})
        strategies.setdefault(pair.usual.strategy, []).append(pair)
    for label, strategies in itertools.islice(by_setting.items(), SETTINGS):
        yield f"  {label}"
        yield from _rows(strategies)
    if len(by_setting) > SETTINGS:
        yield f"  and {len(by_setting) - SETTINGS} more settings: see across.csv"


def meaning(found: Iterable[ExecutionPair]) -> str:
    """Return what each mode that occurs is called on each backend."""
    return modes(case.setting for pair in found for case in (pair.usual, pair.other))


def _rows(strategies: dict[str, list[ExecutionPair]]) -> Iterator[str]:
    widest = max(map(len, strategies))
    cells = {name: [_cell(pair) for pair in pairs] for name, pairs in strategies.items()}
    columns = itertools.zip_longest(*cells.values(), fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    for name, row in cells.items():
        padded = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        yield f"    {name:{widest}}  {'   '.join(padded)}".rstrip()


def _cell(pair: ExecutionPair) -> str:
    return f"{pair.values[1]} {ratio(pair.comparison)} {pair.comparison.verdict}"


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
            Column("axis", asked=True),
            Column("usual", value=lambda pair: pair.values[0], asked=True),
            Column("other", value=lambda pair: pair.values[1], asked=True),
            number("ratio", "times as long", _times("effect"), "{:.3f}".format),
            number("low", "from", _times("low"), "{:.3f}".format),
            number("high", "to", _times("high"), "{:.3f}".format),
            number("launches", value=attrgetter("comparison.launches")),
            Column("verdict", value=attrgetter("comparison.verdict"), asked=True),
            Column("strategy", value=attrgetter("usual.strategy"), asked=True),
            *axis_columns(attrgetter("usual.setting")),
        ),
        found,
        f"{meaning(found)}. Intervals are 95 %, over launches: the two are timed seconds apart, in "
        "processes of their own",
    )


def _times(name: str) -> Callable[[ExecutionPair], float]:
    return lambda pair: math.exp(getattr(pair.comparison, name))


def sheets(found: Sequence[ExecutionPair]) -> dict[str, str]:
    """Return every pair as CSV, by file name; none where everything was executed in one way."""
    return {"across.csv": csv_of_values(across(found))} if found else {}


def page_tables(found: Sequence[ExecutionPair]) -> tuple[Table, ...]:
    """Return the table as the page shows it, if it has a row."""
    if not found:
        return ()
    axes = varying(pair.usual for pair in found)
    names = ("strategy", "axis", "usual", "other", *axes, "ratio", "low", "high", "verdict")
    return (across(found).pick(*names),)
