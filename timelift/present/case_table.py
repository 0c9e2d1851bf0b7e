"""The table with a row a case: of one setting, of all on the page, and of all for programs.

Names inside are as the file wrote them until a renderer escapes them for its place.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from timelift.analyse.estimates import Interval
from timelift.analyse.findings import RunFindings
from timelift.analyse.ranking import RankedCase, Ranking
from timelift.case import AXES, COPY_SEPARATOR
from timelift.measurement import SHOWN_FACTS, Measurement, fact
from timelift.present.answer import speed_up_in_words
from timelift.present.tables import Column, Table, axis_columns, number, varying
from timelift.present.words import (
    MEBIBYTES,
    PER_CENT,
    SECONDS,
    human_bytes,
    percent,
    three_figures,
    unit_for,
)

_FAR = 10.0
#: An interval that reaches this many times its middle is written as a factor to both sides.
_TIMES = 2.0
#: How many times as fast as the baseline, with the ends of the 95 % interval.
SPEED_UP = ("speed_up", "speed_up_low", "speed_up_high")
#: The columns of a setting, for readers of a terminal or of Markdown.
_OF_SETTING = (
    *("rival", "seconds_per_call", "ratio", "interval", "gain"),
    *("over_forward", "first_call_told", "graph_nodes", "peak_told", "launches_ranked"),
)
_ON_PAGE = (
    *("seconds_per_call", "ratio", "ratio_low", "ratio_high", "verdict_beside", "would_see"),
    *SPEED_UP,
    *("price", "over_forward", "first_call", "first_call_low", "first_call_high"),
    *("graph_nodes", "peak_bytes", "launches_ranked"),
)
#: Numbers of a ranking for programs; times in seconds.
_RANKED = (
    *("seconds_per_call", "seconds_low", "seconds_high", "ratio", "ratio_low", "ratio_high"),
    *(*SPEED_UP, "baseline"),
    *("verdict", "provisional", "rank_low", "rank_high"),
)
#: The ends of the 95 % interval of `first_call_seconds` over launches.
FIRST_CALL = ("first_call_low", "first_call_high")
_FOR_PROGRAMS = (
    *("strategy", *AXES, "status", "launches", *_RANKED),
    *(*SHOWN_FACTS, *FIRST_CALL, "reason", "differs"),
)
_NOTE = (
    "ratio: beside the fastest of its setting, from and to: its 95 % interval over launches, "
    "which holds for all rivals of a setting at once; "
    "speed-up, from and to: how many times as fast as the baseline of its setting, likewise; "
    "first call from, to: its own 95 % interval over launches; "
    "would see: a difference so large would have been called in 9 of 10 such runs; "
    "\N{DIVISION SIGN} forward: the time of a backward call, divided by that of its forward call"
)


@dataclass(frozen=True)
class Row:
    """A case with its place in the ranking of its setting, which one that was lost has not."""

    found: RunFindings
    measurement: Measurement
    rival: RankedCase | None = None
    ranking: Ranking | None = None

    @property
    def first_call(self) -> Interval | None:
        return self.found.first_calls.get(self.measurement.case)


def of_rankings(rankings: Sequence[Ranking], found: RunFindings, axes: Sequence[str] = ()) -> Table:
    """Return the rivals of some settings, sorted by time in each, without columns that are empty.

    `axes` are those in which the settings differ.
    """
    strategy, *others = _OF_SETTING
    rows = _rows(rankings, found)
    table = _table(rankings[0].setting.label, rows, (strategy, *axes, *others))
    return table.without_empty_columns()


def of_page(found: RunFindings) -> Table:
    """Return a row a measurement, settings in order, the fastest first."""
    rows = _rows(found.rankings, found)
    axes = varying(row.measurement.case for row in rows)
    return _table("measurements", rows, ("rival", *axes, *_ON_PAGE))


def for_programs(found: RunFindings) -> Table:
    """Return a row a case, in the order of the journal: axes, rank, facts, status and why."""
    ranked = {row.case: (row, one) for one in found.rankings for row in one.all_rows}
    rows = [Row(found, one, *ranked.get(one.case, (None, None))) for one in found.run.measurements]
    return _table("measurements", rows, _FOR_PROGRAMS)


def _rows(rankings: Iterable[Ranking], found: RunFindings) -> list[Row]:
    return [
        Row(found, found.run.by_case[rival.case], rival, ranking)
        for ranking in rankings
        for rival in ranking.all_rows
    ]


def _table(name: str, rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """Return these columns, the time of a call in the unit in which it reads well."""
    seconds = (row.rival.seconds_per_call.value for row in rows if row.rival)
    in_unit = replace(_COLUMNS["seconds_per_call"], unit=unit_for(seconds))
    made = tuple(in_unit if column == in_unit.name else _COLUMNS[column] for column in columns)
    return Table(name, "Every measurement", made, rows, _NOTE)


def _first_call_in_words(found: Interval) -> str:
    """Write the seconds, and how far their 95 % interval reaches where launches bound it."""
    reach = found.high / found.value
    if math.isnan(reach):
        return three_figures(found.value)
    far = (
        f"\N{MULTIPLICATION SIGN}÷{three_figures(reach)}"
        if reach >= _TIMES
        else f"±{percent(math.ceil(100 * (reach - 1)) / 100, 0)}"
    )
    return f"{three_figures(found.value)} {far}"


def _part(path: str) -> Callable[[Row], Any]:
    """Read an attribute of a row's attribute, and so on; None where one of them is None."""
    names = path.split(".")

    def read(row: Row) -> Any:
        value: Any = row
        for name in names:
            value = None if value is None else getattr(value, name)
        return value

    return read


def _interval(row: Row) -> str | None:
    """Write the interval; none where nothing but single launches is known."""
    rival, ranking = row.rival, row.ranking
    if rival is None or ranking is None or rival in ranking.rows[:1]:
        return None
    if rival.ratio.is_known:
        return f"[{_ratio(rival.ratio.low)}, {_ratio(rival.ratio.high)}]"
    others = (other for other in ranking.all_rows if other not in ranking.rows[:1])
    return "none" if any(other.ratio.is_known for other in others) else None


def _baseline(row: Row) -> str | None:
    """Name what the speed-up of a row is over, if it has one."""
    return row.ranking.baseline if row.ranking and row.rival and row.rival.speed_up else None


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < _FAR else three_figures(ratio)


def _verdict_beside(row: Row) -> str | None:
    """Return the verdict beside the fastest; nothing for the fastest itself."""
    rival = row.rival
    is_compared = rival and not (math.isnan(rival.p) and math.isnan(rival.detectable))
    return rival.verdict if rival and is_compared else None


def _shown(row: Row) -> str:
    """Name a strategy, a look-alike with its mark; a twin has one in its name."""
    name = row.measurement.case.strategy
    no_lift = row.ranking is not None and row.rival in row.ranking.unranked
    return f"{name} (no lift)" if no_lift and COPY_SEPARATOR not in name else name


def _peak(row: Row) -> float | None:
    return fact(row.measurement, "peak_bytes")


def _fact(name: str, title: str | None = None, **how: Any) -> Column:
    return number(name, title, lambda row: fact(row.measurement, name), **how)


_OTHER_FACTS = [name for name in SHOWN_FACTS if name not in {"graph_nodes", "peak_bytes"}]
_EVERY = (
    Column("strategy", value=attrgetter("measurement.case.strategy")),
    Column("rival", "strategy", _shown),
    *axis_columns(attrgetter("measurement.case.setting")),
    Column("status", value=attrgetter("measurement.status")),
    number("launches", value=lambda row: len(row.measurement.launches)),
    number("seconds_per_call", "time", _part("rival.seconds_per_call.value")),
    number("seconds_low", value=_part("rival.seconds_per_call.low")),
    number("seconds_high", value=_part("rival.seconds_per_call.high")),
    number("ratio", value=_part("rival.ratio.value"), format=_ratio),
    number("ratio_low", "ratio from", _part("rival.ratio.low"), _ratio),
    number("ratio_high", "ratio to", _part("rival.ratio.high"), _ratio),
    Column("interval", "95 % interval", _interval, drop_order=1, right=True),
    Column(
        "gain", "speed-up", _part("rival.speed_up"), speed_up_in_words, drop_order=1, right=True
    ),
    number("speed_up", "speed-up", _part("rival.speed_up.value")),
    number("speed_up_low", "speed-up from", _part("rival.speed_up.low")),
    number("speed_up_high", "speed-up to", _part("rival.speed_up.high")),
    Column("baseline", value=_baseline),
    Column("verdict", value=_part("rival.verdict")),
    Column("provisional", value=attrgetter("found.run.is_provisional")),
    Column("verdict_beside", "verdict", _verdict_beside),
    number("would_see", "would see", lambda row: row.rival.detectable - 1, unit=PER_CENT),
    number("rank_low", value=lambda row: row.rival and (row.rival.rank_low or None)),
    number("rank_high", value=lambda row: row.rival and (row.rival.rank_high or None)),
    number("price", "price at most", lambda row: row.rival.cost_over_best.high - 1, unit=PER_CENT),
    number(
        "over_forward",
        "\N{DIVISION SIGN} forward",
        lambda row: row.found.backward_over_forward.get(row.measurement.case),
        drop_order=5,
    ),
    number("first_call", "first call", _part("first_call.value"), unit=SECONDS),
    number("first_call_low", "first call from", _part("first_call.low")),
    number("first_call_high", "first call to", _part("first_call.high")),
    number(
        "first_call_told", "first call (s)", _part("first_call"), _first_call_in_words, drop_order=3
    ),
    *map(_fact, _OTHER_FACTS),
    _fact("graph_nodes", "graph nodes", format="{:,.0f}".format, drop_order=6),
    _fact("peak_bytes", "peak", unit=MEBIBYTES),
    number("peak_told", "peak memory", _peak, human_bytes, drop_order=4),
    number("launches_ranked", "launches", _part("rival.launches"), drop_order=7),
    Column("reason", value=attrgetter("measurement.reason")),
    Column(
        "differs",
        value=lambda row: row.found.look_alikes.get(row.measurement.case.strategy, ""),
    ),
)
_COLUMNS = {column.name: column for column in _EVERY}
