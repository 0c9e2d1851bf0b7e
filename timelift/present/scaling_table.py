"""Exponents and crossovers for readers: a few lines in the terminal, all of them as CSV.

Names are as the file wrote them: whoever shows a line escapes it for the place.
"""

import csv
import io
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from timelift.analyse.scaling.both import Scaling
from timelift.analyse.scaling.family import others
from timelift.analyse.scaling.overtaking import Crossover
from timelift.analyse.scaling.powers import Exponent, Kind
from timelift.case import AXES, Setting
from timelift.escape import csv_text
from timelift.present.units import three_figures

#: So many families are in the terminal; the CSV has the rest.
FAMILIES = 4
_UNITS = {"seq_len": "steps", "batch": "sequences"}
_NAMES = {"seq_len": "sequence length", "batch": "batch"}
_EXPONENT = ("p", "low", "high", "bend", "bend_low", "bend_high", "misfit")

#: What the members of a family share, and the axis in which they differ.
_Key = tuple[str, Setting]


def lines(found: Scaling) -> Iterator[str]:
    """Say it in a few lines, families of many sizes first."""
    grown = _by_family((one.axis, one.case.setting, one) for one in found.exponents)
    if not grown:
        return
    grown = dict(sorted(grown.items(), key=lambda item: -len(item[1][0].sizes)))
    turns = _by_family((one.axis, one.setting, one) for one in found.crossovers)
    yield "how time grows: p of c0 + c1 n^p, with its 95 % interval over launches"
    for key, members in itertools.islice(grown.items(), FAMILIES):
        yield from _family(members, turns.get(key, []))
    rest = list(itertools.islice(grown, FAMILIES, None))
    for key in rest:
        yield from _leads(turns.get(key, []), prefix=f"{_label(grown[key])}: ")
    if rest:
        yield f"and {len(rest)} more families of sizes: see scaling.csv"


def _by_family(found: Iterable[tuple[str, Setting, Any]]) -> dict[_Key, list[Any]]:
    groups: dict[_Key, list[Any]] = {}
    for axis, setting, one in found:
        groups.setdefault((axis, others(setting, axis)), []).append(one)
    return groups


def _family(found: Sequence[Exponent], turns: Sequence[Crossover]) -> Iterator[str]:
    yield f"{_label(found)}, by {_NAMES[found[0].axis]}"
    widest = max(len(one.case.strategy) for one in found)
    for one in sorted(found, key=lambda one: (math.isnan(one.p), one.p)):
        yield f"  {one.case.strategy:{widest}}  {_power(one)}"
    yield from _leads(turns, prefix="  ")


def _leads(turns: Iterable[Crossover], prefix: str) -> Iterator[str]:
    """Say where the fastest changes."""
    for one in turns:
        if one.leads:
            yield f"{prefix}{crossing_in_words(one)}"


def crossing_in_words(one: Crossover) -> str:
    """Say who overtakes whom, and where."""
    where = f"{three_figures(one.size)} [{three_figures(one.low)}, {three_figures(one.high)}]"
    return f"{one.then} overtakes {one.first} at {where} {_UNITS[one.axis]}"


def _power(one: Exponent) -> str:
    if one.kind is Kind.FLAT:
        return "flat: no size costs 5 % more than another"
    if one.kind is Kind.UNKNOWN:
        return "not known: measured at one size, or never at all sizes in one launch"
    interval = "" if math.isnan(one.low) else f" [{one.low:.2f}, {one.high:.2f}]"
    slope = f"  slope from {one.sizes[-2]} to {one.sizes[-1]}" if one.kind is Kind.SLOPE else ""
    ends = f"[{three_figures(one.bend_low)}, {three_figures(one.bend_high)}]"
    bend = f"  overhead until {three_figures(one.bend)} {ends} {_UNITS[one.axis]}"
    return f"{one.p:.2f}{interval}{slope}{bend if math.isfinite(one.bend) else ''}"


def _label(found: Sequence[Exponent]) -> str:
    """Write the setting with the range of its sizes."""
    sizes = sorted({size for one in found for size in one.sizes})
    setting = found[0].case.setting
    letter = {"seq_len": "T", "batch": "B"}[found[0].axis]
    rest = setting.label.removeprefix(setting.workload)
    size = f"-{letter}{getattr(setting, found[0].axis)}-"
    span = f"{sizes[0]}…{sizes[-1]}" if sizes else ""
    return setting.workload + rest.replace(size, f"-{letter}{span}-", 1)


def sheets(found: Scaling) -> dict[str, str]:
    """Write both as CSV, by file name; none where a run has one size of everything."""
    if not found.exponents:
        return {}
    written = _exponents_csv(found.exponents), _crossovers_csv(found.crossovers)
    return dict(zip(("scaling.csv", "crossovers.csv"), written, strict=True))


def _exponents_csv(found: Iterable[Exponent]) -> str:
    """Write one row a strategy and family; `bend` in steps or sequences, `misfit` as a share."""
    rows = (
        {
            **one.case.fields(),
            "axis": one.axis,
            "sizes": " ".join(map(str, one.sizes)),
            "kind": one.kind,
            "launches": one.launches,
            **{name: getattr(one, name) for name in _EXPONENT},
        }
        for one in found
    )
    return _csv(("axis", "strategy", *AXES, "sizes", "kind", "launches", *_EXPONENT), rows)


def _crossovers_csv(found: Iterable[Crossover]) -> str:
    """Write one row a crossover, its sizes in steps or sequences."""
    columns = ("axis", "first", "then", "size", "low", "high", "leads")
    rows = (
        {name: getattr(one.setting, name) for name in AXES}
        | {name: getattr(one, name) for name in columns}
        for one in found
    )
    return _csv((*columns, *AXES), rows)


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return csv_text(value)
    return "" if isinstance(value, float) and math.isnan(value) else value
