"""The tables that hold every measurement, every case without one, and what strategies mean."""

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.analyse.runs.records import fact
from timelift.analyse.stats.first_calls import FirstCall
from timelift.analyse.stats.rival import Ranking, Rival
from timelift.case import AXES, Case, Gradients, Status
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import StrategyEntry
from timelift.present import notes
from timelift.present.page.table import Heading, Table
from timelift.present.units import Unit, three_figures, unit_for

_MIB = 1 << 20
#: Axes that a table always has a column for; the others only where they have several values.
_ALWAYS = ("workload", "seq_len", "batch", "phase")
_TITLES = {"seq_len": "length", "time_axis": "time axis"}


def varying(cases: Iterable[Case]) -> tuple[str, ...]:
    """Give the axes that a table of these cases has columns for."""
    settings = [case.setting for case in cases]
    several = {
        axis
        for axis in AXES
        if len({getattr(one, axis) for one in settings} - {Gradients.NONE}) > 1
    }
    return tuple(axis for axis in AXES if axis in _ALWAYS or axis in several)


def axis_headings(axes: Iterable[str]) -> tuple[Heading, ...]:
    """Give the headings of axes, each with a filter."""
    return tuple(Heading(_TITLES.get(one, one), AXES[one] is int, asked=True) for one in axes)


def axis_cells(case: Case, axes: Iterable[str]) -> tuple[str, ...]:
    """Write a case's place on these axes."""
    return tuple(plain(getattr(case.setting, one), NAME_LIMIT) for one in axes)


def shown(strategy: str) -> str:
    """Show a strategy's name in a table."""
    return plain(strategy, NAME_LIMIT)


@dataclass(frozen=True)
class _Sheet:
    """What a row of the main table is written from."""

    axes: tuple[str, ...]
    unit: Unit
    step: Unit
    found: RunFindings

    def headings(self) -> tuple[Heading, ...]:
        return (
            Heading("strategy", asked=True),
            *axis_headings(self.axes),
            Heading(f"time ({self.unit.name})", number=True),
            Heading("ratio", number=True),
            Heading("ratio from", number=True),
            Heading("ratio to", number=True),
            Heading("verdict", asked=True),
            Heading("would see (%)", number=True),
            Heading("ties"),
            Heading("price at most (%)", number=True),
            Heading(f"per step ({self.step.name})", number=True),
            Heading(f"over forward ({self.unit.name})", number=True),
            Heading("first call (s)", number=True),
            Heading("first call from", number=True),
            Heading("first call to", number=True),
            Heading("graph nodes", number=True),
            Heading("peak (MiB)", number=True),
            Heading("of the limit (%)", number=True),
            Heading("launches", number=True),
        )

    def row(self, row: Rival, ranking: Ranking) -> tuple[str, ...]:
        costs = self.found.costs_of[row.case]
        return (
            shown(notes.shown(row, ranking)),
            *axis_cells(row.case, self.axes),
            three_figures(row.seconds_per_call / self.unit.seconds),
            _ratio(row.ratio),
            *((_ratio(row.low), _ratio(row.high)) if row.has_interval else ("", "")),
            *_beside(row),
            row.letters,
            _per_cent(row.price[1]),
            three_figures(costs.per_step / self.step.seconds),
            three_figures(costs.over_forward / self.unit.seconds),
            *_first_call(self.found.first_calls.get(row.case)),
            *_facts(self.found.measured[row.case]),
            _share(costs.limit_share),
            str(row.launches),
        )


def measurements(found: RunFindings) -> Table:
    """Give the main table: one row a measurement, settings in order, the fastest first."""
    rows = [row for ranking in found.rankings for row in ranking.everyone]
    sheet = _Sheet(
        varying(row.case for row in rows),
        unit_for(row.seconds_per_call for row in rows),
        unit_for(found.costs_of[row.case].per_step for row in rows),
        found,
    )
    note = (
        "ratio: beside the fastest of its setting, from and to: its 95 % interval over launches, "
        "which holds for all rivals of a setting at once; "
        "first call from, to: its own 95 % interval over launches; "
        "would see: a difference so large would have been called in 9 of 10 such runs; "
        "rivals of one setting that share a letter under ties were not shown to differ; "
        "of the limit: the least time that the layer's work needs here, by this machine's own "
        "product of matrices and copy, as a share of the time taken"
    )
    cells = [sheet.row(row, one) for one in found.rankings for row in one.everyone]
    return Table("measurements", "Every measurement", sheet.headings(), cells, note)


def _share(of_the_limit: float | None) -> str:
    return "" if of_the_limit is None else three_figures(100 * of_the_limit)


def _beside(row: Rival) -> tuple[str, str]:
    """Write the verdict beside the fastest; nothing for the fastest itself."""
    if math.isnan(row.p) and math.isnan(row.detectable):
        return "", ""
    return str(row.verdict), _per_cent(row.detectable)


def _first_call(found: FirstCall | None) -> tuple[str, ...]:
    if found is None:
        return ("",) * 3
    return tuple(three_figures(one) for one in (found.seconds, found.low, found.high))


def _facts(one: Measurement) -> Iterator[str]:
    nodes, peak = fact(one, "graph_nodes"), fact(one, "peak_bytes")
    yield "" if nodes is None else f"{nodes:,.0f}"
    yield three_figures(math.nan if peak is None else peak / _MIB)


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 10 else three_figures(ratio)  # noqa: PLR2004 - four figures


def _per_cent(ratio: float) -> str:
    return three_figures(100 * (ratio - 1)) if math.isfinite(ratio) else ""


def losses(run: Run) -> Table:
    """Give the cases without a result, and why."""
    lost = [one for one in run.measurements if one.status is not Status.MEASURED]
    axes = varying(one.case for one in lost)
    headings = (
        Heading("strategy", asked=True),
        *axis_headings(axes),
        Heading("status", asked=True),
        Heading("reason"),
    )
    rows = [
        (
            shown(one.case.strategy),
            *axis_cells(one.case, axes),
            str(one.status),
            plain(one.reason, 300),
        )
        for one in lost
    ]
    return Table("not_run", "Cases without a result", headings, rows)


def pays_off(found: RunFindings) -> Table:
    """Give from how many calls on which strategy has cost the least, the first call included."""
    axes = varying(row.case for ranking in found.rankings for row in ranking.rows)
    headings = (
        Heading("strategy", asked=True),
        *axis_headings(axes),
        Heading("pays off after (calls)", number=True),
        Heading("instead of"),
    )
    rows = [
        (
            shown(later.strategy),
            *axis_cells(ranking.rows[0].case, axes),
            f"{later.calls - 1:,}",
            shown(before.strategy),
        )
        for ranking, steps in found.break_even
        for before, later in itertools.pairwise(steps)
    ]
    return Table("break_even", "Where a dear first call pays", headings, rows)


def meanings(found: RunFindings) -> Table:
    """Give what strategies declare to do with layers that are more than a function."""
    declared = found.run.header.strategies
    asked = {key for one in declared.values() for key in one.meaning}
    keys = sorted(asked)
    others = found.look_alikes
    headings = (Heading("strategy"), Heading("what it is"), *(Heading(_word(key)) for key in keys))
    rows = [
        (shown(name), _title(entry, others.get(name)), *(_meant(entry, key) for key in keys))
        for name, entry in declared.items()
    ]
    return Table("meanings", "What each strategy means", headings, rows)


def _title(entry: StrategyEntry, differs: str | None) -> str:
    title = plain(entry.title or "", 200)
    return f"{title} (no lift: {plain(differs, 200)})" if differs else title


def _meant(entry: StrategyEntry, key: str) -> str:
    value = entry.meaning.get(key, "")
    if isinstance(value, dict):
        return "; ".join(f"{_word(axis)} time: {_word(one)}" for axis, one in value.items())
    return _word(value)


def _word(text: object) -> str:
    return plain(text, NAME_LIMIT).lower().replace("_", " ")
