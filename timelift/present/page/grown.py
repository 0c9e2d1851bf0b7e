"""The tables of how time grows: fitted exponents, and where one strategy overtakes another."""

import math
from collections.abc import Sequence

from timelift.analyse.scaling.both import Scaling
from timelift.analyse.scaling.overtaking import Crossover
from timelift.analyse.scaling.powers import Exponent
from timelift.case import AXES
from timelift.escape import plain
from timelift.present.page.measured import axis_cells, axis_headings, shown, varying
from timelift.present.page.table import Heading, Table
from timelift.present.units import three_figures

_NAMES = {"seq_len": "length", "batch": "batch"}


def tables(found: Scaling) -> tuple[Table, ...]:
    """Give the tables that have a row."""
    made = (_exponents(found.exponents), _crossovers(found.crossovers))
    return tuple(table for table in made if table.rows)


def _exponents(found: Sequence[Exponent]) -> Table:
    axes = varying(one.case for one in found)
    numbers = ("p", "p from", "p to", "bends at", "bend from", "bend to")
    return Table(
        "exponents",
        "How time grows: c0 + c1 n^p",
        (
            Heading("strategy", asked=True),
            Heading("by", asked=True),
            *axis_headings(axes),
            Heading("rests on", asked=True),
            *(Heading(one, number=True) for one in numbers),
        ),
        [
            (
                shown(one.case.strategy),
                _NAMES[one.axis],
                *axis_cells(one.case, axes),
                one.kind,
                *(_two(value) for value in (one.p, one.low, one.high)),
                *(three_figures(value) for value in (one.bend, one.bend_low, one.bend_high)),
            )
            for one in found
        ],
        "The axes are those of the smallest size. Below the bend the overhead costs more than the "
        "work. Intervals are 95 %, over launches.",
    )


def _crossovers(found: Sequence[Crossover]) -> Table:
    axes = [axis for axis in AXES if axis not in _NAMES]
    several = [axis for axis in axes if len({getattr(one.setting, axis) for one in found}) > 1]
    return Table(
        "crossovers",
        "Who overtakes whom",
        (
            Heading("by", asked=True),
            Heading("faster before", asked=True),
            Heading("faster from there on", asked=True),
            *axis_headings(several),
            Heading("at", number=True),
            Heading("from", number=True),
            Heading("to", number=True),
            Heading("changes the answer", asked=True),
        ),
        [
            (
                _NAMES[one.axis],
                shown(one.first),
                shown(one.then),
                *(plain(getattr(one.setting, axis)) for axis in several),
                *(three_figures(value) for value in (one.size, one.low, one.high)),
                "yes" if one.leads else "no",
            )
            for one in found
        ],
        "In steps or sequences, with 95 % intervals over launches; never beyond what was measured.",
    )


def _two(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else ""
