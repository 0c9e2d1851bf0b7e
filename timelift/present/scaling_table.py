"""Exponents and crossovers: a few lines in the terminal, all of them on the page and as CSV.

Names are as the file wrote them: a renderer escapes them for its place.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from timelift.analyse.scaling import Scaling
from timelift.analyse.scaling.family import without_size
from timelift.analyse.scaling.growth import Exponent, Kind
from timelift.analyse.scaling.overtaking import Crossover
from timelift.case import AXES, Setting
from timelift.present.tables import Column, Table, axis_columns, csv_of_values, number, varying
from timelift.present.units import three_figures

#: So many families are in the terminal; the CSV has the rest.
FAMILIES = 4
_UNITS = {"seq_len": "steps", "batch": "sequences"}
_NAMES = {"seq_len": "sequence length", "batch": "batch"}
_SHORT = {"seq_len": "length", "batch": "batch"}

#: What the members of a family share, and the axis in which they differ.
_Key = tuple[str, Setting]


def lines(found: Scaling) -> Iterator[str]:
    """Return both in a few lines, families of many sizes first."""
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
        groups.setdefault((axis, without_size(setting, axis)), []).append(one)
    return groups


def _family(found: Sequence[Exponent], turns: Sequence[Crossover]) -> Iterator[str]:
    yield f"{_label(found)}, by {_NAMES[found[0].axis]}"
    widest = max(len(one.case.strategy) for one in found)
    for one in sorted(found, key=lambda one: (math.isnan(one.p), one.p)):
        yield f"  {one.case.strategy:{widest}}  {_power(one)}"
    yield from _leads(turns, prefix="  ")


def _leads(turns: Iterable[Crossover], prefix: str) -> Iterator[str]:
    """Return a line for each size at which the fastest changes."""
    for one in turns:
        if one.leads:
            yield f"{prefix}{crossing_in_words(one)}"


def crossing_in_words(one: Crossover) -> str:
    """Return one crossover as a sentence: which strategy overtakes which, and where."""
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
    """Return the label of the setting with the range of its sizes."""
    sizes = sorted({size for one in found for size in one.sizes})
    setting = found[0].case.setting
    letter = {"seq_len": "T", "batch": "B"}[found[0].axis]
    rest = setting.label.removeprefix(setting.workload)
    size = f"-{letter}{getattr(setting, found[0].axis)}-"
    span = f"{sizes[0]}…{sizes[-1]}" if sizes else ""
    return setting.workload + rest.replace(size, f"-{letter}{span}-", 1)


def exponents(found: Sequence[Exponent]) -> Table:
    """Return one row a strategy and family; `bend` in steps or sequences, `misfit` as a share."""
    return Table(
        "exponents",
        "How time grows: c0 + c1 n^p",
        (
            Column("axis", "by", format=_SHORT.__getitem__, asked=True),
            Column("strategy", value=attrgetter("case.strategy"), asked=True),
            *axis_columns(attrgetter("case.setting")),
            Column("sizes", value=lambda one: " ".join(map(str, one.sizes))),
            Column("kind", "rests on", asked=True),
            number("launches"),
            number("p", format="{:.2f}".format),
            number("low", "p from", format="{:.2f}".format),
            number("high", "p to", format="{:.2f}".format),
            number("bend", "bends at"),
            number("bend_low", "bend from"),
            number("bend_high", "bend to"),
            number("misfit", format="{:.1%}".format),
        ),
        found,
        "The axes are those of the smallest size. Below the bend the overhead costs more than the "
        "work. Intervals are 95 %, over launches.",
    )


def crossovers(found: Sequence[Crossover]) -> Table:
    """Return one row a crossover, its sizes in steps or sequences."""
    return Table(
        "crossovers",
        "Who overtakes whom",
        (
            Column("axis", "by", format=_SHORT.__getitem__, asked=True),
            Column("first", "faster before", asked=True),
            Column("then", "faster from there on", asked=True),
            number("size", "at"),
            number("low", "from"),
            number("high", "to"),
            Column("leads", "changes the answer", format=_yes_or_no, asked=True),
            *axis_columns(attrgetter("setting")),
        ),
        found,
        "In steps or sequences, with 95 % intervals over launches; never beyond what was measured.",
    )


def _yes_or_no(value: object) -> str:
    return "yes" if value else "no"


def sheets(found: Scaling) -> dict[str, str]:
    """Return both as CSV, by file name; none where a run has one size of everything."""
    if not found.exponents:
        return {}
    return {
        "scaling.csv": csv_of_values(exponents(found.exponents)),
        "crossovers.csv": csv_of_values(crossovers(found.crossovers)),
    }


def page_tables(found: Scaling) -> tuple[Table, ...]:
    """Return both as the page shows them, if they have a row."""
    grown, turns = exponents(found.exponents), crossovers(found.crossovers)
    ends = ("bend", "bend_low", "bend_high")
    axes = varying(one.case for one in found.exponents)
    several = [axis for axis in AXES if axis not in _SHORT and _vary(found.crossovers, axis)]
    made = (
        grown.pick("strategy", "axis", *axes, "kind", "p", "low", "high", *ends),
        turns.pick("axis", "first", "then", *several, "size", "low", "high", "leads"),
    )
    return tuple(table for table in made if table.rows)


def _vary(found: Iterable[Crossover], axis: str) -> bool:
    return len({getattr(one.setting, axis) for one in found}) > 1
