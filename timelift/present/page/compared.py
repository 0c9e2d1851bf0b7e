"""The tables that compare across panels: per step by length, and modes, devices and the like."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from timelift.analyse.across import Pair
from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import Ranking
from timelift.analyse.stats.verdicts import Comparison
from timelift.case import Case
from timelift.escape import NAME_LIMIT, plain
from timelift.present.across_table import meaning
from timelift.present.figures.panels import legend_order
from timelift.present.page.answer import Answer
from timelift.present.page.measured import axis_cells, axis_headings, shown, varying
from timelift.present.page.table import Heading, Table
from timelift.present.units import three_figures, unit_for


def steps(found: RunFindings) -> Table:
    """Give the time of one step by length, a row for each strategy and panel."""
    seconds = {case: one.per_step for case, one in found.costs_of.items()}
    unit = unit_for(seconds.values())
    lengths = sorted({case.setting.seq_len for case in seconds})
    by_size: dict[Case, dict[int, float]] = defaultdict(dict)
    for case, value in seconds.items():
        by_size[_at(case, lengths[0])][case.setting.seq_len] = value
    axes = tuple(axis for axis in varying(by_size) if axis != "seq_len")
    headings = (
        Heading("strategy", asked=True),
        *axis_headings(axes),
        *(Heading(f"T = {length:,}", number=True) for length in lengths),
    )
    cells = [
        (
            shown(case.strategy),
            *axis_cells(case, axes),
            *(three_figures(times[one] / unit.seconds) if one in times else "" for one in lengths),
        )
        for case, times in by_size.items()
    ]
    note = (
        f"{unit.name} for one valid step of one sequence; falling along a row: "
        "the call's fixed cost is shared by more steps"
    )
    return Table("per_step", "Time per step", headings, cells, note)


def _at(case: Case, length: int) -> Case:
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, seq_len=length))


def execution(found: RunFindings) -> Table:
    """Give the fastest in every mode, device and the like, beside the best of them; or no row."""
    answered = [one for one in found.rankings if one.rows]
    axes = varying(row.case for one in answered for row in one.rows)
    unit = unit_for(one.rows[0].seconds_per_call for one in answered)
    headings = (
        *axis_headings(axes),
        Heading("fastest", asked=True),
        Heading(f"time ({unit.name})", number=True),
        Heading("times the best", number=True),
    )
    rows = [
        (*axis_cells(one.rows[0].case, axes), *_beside(one, best, unit.seconds))
        for one, best in found.fastest_elsewhere
    ]
    return Table("execution", "The fastest in each", headings, rows)


def _beside(one: Ranking, best: float, unit: float) -> tuple[str, str, str]:
    first = one.rows[0]
    seconds = first.seconds_per_call
    return shown(first.case.strategy), three_figures(seconds / unit), f"{seconds / best:.2f}"


def across(pairs: Sequence[Pair]) -> tuple[Table, ...]:
    """Give what every other backend, device and mode costs each strategy, if there is any."""
    if not pairs:
        return ()
    axes = varying(pair.usual for pair in pairs)
    numbers = ("times as long", "from", "to")
    headings = (
        *(Heading(one, asked=True) for one in ("strategy", "axis", "usual", "other")),
        *axis_headings(axes),
        *(Heading(one, number=True) for one in numbers),
        Heading("verdict", asked=True),
    )
    rows = [
        (
            shown(pair.usual.strategy),
            pair.axis,
            *(plain(value, NAME_LIMIT) for value in pair.values),
            *axis_cells(pair.usual, axes),
            *_ratios(pair.comparison),
            pair.comparison.verdict,
        )
        for pair in pairs
    ]
    note = (
        f"{meaning(pairs)}. Intervals are 95 %, over launches: the two are timed seconds apart, in "
        "processes of their own"
    )
    title = "Each strategy beside itself, executed otherwise"
    return (Table("across", title, headings, rows, note),)


def _ratios(found: Comparison) -> tuple[str, ...]:
    logs = (found.effect, found.low, found.high)
    return tuple(f"{math.exp(one):.3f}" if math.isfinite(one) else "" for one in logs)


def prices(answers: Iterable[Answer]) -> Table:
    """Return what every strategy costs at most, the recommended one of each workload first."""
    headings = (
        Heading("strategy", asked=True),
        Heading("workload", asked=True),
        Heading("times the best, at most", number=True),
        Heading("never shown slower", asked=True),
        Heading("settings", number=True),
    )
    rows = [
        (
            shown(one.strategy),
            plain(answer.workload, NAME_LIMIT),
            f"{one.ratio:.3f}",
            "yes" if one.strategy in answer.found.safe else "no",
            str(one.settings),
        )
        for answer in answers
        for one in answer.found.prices
    ]
    note = "over all settings of the workload: the upper end of the 95 % interval, if there is one"
    return Table("prices", "What each costs at most", headings, rows, note)


def names(rankings: Iterable[Ranking]) -> list[str]:
    """Give every measured strategy in the order of the legends."""
    return legend_order(row.case.strategy for one in rankings for row in one.everyone)
