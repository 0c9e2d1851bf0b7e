"""The tables of a report as text, before any exporter lays them out.

Names inside are as the file wrote them: whoever shows a table escapes it for the place.
"""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.analyse import execution, limit, quality
from timelift.analyse.lifts import no_answers, shown
from timelift.analyse.runs.measurement import Measurement, Run, Samples
from timelift.analyse.runs.records import fact
from timelift.analyse.runs.trust import Trust
from timelift.analyse.stats.first_calls import FirstCall, first_calls
from timelift.analyse.stats.ranking import Ranking, Rival
from timelift.case import Case, Lengths, Phase, Setting, Status
from timelift.present.head import head, trust_in_words
from timelift.present.notes import (
    everywhere,
    has_interval,
    losses,
    meanings,
    titles,
    verdicts,
)
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


Measured = Mapping[Case, Measurement]
FirstCalls = Mapping[Case, FirstCall]


def report(run: Run, rankings: Iterable[Ranking], trust: Trust | None = None) -> Report:
    """Put a run and its rankings into words; `trust` is what the machine's self-test found."""
    ranked = list(rankings)
    tables = tuple(_tables(run, ranked))
    top = (
        *head(run),
        *execution.lines(run),
        *quality.lines(run, ranked),
        ("trust", trust_in_words(run, trust)),
        *(("answer", sentence) for sentence in everywhere(ranked)),
    )
    return Report(top, titles(run), meanings(run), tables, run.warnings)


def _tables(run: Run, rankings: Iterable[Ranking]) -> Iterator[SettingTable]:
    """Lay out every setting of a run, the ones without a measured case too."""
    ranked = {ranking.setting: ranking for ranking in rankings}
    measured = {one.case: one for one in run.measurements}
    others, limits = no_answers(run), limit.attainable(run.measurements)
    first = first_calls(run.measurements)
    lost: dict[Setting, list[Measurement]] = defaultdict(list)
    for one in run.measurements:
        if one.status is not Status.MEASURED:
            lost[one.case.setting].append(one)
    for setting in sorted({*ranked, *lost}):
        below = tuple(losses(lost.get(setting, ())))
        if setting in ranked:
            bound = execution.launch_bound(ranked[setting], measured)
            notes = (*verdicts(ranked[setting], others), *bound, *below)
            yield _table(ranked[setting], measured, notes, limits, first)
        else:
            yield SettingTable(setting, (), ("nothing measured", *below), ())


def _table(
    ranking: Ranking,
    measured: Measured,
    notes: tuple[str, ...],
    limits: limit.Limits,
    first: FirstCalls,
) -> SettingTable:
    columns = tuple(one for one in _columns(ranking, measured, limits, first) if any(one.cells))
    return SettingTable(ranking.setting, columns, notes, ranking.fastest_set)


def _columns(
    ranking: Ranking, measured: Measured, limits: limit.Limits, first: FirstCalls
) -> list[Column]:
    rows = ranking.everyone
    unit = unit_for(row.seconds_per_call for row in rows)
    more = [difference_to_forward(row.case, measured) for row in rows]
    return [
        Column("strategy", 0, tuple(shown(row, ranking) for row in rows)),
        Column(f"time ({unit.name})", 0, _scaled([row.seconds_per_call for row in rows], unit)),
        Column("ratio", 0, tuple(_ratio(row.ratio) for row in rows)),
        Column("95 % interval", 1, _intervals(ranking)),
        _per_valid_step(rows, measured),
        Column("ties", 2, tuple(row.letters for row in rows)),
        Column(f"over forward ({unit.name})", 5, _scaled(more, unit)),
        Column("first call (s)", 3, tuple(_first_call(first.get(row.case)) for row in rows)),
        Column("graph nodes", 6, _facts(rows, measured, "graph_nodes", "{:,.0f}".format)),
        Column("peak memory", 4, _facts(rows, measured, "peak_bytes", human_bytes)),
        Column("launches", 7, tuple(str(row.launches) for row in rows)),
        Column("of the limit", 8, _shares(rows, measured, limits)),
    ]


def _per_valid_step(rows: Sequence[Rival], measured: Measured) -> Column:
    """Divide by the steps that are no padding, where lengths vary: shows what padding wastes."""
    seconds = [math.nan] * len(rows)
    if rows[0].case.setting.lengths is not Lengths.FULL:
        steps = [fact(measured[row.case], "valid_steps") or math.nan for row in rows]
        seconds = [row.seconds_per_call / one for row, one in zip(rows, steps, strict=True)]
    unit = unit_for(seconds)
    return Column(f"per valid step ({unit.name})", 2, _scaled(seconds, unit))


def _scaled(seconds: Iterable[float], unit: Unit) -> tuple[str, ...]:
    return tuple(three_figures(one / unit.seconds) for one in seconds)


def _facts(
    rows: Iterable[Rival], measured: Measured, name: str, write: Callable[[float], str]
) -> tuple[str, ...]:
    values = [fact(measured[row.case], name) for row in rows]
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


def _shares(rows: Iterable[Rival], measured: Measured, limits: limit.Limits) -> tuple[str, ...]:
    """Write how much of its time a call would need at the machine's best."""
    shares = [limit.share(measured[row.case], row.seconds_per_call, limits) for row in rows]
    return tuple("" if share is None else f"{share:.1%}" for share in shares)


def _intervals(ranking: Ranking) -> tuple[str, ...]:
    """Write the intervals; none where nothing but single launches is known."""
    rows, first = ranking.everyone, ranking.rows[:1]
    if not any(has_interval(row) for row in rows if row not in first):
        return ("",) * len(rows)
    return tuple("" if row in first else _interval(row) for row in rows)


def _interval(row: Rival) -> str:
    return f"[{_ratio(row.low)}, {_ratio(row.high)}]" if has_interval(row) else "none"


def _ratio(ratio: float) -> str:
    """Write a ratio: three decimals where a per mille matters, three figures beyond."""
    return f"{ratio:.3f}" if ratio < _FAR else three_figures(ratio)


def difference_to_forward(case: Case, measured: Measured) -> float:
    """Give the seconds that a backward call takes more than its forward call, NaN where unknown.

    In each launch that played both, the difference of the medians; then the mean over launches.
    """
    if case.setting.phase is not Phase.BACKWARD:
        return math.nan
    forward = measured.get(_forward(case))
    before = {} if forward is None else _medians(forward)
    after = _medians(measured[case])
    differences = [after[number] - before[number] for number in after.keys() & before.keys()]
    return float(np.mean(differences)) if differences else math.nan


def _forward(case: Case) -> Case:
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, phase=Phase.FORWARD))


def _medians(measurement: Measurement) -> dict[int, float]:
    return {one.number: _median(one.seconds_per_call) for one in measurement.launches}


def _median(seconds: Samples) -> float:
    """Give the median of what is there; np.nanmedian takes ten times as long for so few."""
    kept = np.sort(seconds[~np.isnan(seconds)])
    half = len(kept) // 2
    return float((kept[half] + kept[~half]) / 2) if len(kept) else math.nan
