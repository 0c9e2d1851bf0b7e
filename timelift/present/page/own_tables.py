"""The tables that the page alone shows: time per step, execution, prices, meanings, losses."""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from timelift.analyse.costs import CheapestFrom
from timelift.analyse.findings import RunFindings
from timelift.analyse.recommend import ForWorkload, Price
from timelift.analyse.runs.measurement import Run
from timelift.analyse.stats.ranking import RankedCase
from timelift.case import Case, Setting, Status
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import StrategyEntry
from timelift.present.report import declared_in_words, in_lower_case
from timelift.present.tables import Column, Table, axis_columns, number, varying
from timelift.present.units import Unit, unit_for

#: Characters after which a reason and a title are cut.
_REASON, _TITLE = 300, 200


def steps(found: RunFindings) -> Table:
    """Return the time of one step by length, a row for each strategy and panel."""
    seconds = {case: one.seconds_per_step for case, one in found.costs_of.items()}
    unit = unit_for(seconds.values())
    lengths = sorted({case.setting.seq_len for case in seconds})
    by_size: dict[Case, dict[int, float]] = defaultdict(dict)
    for case, value in seconds.items():
        panel = dataclasses.replace(case.setting, seq_len=lengths[0])
        by_size[dataclasses.replace(case, setting=panel)][case.setting.seq_len] = value
    axes = [axis for axis in varying(by_size) if axis != "seq_len"]
    return Table(
        "per_step",
        "Time per step",
        (
            Column("strategy", value=attrgetter("strategy")),
            *axis_columns(attrgetter("setting"), axes),
            *(_at_length(length, by_size, unit) for length in lengths),
        ),
        list(by_size),
        f"{unit.name} for one valid step of one sequence; falling along a row: "
        "the call's fixed cost is shared by more steps",
    )


def _at_length(length: int, seconds: Mapping[Case, Mapping[int, float]], unit: Unit) -> Column:
    """Return the column of one length, whose unit is in the note below the table."""
    return number(
        f"T = {length:,}", value=lambda case: seconds[case].get(length, math.nan) / unit.size
    )


class _ExecutionRow(NamedTuple):
    """The fastest of a setting, and the seconds per call of the best in any execution."""

    fastest: RankedCase
    best_elsewhere: float


def execution(found: RunFindings) -> Table:
    """Return the fastest in every mode, device and the like, beside the best of them; or no row."""
    answered = [one for one in found.rankings if one.rows]
    unit = unit_for(one.rows[0].seconds_per_call for one in answered)
    return Table(
        "execution",
        "The fastest in each",
        (
            *axis_columns(
                lambda row: row.fastest.case.setting,
                varying(row.case for one in answered for row in one.rows),
            ),
            Column("fastest", value=lambda row: row.fastest.case.strategy),
            number("time", None, lambda row: row.fastest.seconds_per_call, unit=unit),
            number(
                "times the best",
                value=lambda row: row.fastest.seconds_per_call / row.best_elsewhere,
                format="{:.2f}".format,
            ),
        ),
        [_ExecutionRow(ranking.rows[0], best) for ranking, best in found.fastest_elsewhere],
    )


class _PriceRow(NamedTuple):
    workload: ForWorkload
    price: Price


def prices(recommended: Iterable[ForWorkload]) -> Table:
    """Return what every strategy costs at most, the recommended one of each workload first."""
    return Table(
        "prices",
        "What each costs at most",
        (
            Column("strategy", value=lambda row: row.price.strategy),
            Column("workload", value=lambda row: row.workload.workload),
            number(
                "times the best, at most", value=lambda row: row.price.ratio, format="{:.3f}".format
            ),
            Column(
                "never shown slower",
                value=lambda row: (
                    "yes" if row.price.strategy in row.workload.found.never_shown_slower else "no"
                ),
            ),
            number("settings", value=lambda row: row.price.settings),
        ),
        [_PriceRow(answer, one) for answer in recommended for one in answer.found.prices],
        "over all settings of the workload: the upper end of the 95 % interval, if there is one",
    )


def losses(run: Run) -> Table:
    lost = [one for one in run.measurements if one.status is not Status.MEASURED]
    return Table(
        "not_run",
        "Cases without a result",
        (
            Column("strategy", value=attrgetter("case.strategy")),
            *axis_columns(attrgetter("case.setting"), varying(one.case for one in lost)),
            Column("status"),
            Column("reason", limit=_REASON),
        ),
        lost,
    )


class _BreakEvenRow(NamedTuple):
    """A strategy that is overtaken in the sum of calls, and the one that overtakes it."""

    setting: Setting
    before: CheapestFrom
    later: CheapestFrom


def break_even(found: RunFindings) -> Table:
    """Return after how many calls which strategy has cost the least, the first call included."""
    rows = [
        _BreakEvenRow(ranking.rows[0].case.setting, before, later)
        for ranking, steps in found.break_even
        for before, later in itertools.pairwise(steps)
    ]
    axes = varying(row.case for ranking in found.rankings for row in ranking.rows)
    return Table(
        "break_even",
        "Calls after which a slow first call is made up",
        (
            Column("strategy", value=lambda row: row.later.strategy),
            *axis_columns(attrgetter("setting"), axes),
            number(
                "pays off after (calls)",
                value=lambda row: row.later.calls - 1,
                format="{:,}".format,
            ),
            Column("instead of", value=lambda row: row.before.strategy),
        ),
        rows,
    )


class _MeaningRow(NamedTuple):
    strategy: str
    entry: StrategyEntry


def meanings(found: RunFindings) -> Table:
    """Return what strategies declare to do with layers that are more than a function."""
    declared = found.run.header.strategies
    others = found.look_alikes
    keys = sorted({key for one in declared.values() for key in one.meaning})
    return Table(
        "meanings",
        "What each strategy means",
        (
            Column("strategy", value=attrgetter("strategy")),
            Column(
                "what it is",
                value=lambda row: _title_of(row.entry, others.get(row.strategy)),
                limit=3 * _TITLE,
            ),
            *(_meaning(key) for key in keys),
        ),
        [_MeaningRow(*item) for item in declared.items()],
    )


def _title_of(entry: StrategyEntry, differs: str | None) -> str:
    title = plain(entry.title or "", _TITLE)
    return f"{title} (no lift: {plain(differs, _TITLE)})" if differs else title


def _meaning(key: str) -> Column:
    return Column(
        key,
        plain(in_lower_case(key), NAME_LIMIT),
        lambda row: declared_in_words(row.entry.meaning.get(key, "")),
        limit=3 * _TITLE,
    )
