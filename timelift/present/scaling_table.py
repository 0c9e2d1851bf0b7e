"""Exponents and crossovers: for the terminal, the page and as CSV, the longest series first.

Names are as the file wrote them: a renderer escapes them for its place.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from rich.console import Console

from timelift.analyse.scaling import Scaling
from timelift.analyse.scaling.growth import Exponent, ExponentBasis
from timelift.analyse.scaling.overtaking import Crossover
from timelift.analyse.scaling.size_series import without_size
from timelift.case import AXES, Setting
from timelift.present.tables import Column, Table, axis_columns, csv_of_values, number, varying
from timelift.present.terminal import show_heading, show_note, show_table
from timelift.present.units import percent, three_figures

_UNITS = {"seq_len": "steps", "batch": "sequences"}
_NAMES = {"seq_len": "sequence length", "batch": "batch"}
_SHORT = {"seq_len": "length", "batch": "batch"}
_BASES = {
    ExponentBasis.FITTED: "fit",
    ExponentBasis.FLAT: "flat: no size costs 5 % more than another",
    ExponentBasis.UNKNOWN: "not known: measured at one size, or never at all sizes in one launch",
}
#: What the members of a series share, and the axis in which they differ.
_Key = tuple[str, Setting]


def show(found: Scaling, console: Console) -> None:
    """Print series of sizes as tables, and the sizes at which the fastest changes."""
    grown = _by_series((one.axis, one.case.setting, one) for one in found.exponents)
    if not grown:
        show_note(console, "nothing was measured at several lengths or batches")
        return
    grown = dict(sorted(grown.items(), key=lambda item: -len(item[1][0].sizes)))
    turns = _by_series((one.axis, one.setting, one) for one in found.crossovers if one.leads)
    show_heading(console, "how time grows: p of c0 + c1 n^p, with 95 % intervals over launches")
    for key, members in grown.items():
        show_heading(console, f"{_label(members)}, by {_NAMES[key[0]]}")
        by_power = sorted(members, key=lambda one: (math.isnan(one.p), one.p))
        table = exponents(by_power).pick("strategy", "p", "95 % interval", "overhead", "basis")
        show_table(table.without_empty_columns(), console)
        for one in turns.get(key, []):
            show_note(console, crossing_in_words(one))


def _by_series(found: Iterable[tuple[str, Setting, Any]]) -> dict[_Key, list[Any]]:
    groups: dict[_Key, list[Any]] = {}
    for axis, setting, one in found:
        groups.setdefault((axis, without_size(setting, axis)), []).append(one)
    return groups


def _label(found: Sequence[Exponent]) -> str:
    """Return the label of the setting with the range of its sizes."""
    sizes = sorted({size for one in found for size in one.sizes})
    setting = found[0].case.setting
    letter = {"seq_len": "T", "batch": "B"}[found[0].axis]
    rest = setting.label.removeprefix(setting.workload)
    size = f"-{letter}{getattr(setting, found[0].axis)}-"
    span = f"{sizes[0]}…{sizes[-1]}" if sizes else ""
    return setting.workload + rest.replace(size, f"-{letter}{span}-", 1)


def crossing_in_words(one: Crossover) -> str:
    where = f"{three_figures(one.size)} [{three_figures(one.low)}, {three_figures(one.high)}]"
    return f"{one.then} overtakes {one.first} at {where} {_UNITS[one.axis]}"


def exponents(found: Sequence[Exponent]) -> Table:
    """Return one row a strategy and series; `bend` in steps or sequences, `misfit` as a share."""
    return Table(
        "exponents",
        "How time grows: c0 + c1 n^p",
        (
            Column("axis", "by", format=_SHORT.__getitem__),
            Column("strategy", value=attrgetter("case.strategy")),
            *axis_columns(attrgetter("case.setting")),
            Column("sizes", value=lambda one: " ".join(map(str, one.sizes))),
            Column("kind", "rests on"),
            number("launches"),
            number("p", format="{:.2f}".format),
            number("low", "p from", format="{:.2f}".format),
            number("high", "p to", format="{:.2f}".format),
            Column("95 % interval", value=_interval, right=True),
            number("bend", "bends at"),
            number("bend_low", "bend from"),
            number("bend_high", "bend to"),
            Column("overhead", "overhead until", _overhead, drop_order=2, right=True),
            Column("basis", "rests on", _basis, drop_order=1, right=True),
            number("misfit", format=percent),
        ),
        found,
        "The axes are those of the smallest size. Below the bend the overhead costs more than the "
        "work. Intervals are 95 %, over launches.",
    )


def _interval(one: Exponent) -> str | None:
    return None if math.isnan(one.low) else f"[{one.low:.2f}, {one.high:.2f}]"


def _overhead(one: Exponent) -> str | None:
    """Return the size at which the work has caught up with the overhead, with its interval."""
    if not math.isfinite(one.bend):
        return None
    ends = f"[{three_figures(one.bend_low)}, {three_figures(one.bend_high)}]"
    return f"{three_figures(one.bend)} {ends} {_UNITS[one.axis]}"


def _basis(one: Exponent) -> str:
    slope = one.kind is ExponentBasis.SLOPE
    return f"slope from {one.sizes[-2]} to {one.sizes[-1]}" if slope else _BASES[one.kind]


def crossovers(found: Sequence[Crossover]) -> Table:
    """Return one row a crossover, its sizes in steps or sequences."""
    return Table(
        "crossovers",
        "Crossovers",
        (
            Column("axis", "by", format=_SHORT.__getitem__),
            Column("first", "faster before"),
            Column("then", "faster from there on"),
            number("size", "at"),
            number("low", "from"),
            number("high", "to"),
            Column(
                "leads",
                "changes the answer",
                format=lambda leads: ("no", "yes")[leads],
            ),
            *axis_columns(attrgetter("setting")),
        ),
        found,
        "In steps or sequences, with 95 % intervals over launches; never beyond what was measured.",
    )


#: The columns of a CSV file that say in words what the others do in numbers.
_WORDS = {"95 % interval", "overhead", "basis"}


def csv_files(found: Scaling) -> dict[str, str]:
    """Return both as CSV, by file name; none where a run has one size of everything."""
    if not found.exponents:
        return {}
    grown = exponents(found.exponents)
    numbers = (column.name for column in grown.columns if column.name not in _WORDS)
    return {
        "scaling.csv": csv_of_values(grown.pick(*numbers)),
        "crossovers.csv": csv_of_values(crossovers(found.crossovers)),
    }


def page_tables(found: Scaling) -> Iterator[Table]:
    ends = ("bend", "bend_low", "bend_high")
    axes = varying(one.case for one in found.exponents)
    several = [axis for axis in AXES if axis not in _SHORT and _vary(found.crossovers, axis)]
    if found.exponents:
        grown = exponents(found.exponents)
        yield grown.pick("strategy", "axis", *axes, "kind", "p", "low", "high", *ends)
    if found.crossovers:
        turns = crossovers(found.crossovers)
        yield turns.pick("axis", "first", "then", *several, "size", "low", "high", "leads")


def _vary(found: Iterable[Crossover], axis: str) -> bool:
    return len({getattr(one.setting, axis) for one in found}) > 1
