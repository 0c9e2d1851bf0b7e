"""Tables with a row a case: of one setting, of the page, and of `measurements.csv`.

Names inside are as the file wrote them until a renderer escapes them for its place.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.case import AXES, Phase
from timelift.measurement import SHOWN_FACTS, Measurement, fact
from timelift.present import words
from timelift.present.answer import speed_up_in_words
from timelift.present.tables import Column, Table, axis_columns, number, shown_axes

#: Ratios from this one on have three figures, smaller ones three decimals.
_FAR = 10.0
#: An interval that reaches this many times its middle is written as a factor to both sides.
_WIDE = 2.0
#: How many times as fast as the baseline, with the ends of the 95 % interval.
SPEED_UP = ("speed_up", "speed_up_low", "speed_up_high")
#: The ends of the speed-up of a further run, where runs are the evidence.
TOMORROW = ("tomorrow_low", "tomorrow_high")
#: The columns of a setting, for readers of a terminal or of Markdown.
_OF_SETTING = (
    *("rival", "seconds_per_call", "tracing_share", "ratio", "interval", "gain", "tomorrow"),
    *("over_forward", "over_backward", "first_call_in_words", "graph_nodes", "peak_bytes"),
    "launches_ranked",
)
_ON_PAGE = (
    *("seconds_per_call", "ratio", "ratio_low", "ratio_high", "verdict_beside", "would_see"),
    *(*SPEED_UP, *TOMORROW),
    *("price", "over_forward", "over_backward", "first_call", "first_call_low", "first_call_high"),
    *("tracing_share", "graph_nodes", "peak_bytes", "launches_ranked"),
)
#: The ends of the 95 % interval of `first_call_seconds`.
FIRST_CALL = ("first_call_low", "first_call_high")
#: Facts whose columns have titles of their own.
_TITLED_FACTS = {"graph_nodes", "peak_bytes", "tracing_share"}
#: The time of a call over that of the same case in a simpler phase.
OVER_PHASE = ("over_forward", "over_backward")
_FOR_PROGRAMS = (
    *("strategy", *AXES, "status", "launches"),
    *("seconds_per_call", "seconds_low", "seconds_high", "ratio", "ratio_low", "ratio_high"),
    *(*SPEED_UP, *TOMORROW, "baseline", "verdict", "provisional", "rank_low", "rank_high"),
    *(*OVER_PHASE, *SHOWN_FACTS, *FIRST_CALL, "reason", "differs"),
)
_NOTE = (
    "ratio: beside the fastest of its setting, from and to: its 95 % interval, "
    "which holds for all rivals of a setting at once; "
    "speed-up, from and to: how many times as fast as the baseline of its setting, likewise; "
    "a run tomorrow: where that of one more run lies in 19 of 20 settings; "
    "first call from, to: its own 95 % interval; "
    "would see: a difference so large would have been called in 9 of 10 such runs; "
    "\N{DIVISION SIGN} forward: the time of a backward call, divided by that of its forward call; "
    "\N{DIVISION SIGN} backward: the time of a train step, divided by that of its backward call"
)


@dataclass(frozen=True)
class Row:
    """A case; if it was measured, with its row in the ranking of its setting."""

    findings: RunFindings
    measurement: Measurement
    rival: RankedCase | None = None
    ranking: Ranking | None = None

    @property
    def tomorrow(self) -> Interval | None:
        return self.findings.tomorrow(self.rival) if self.rival else None

    @property
    def first_call(self) -> Interval | None:
        return self.findings.first_calls.get(self.measurement.case)


def of_rankings(
    rankings: Sequence[Ranking], findings: RunFindings, axes: Sequence[str] = ()
) -> Table:
    """Return the rivals of settings that differ in `axes` alone, by time, without empty columns."""
    strategy, *others = _OF_SETTING
    rows = _rows(rankings, findings)
    table = _table(rankings[0].setting.label, rows, (strategy, *axes, *others))
    return table.without_empty_columns()


def of_page(findings: RunFindings) -> Table:
    """Return a row a measurement, settings in order, the fastest first, without empty columns."""
    rows = _rows(findings.rankings, findings)
    axes = shown_axes(row.measurement.case for row in rows)
    return _table("measurements", rows, ("rival", *axes, *_ON_PAGE)).without_empty_columns()


def for_programs(findings: RunFindings) -> Table:
    """Return a row a case, in the order of the journal: axes, rank, facts, status and reason."""
    ranked = {row.case: (row, ranking) for ranking in findings.rankings for row in ranking.all_rows}
    rows = [
        Row(findings, measurement, *ranked.get(measurement.case, (None, None)))
        for measurement in findings.run.measurements
    ]
    return _table("measurements", rows, _FOR_PROGRAMS)


def _rows(rankings: Iterable[Ranking], findings: RunFindings) -> list[Row]:
    return [
        Row(findings, findings.run.by_case[rival.case], rival, ranking)
        for ranking in rankings
        for rival in ranking.all_rows
    ]


def _table(name: str, rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """Return these columns over rows, the time of a call in the unit that fits the rows."""
    seconds = (row.rival.seconds_per_call.value for row in rows if row.rival)
    in_unit = replace(_COLUMNS["seconds_per_call"], unit=words.unit_for(seconds))
    chosen = tuple(in_unit if column == in_unit.name else _COLUMNS[column] for column in columns)
    return Table(name, "Every measurement", chosen, rows, _NOTE)


def _first_call_in_words(seconds: Interval) -> str:
    """Write the seconds, and how far their 95 % interval reaches, if launches bound it."""
    reach = seconds.high / seconds.value
    if math.isnan(reach):
        return words.three_figures(seconds.value)
    spread = (
        f"\N{MULTIPLICATION SIGN}÷{words.three_figures(reach)}"
        if reach >= _WIDE
        else f"±{words.percent(math.ceil(100 * (reach - 1)) / 100, 0)}"
    )
    return f"{words.three_figures(seconds.value)} {spread}"


def _attribute(path: str) -> Callable[[Row], Any]:
    """Return a reader of a dotted path from a row; it returns None where a part of it is None."""
    names = path.split(".")

    def read(row: Row) -> Any:
        value: Any = row
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return read


def _baseline(row: Row) -> str | None:
    return row.ranking.baseline if row.ranking and row.rival and row.rival.speed_up else None


def _interval(ratio: Interval) -> str:
    return words.in_brackets(ratio, _ratio).lstrip()


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < _FAR else words.three_figures(ratio)


def _verdict_beside(row: Row) -> str | None:
    """Return the verdict beside the fastest; nothing for the fastest itself."""
    rival = row.rival
    is_compared = rival and not (math.isnan(rival.p) and math.isnan(rival.detectable))
    return rival.verdict if rival and is_compared else None


def _ends(name: str, title: str, path: str, **options: Any) -> Iterator[Column]:
    """Yield the columns of both ends of an interval; `path` leads to it from a row."""
    yield number(f"{name}_low", f"{title} from", _attribute(f"{path}.low"), **options)
    yield number(f"{name}_high", f"{title} to", _attribute(f"{path}.high"), **options)


def _marked(row: Row) -> str:
    case, findings = row.measurement.case, row.findings
    is_look_alike = case.strategy in findings.look_alikes
    name = words.with_mark(case.strategy, is_look_alike=is_look_alike)
    return f"{name} (not ranked)" if findings.meanings.why_unknown(case) else name


def _style(row: Row) -> str:
    """Return the colour of what no rival was shown to beat."""
    return "green" if row.rival and row.rival.rank_low == 1 else ""


def _differs(row: Row) -> str:
    case, findings = row.measurement.case, row.findings
    return findings.look_alikes.get(case.strategy) or findings.meanings.why_unknown(case)


def _fact(name: str, title: str | None = None, **options: Any) -> Column:
    return number(name, title, lambda row: fact(row.measurement, name), **options)


def _over(simpler: Phase, of: Phase) -> Column:
    """Return the column that divides the times of one phase by those of a simpler one."""

    def read(row: Row) -> float | None:
        case = row.measurement.case
        return row.findings.over_simpler_phase.get(case) if case.setting.phase is of else None

    return number(f"over_{simpler}", f"\N{DIVISION SIGN} {simpler}", read, drop_order=5)


_ALL_COLUMNS = (
    Column("strategy", value=attrgetter("measurement.case.strategy")),
    Column("rival", "strategy", _marked, style=_style),
    *axis_columns("measurement.case.setting"),
    Column("status", value=attrgetter("measurement.status")),
    number("launches", value=lambda row: row.measurement.timed_launches),
    number("seconds_per_call", "time", _attribute("rival.seconds_per_call.value")),
    *_ends("seconds", "time", "rival.seconds_per_call"),
    number("ratio", value=_attribute("rival.ratio.value"), format=_ratio),
    *_ends("ratio", "ratio", "rival.ratio", format=_ratio),
    Column(
        "interval", "95 % interval", _attribute("rival.ratio"), _interval, drop_order=1, right=True
    ),
    Column(
        "gain",
        "speed-up",
        _attribute("rival.speed_up"),
        speed_up_in_words,
        drop_order=1,
        right=True,
    ),
    number("speed_up", "speed-up", _attribute("rival.speed_up.value")),
    *_ends("speed_up", "speed-up", "rival.speed_up"),
    Column("tomorrow", "a run tomorrow", None, words.from_low_to_high, drop_order=2, right=True),
    *_ends("tomorrow", "a run tomorrow", "tomorrow"),
    Column("baseline", value=_baseline),
    Column("verdict", value=_attribute("rival.verdict")),
    Column("provisional", value=attrgetter("findings.run.is_provisional")),
    Column("verdict_beside", "verdict", _verdict_beside),
    number("would_see", "would see", lambda row: row.rival.detectable - 1, unit=words.PER_CENT),
    number("rank_low", value=lambda row: row.rival and (row.rival.rank_low or None)),
    number("rank_high", value=lambda row: row.rival and (row.rival.rank_high or None)),
    number(
        "price", "price at most", lambda row: row.rival.cost_over_best.high - 1, unit=words.PER_CENT
    ),
    _over(Phase.FORWARD, of=Phase.BACKWARD),
    _over(Phase.BACKWARD, of=Phase.TRAIN),
    number("first_call", "first call", _attribute("first_call.value"), unit=words.SECONDS),
    *_ends("first_call", "first call", "first_call"),
    number(
        "first_call_in_words",
        "first call (s)",
        _attribute("first_call"),
        _first_call_in_words,
        drop_order=3,
    ),
    *(_fact(name) for name in SHOWN_FACTS if name not in _TITLED_FACTS),
    _fact("tracing_share", "tracing", unit=words.PER_CENT),
    _fact("graph_nodes", "graph nodes", format="{:,.0f}".format, drop_order=6),
    _fact("peak_bytes", "peak", unit=words.MEBIBYTES, drop_order=4),
    number("launches_ranked", "launches", _attribute("rival.launches"), drop_order=7),
    Column("reason", value=attrgetter("measurement.reason")),
    Column("differs", value=_differs),
)
_COLUMNS = {column.name: column for column in _ALL_COLUMNS}
