"""The first screen of a run that raced copies: what became of each case, or what a self-test found.

None of its strategies is an answer to what to write.
"""

import math
from typing import NamedTuple

from timelift.analyse.findings import RunFindings
from timelift.analyse.gate.outcomes import CaseOutcome, GateFindings
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import Quantity
from timelift.present import gate_words, selftest_words
from timelift.present.tables import Column, Table
from timelift.present.units import percent_interval, percent_more

#: Characters after which what failed is cut.
_WHY = 300


class CopiesAnswer(NamedTuple):
    """A sentence, the one below it, and the names in it; the table of cases; further lines."""

    headline: str
    below: str
    names: tuple[str, ...]
    table: Table
    lines: tuple[str, ...]


def answer(found: RunFindings) -> CopiesAnswer | None:
    """Return what the run of copies found; None for a usual run."""
    if not found.run.header.races_copies:
        return None
    gate = found.gate
    if gate:
        lines = tuple(gate_words.beside_verdicts(gate))
        names = tuple(case.strategy for case in gate.failed_cases)
        below = f"{gate_words.count(gate)}." if gate.outcomes else ""
        return CopiesAnswer(
            plain(gate_words.headline(gate), _WHY), below, names, gate_table(gate), lines
        )
    first, *others = selftest_words.selftest_findings(found.selftest)
    return CopiesAnswer(
        f"{first[0].upper()}{first[1:]}.", "", (), Table("gate", "", (), []), (*others,)
    )


def first_rows(table: Table) -> Table:
    """Return the table without the rows that the first screen has no room for."""
    return Table(table.name, table.title, table.columns, table.rows[: gate_words.NAMED])


def gate_table(gate: GateFindings) -> Table:
    """Return what became of each case, those that fail first."""
    failed = {one.case for one in gate.failed}
    label = plain(gate.against.label, NAME_LIMIT)
    table = Table(
        "gate",
        f"Against {label}",
        (
            Column("case", value=lambda one: gate_words.case_in_words(one.case), limit=_WHY),
            Column("gate", value=lambda one: "fails" if one.case in failed else "passes"),
            Column("verdict", "time", value=lambda one: one.time.verdict),
            Column("change", f"beside {label}", _time),
            Column("why", value=lambda one: _why(one, gate), limit=_WHY),
        ),
        sorted(gate.outcomes, key=lambda one: one.case not in failed),
    )
    return table.without_empty_columns()


def _time(one: CaseOutcome) -> str:
    found = one.time
    if math.isnan(found.effect):
        return ""
    if not math.isfinite(found.low):
        return percent_more(found.effect)
    return f"{percent_more(found.effect)} {percent_interval(found.low, found.high)}"


def _why(one: CaseOutcome, gate: GateFindings) -> str:
    """Write what fails the case beside its time."""
    worse = [
        gate_words.change_in_words(quantity, one.findings[quantity], gate.against)
        for quantity in one.worse
        if quantity is not Quantity.TIME
    ]
    return "; ".join([*worse, *gate_words.broken_in_words(one, gate.against)])
