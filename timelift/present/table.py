"""The tables of a report as text, before any exporter lays them out.

Names inside are as the file wrote them: whoever shows a table escapes it for the place.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from timelift.analyse.costs import Costs
from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement
from timelift.analyse.runs.records import fact
from timelift.analyse.stats.first_calls import FirstCall
from timelift.analyse.stats.rival import Ranking, Rival
from timelift.case import Lengths, Setting, Status
from timelift.present import execution, quality, recommended
from timelift.present.head import head, trust_in_words
from timelift.present.notes import losses, meanings, shown, titles, verdicts
from timelift.present.units import Unit, human_bytes, three_figures, unit_for

_FAR = 10.0
#: An interval that reaches this many times its middle is written as a factor to both sides.
_TIMES = 2.0


@dataclass(frozen=True)
class Column:
    """A column with a cell for each rival; the highest `rank` is the first to go when space is."""

    title: str
    rank: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class SettingTable:
    """One setting: its rivals sorted by time, and what there is to say below them.

    `fastest` are the strategies not shown slower than the best; `names` is the first column.
    """

    setting: Setting
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    fastest: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The rivals in the order of the rows."""
        return self.columns[0].cells if self.columns else ()


@dataclass(frozen=True)
class Report:
    """All that a report says in words: `head` holds pairs of a label and a text.

    `titles` holds pairs of a strategy and its title, `meanings` of a strategy and what it does with
    noise, statistics, losses and masks.
    """

    head: tuple[tuple[str, str], ...]
    titles: tuple[tuple[str, str], ...]
    meanings: tuple[tuple[str, str], ...]
    tables: tuple[SettingTable, ...]
    warnings: tuple[str, ...]


def report(found: RunFindings) -> Report:
    """Put what was found in a run into words."""
    run = found.run
    top = (
        *head(run),
        *execution.lines(run),
        *quality.lines(found),
        ("trust", trust_in_words(run, found.trust)),
        *(("answer", one) for one in recommended.over_settings(found)),
    )
    return Report(top, titles(run), meanings(run), tuple(_tables(found)), run.warnings)


def _tables(found: RunFindings) -> Iterator[SettingTable]:
    """Lay out every setting of a run, the ones without a measured case too."""
    ranked = {ranking.setting: ranking for ranking in found.rankings}
    lost: dict[Setting, list[Measurement]] = defaultdict(list)
    for one in found.run.measurements:
        if one.status is not Status.MEASURED:
            lost[one.case.setting].append(one)
    for setting in sorted({*ranked, *lost}):
        below = tuple(losses(lost.get(setting, ())))
        if setting in ranked:
            bound = execution.launch_bound(found.launch_bound[setting], setting.device)
            best = found.recommended_at.get(setting)
            notes = (*verdicts(ranked[setting], best, found.no_answers), *bound, *below)
            columns = tuple(one for one in _columns(ranked[setting], found) if any(one.cells))
            yield SettingTable(setting, columns, notes, ranked[setting].fastest_set)
        else:
            yield SettingTable(setting, (), ("nothing measured", *below), ())


def _columns(ranking: Ranking, found: RunFindings) -> list[Column]:
    rows, first = ranking.everyone, found.first_calls
    measured = [found.measured[row.case] for row in rows]
    costs = [found.costs_of[row.case] for row in rows]
    more = [one.over_forward for one in costs]
    unit = unit_for(row.seconds_per_call for row in rows)
    return [
        Column("strategy", 0, tuple(shown(row, ranking) for row in rows)),
        Column(f"time ({unit.name})", 0, _scaled([row.seconds_per_call for row in rows], unit)),
        Column("ratio", 0, tuple(_ratio(row.ratio) for row in rows)),
        Column("95 % interval", 1, _intervals(ranking)),
        _per_valid_step(ranking, costs),
        Column("ties", 2, tuple(row.letters for row in rows)),
        Column(f"over forward ({unit.name})", 5, _scaled(more, unit)),
        Column("first call (s)", 3, tuple(_first_call(first.get(row.case)) for row in rows)),
        Column("graph nodes", 6, _facts(measured, "graph_nodes", "{:,.0f}".format)),
        Column("peak memory", 4, _facts(measured, "peak_bytes", human_bytes)),
        Column("launches", 7, tuple(str(row.launches) for row in rows)),
        Column("of the limit", 8, tuple(_share(one.limit_share) for one in costs)),
    ]


def _per_valid_step(ranking: Ranking, costs: Sequence[Costs]) -> Column:
    """Show what padding wastes, where lengths vary; elsewhere the column is empty."""
    varies = ranking.setting.lengths is not Lengths.FULL
    seconds = [one.per_step if varies else math.nan for one in costs]
    unit = unit_for(seconds)
    return Column(f"per valid step ({unit.name})", 2, _scaled(seconds, unit))


def _scaled(seconds: Iterable[float], unit: Unit) -> tuple[str, ...]:
    return tuple(three_figures(one / unit.seconds) for one in seconds)


def _facts(
    measured: Iterable[Measurement], name: str, write: Callable[[float], str]
) -> tuple[str, ...]:
    values = [fact(one, name) for one in measured]
    return tuple("" if value is None else write(value) for value in values)


def _first_call(found: FirstCall | None) -> str:
    """Write the seconds, and how far their 95 % interval reaches where launches tell it."""
    if found is None:
        return ""
    reach = found.high / found.seconds
    if math.isnan(reach):
        return three_figures(found.seconds)
    far = (
        f"\N{MULTIPLICATION SIGN}÷{reach:.2g}"
        if reach >= _TIMES
        else f"±{math.ceil(100 * (reach - 1))} %"
    )
    return f"{three_figures(found.seconds)} {far}"


def _share(of_the_limit: float | None) -> str:
    """Write how much of its time a call would need at the machine's best."""
    return "" if of_the_limit is None else f"{of_the_limit:.1%}"


def _intervals(ranking: Ranking) -> tuple[str, ...]:
    """Write the intervals; none where nothing but single launches is known."""
    rows, first = ranking.everyone, ranking.rows[:1]
    if not any(row.has_interval for row in rows if row not in first):
        return ("",) * len(rows)
    return tuple("" if row in first else _interval(row) for row in rows)


def _interval(row: Rival) -> str:
    return f"[{_ratio(row.low)}, {_ratio(row.high)}]" if row.has_interval else "none"


def _ratio(ratio: float) -> str:
    """Write a ratio: three decimals where a per mille matters, three figures beyond."""
    return f"{ratio:.3f}" if ratio < _FAR else three_figures(ratio)
