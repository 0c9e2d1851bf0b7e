"""What another backend, device or mode costs: lines for the terminal, all of it as CSV.

Names are as the file wrote them: whoever shows a line escapes it for the place.
"""

import csv
import io
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence

from timelift.analyse.across import Pair
from timelift.analyse.stats.verdicts import Comparison
from timelift.case import AXES
from timelift.escape import csv_text
from timelift.present.execution import modes
from timelift.present.units import three_figures

#: So many settings of an axis are in the terminal; the CSV has the rest.
SETTINGS = 4
_PLURALS = {"backend": "backends", "device": "devices", "mode": "modes", "threads": "threads"}


def lines(found: Sequence[Pair]) -> Iterator[str]:
    """Say it in a few lines, an axis after the other."""
    for axis, of_axis in itertools.groupby(found, key=lambda pair: pair.axis):
        yield from _axis(axis, list(of_axis))


def _axis(axis: str, found: Sequence[Pair]) -> Iterator[str]:
    usual = " or ".join(dict.fromkeys(str(pair.values[0]) for pair in found))
    yield (
        f"across {_PLURALS[axis]}: times the seconds a call takes with {usual}, "
        "with the 95 % interval over launches"
    )
    if axis in {"backend", "mode"}:
        yield f"  {meaning(found)}"
    by_setting: dict[str, dict[str, list[Pair]]] = {}
    for pair in found:
        strategies = by_setting.setdefault(pair.usual.setting.label, {})
        strategies.setdefault(pair.usual.strategy, []).append(pair)
    for label, strategies in itertools.islice(by_setting.items(), SETTINGS):
        yield f"  {label}"
        yield from _rows(strategies)
    if len(by_setting) > SETTINGS:
        yield f"  and {len(by_setting) - SETTINGS} more settings: see across.csv"


def meaning(found: Iterable[Pair]) -> str:
    """Say what the modes that occur are called by the users of each backend."""
    return modes(case.setting for pair in found for case in (pair.usual, pair.other))


def _rows(strategies: dict[str, list[Pair]]) -> Iterator[str]:
    widest = max(map(len, strategies))
    cells = {name: [_cell(pair) for pair in pairs] for name, pairs in strategies.items()}
    columns = itertools.zip_longest(*cells.values(), fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    for name, row in cells.items():
        padded = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        yield f"    {name:{widest}}  {'   '.join(padded)}".rstrip()


def _cell(pair: Pair) -> str:
    return f"{pair.values[1]} {ratio(pair.comparison)} {pair.comparison.verdict}"


def ratio(found: Comparison) -> str:
    """Write a ratio with its interval, if it has one; nothing is known without a common launch."""
    if not math.isfinite(found.effect):
        return "not known"
    middle = three_figures(math.exp(found.effect))
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return middle
    low, high = (three_figures(math.exp(one)) for one in (found.low, found.high))
    return f"{middle} [{low}, {high}]"


def sheets(found: Sequence[Pair]) -> dict[str, str]:
    """Write every pair as CSV, by file name; none where everything was executed in one way."""
    if not found:
        return {}
    file = io.StringIO()
    columns = ("axis", "usual", "other", "ratio", "low", "high", "launches", "verdict")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow((*columns, "strategy", *AXES))
    for pair in found:
        writer.writerow([csv_text(str(cell)) for cell in _row(pair)])
    return {"across.csv": file.getvalue()}


def _row(pair: Pair) -> list[object]:
    one, fields = pair.comparison, pair.usual.fields()
    numbers = [math.exp(value) for value in (one.effect, one.low, one.high)]
    known = ["" if math.isnan(value) else value for value in numbers]
    shared = [fields[name] for name in ("strategy", *AXES)]
    return [pair.axis, *pair.values, *known, one.launches, one.verdict, *shared]
