"""The table with a row a case: of one setting, of all on the page, and of all for programs.

Names inside are as the file wrote them until a renderer escapes them for its place.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Measurement, fact
from timelift.analyse.stats.absolute_times import FirstCall
from timelift.analyse.stats.ranking import RankedCase, Ranking
from timelift.case import AXES, COPY_SEPARATOR
from timelift.journal import SHOWN_FACTS
from timelift.present.advised import speed_up_in_words
from timelift.present.tables import Column, Table, axis_columns, number, varying
from timelift.present.units import (
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
    *("over_forward", "first_call", "graph_nodes", "peak_bytes", "launches_ranked"),
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
    def first_call(self) -> FirstCall | None:
        return self.found.first_calls.get(self.measurement.case)


def of_rankings(rankings: Sequence[Ranking], found: RunFindings, axes: Sequence[str] = ()) -> Table:
    """Return the rivals of some settings, sorted by time in each, without columns that are empty.

    `axes` are those in which the settings differ.
    """
    rows = [row for ranking in rankings for row in _rows(ranking, found)]
    strategy, *others = _OF_SETTING
    table = _table(rankings[0].setting.label, rows, (strategy, *axes, *others))
    columns = (
        replace(one, unit=None, **_IN_WORDS[one.name]) if one.name in _IN_WORDS else one
        for one in table.columns
    )
    return replace(table, columns=tuple(columns)).without_empty_columns()


def of_page(found: RunFindings) -> Table:
    """Return a row a measurement, settings in order, the fastest first."""
    rows = [row for ranking in found.rankings for row in _rows(ranking, found)]
    axes = varying(row.measurement.case for row in rows)
    return _table("measurements", rows, ("rival", *axes, *_ON_PAGE))


def for_programs(found: RunFindings) -> Table:
    """Return a row a case, in the order of the journal: axes, rank, facts, status and why."""
    ranked = {row.case: (row, one) for one in found.rankings for row in one.all_rows}
    rows = [Row(found, one, *ranked.get(one.case, (None, None))) for one in found.run.measurements]
    return _table("measurements", rows, _FOR_PROGRAMS)


def _rows(ranking: Ranking, found: RunFindings) -> list[Row]:
    return [Row(found, found.run.by_case[one.case], one, ranking) for one in ranking.all_rows]


def _table(name: str, rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """Return these columns, the time of a call in the unit in which it reads well."""
    seconds = (row.rival.seconds_per_call for row in rows if row.rival)
    in_unit = replace(_COLUMNS["seconds_per_call"], unit=unit_for(seconds))
    made = tuple(in_unit if column == in_unit.name else _COLUMNS[column] for column in columns)
    return Table(name, "Every measurement", made, rows, _NOTE)


def _first_call(row: Row, name: str) -> float | None:
    found = getattr(row.first_call, name, None)
    return None if found is None or math.isnan(found) else float(found)


def _first_call_in_words(found: FirstCall) -> str:
    """Write the seconds, and how far their 95 % interval reaches where launches bound it."""
    reach = found.high / found.seconds
    if math.isnan(reach):
        return three_figures(found.seconds)
    far = (
        f"\N{MULTIPLICATION SIGN}÷{three_figures(reach)}"
        if reach >= _TIMES
        else f"±{percent(math.ceil(100 * (reach - 1)) / 100, 0)}"
    )
    return f"{three_figures(found.seconds)} {far}"


def _interval(row: Row) -> str | None:
    """Write the interval; none where nothing but single launches is known."""
    one, ranking = row.rival, row.ranking
    if one is None or ranking is None or one in ranking.rows[:1]:
        return None
    if one.has_interval:
        return f"[{_ratio(one.low)}, {_ratio(one.high)}]"
    others = (other for other in ranking.all_rows if other not in ranking.rows[:1])
    return "none" if any(other.has_interval for other in others) else None


def _gain(row: Row) -> str | None:
    found = None if row.rival is None else row.rival.speed_up
    return speed_up_in_words(found) if found else None


def _speed_up(name: str) -> Callable[[Row], float | None]:
    return lambda row: getattr(getattr(row.rival, "speed_up", None), name, None)


def _baseline(row: Row) -> str | None:
    """Name what the speed-up of a row is over, if it has one."""
    return row.ranking.baseline if row.ranking and _gain(row) else None


def _ratio(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < _FAR else three_figures(ratio)


def _verdict_beside(row: Row) -> str | None:
    """Return the verdict beside the fastest; nothing for the fastest itself."""
    one = row.rival
    nothing = one is None or (math.isnan(one.p) and math.isnan(one.detectable))
    return None if one is None or nothing else one.verdict


def _of_rival(name: str) -> Callable[[Row], Any]:
    return lambda row: getattr(row.rival, name, None)


def _ranks(name: str) -> Callable[[Row], Any]:
    """Read a rank, which what is no lift does not have."""
    return lambda row: getattr(row.rival, name, None) or None


def _shown(row: Row) -> str:
    """Name a strategy, a look-alike with its mark; a twin has one in its name."""
    name = row.measurement.case.strategy
    no_lift = row.ranking is not None and row.rival in row.ranking.unranked
    return f"{name} (no lift)" if no_lift and COPY_SEPARATOR not in name else name


def _more_than_one(name: str, which: int | None = None) -> Callable[[Row], float | None]:
    """Read a ratio of the rival as what it is above one."""

    def read(row: Row) -> float | None:
        found = getattr(row.rival, name, None)
        return None if found is None else float(found if which is None else found[which]) - 1

    return read


def _fact(name: str, title: str | None = None, **how: Any) -> Column:
    return number(name, title, lambda row: fact(row.measurement, name), **how)


_OTHER_FACTS = [name for name in SHOWN_FACTS if name not in {"graph_nodes", "peak_bytes"}]
_EVERY = (
    Column("strategy", value=attrgetter("measurement.case.strategy")),
    Column("rival", "strategy", _shown),
    *axis_columns(attrgetter("measurement.case.setting")),
    Column("status", value=attrgetter("measurement.status")),
    number("launches", value=lambda row: len(row.measurement.launches)),
    number("seconds_per_call", "time", _of_rival("seconds_per_call")),
    number("seconds_low", value=_of_rival("seconds_low")),
    number("seconds_high", value=_of_rival("seconds_high")),
    number("ratio", value=_of_rival("ratio"), format=_ratio),
    number("ratio_low", "ratio from", _of_rival("low"), _ratio),
    number("ratio_high", "ratio to", _of_rival("high"), _ratio),
    Column("interval", "95 % interval", _interval, drop_order=1, right=True),
    Column("gain", "speed-up", _gain, drop_order=1, right=True),
    number("speed_up", "speed-up", _speed_up("times")),
    number("speed_up_low", "speed-up from", _speed_up("low")),
    number("speed_up_high", "speed-up to", _speed_up("high")),
    Column("baseline", value=_baseline),
    Column("verdict", value=_of_rival("verdict")),
    Column("provisional", value=attrgetter("found.run.is_provisional")),
    Column("verdict_beside", "verdict", _verdict_beside),
    number("would_see", "would see", _more_than_one("detectable"), unit=PER_CENT),
    number("rank_low", value=_ranks("rank_low")),
    number("rank_high", value=_ranks("rank_high")),
    number("price", "price at most", _more_than_one("cost_over_best", 1), unit=PER_CENT),
    number(
        "over_forward",
        "\N{DIVISION SIGN} forward",
        lambda row: row.found.backward_over_forward.get(row.measurement.case),
        drop_order=5,
    ),
    number(
        "first_call",
        "first call",
        lambda row: _first_call(row, "seconds"),
        unit=SECONDS,
        drop_order=3,
    ),
    number("first_call_low", "first call from", lambda row: _first_call(row, "low")),
    number("first_call_high", "first call to", lambda row: _first_call(row, "high")),
    *map(_fact, _OTHER_FACTS),
    _fact("graph_nodes", "graph nodes", format="{:,.0f}".format, drop_order=6),
    _fact("peak_bytes", "peak", unit=MEBIBYTES, drop_order=4),
    number("launches_ranked", "launches", _of_rival("launches"), drop_order=7),
    Column("reason", value=attrgetter("measurement.reason")),
    Column(
        "differs",
        value=lambda row: row.found.look_alikes.get(row.measurement.case.strategy, ""),
    ),
)
_COLUMNS = {column.name: column for column in _EVERY}
#: How the table of a setting writes columns that the page, where rows are sorted, has in one unit.
_IN_WORDS: Mapping[str, dict[str, Any]] = {
    "first_call": {
        "title": "first call (s)",
        "value": attrgetter("first_call"),
        "format": _first_call_in_words,
    },
    "peak_bytes": {"title": "peak memory", "format": human_bytes},
}
