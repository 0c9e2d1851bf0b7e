"""The tables that compare across panels: per step by length, ways of execution, prices."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter

from timelift.analyse.choice import Worst
from timelift.analyse.findings import RunFindings
from timelift.analyse.stats.ranking import Ranking, Rival
from timelift.case import Case
from timelift.present.figures.panels import legend_order
from timelift.present.page.answer import Answer
from timelift.present.tables import Column, Table, axis_columns, number, varying
from timelift.present.units import Unit, unit_for


def steps(found: RunFindings) -> Table:
    """Return the time of one step by length, a row for each strategy and panel."""
    seconds = {case: one.per_step for case, one in found.costs_of.items()}
    unit = unit_for(seconds.values())
    lengths = sorted({case.setting.seq_len for case in seconds})
    by_size: dict[Case, dict[int, float]] = defaultdict(dict)
    for case, value in seconds.items():
        by_size[_at(case, lengths[0])][case.setting.seq_len] = value
    axes = [axis for axis in varying(by_size) if axis != "seq_len"]
    return Table(
        "per_step",
        "Time per step",
        (
            Column("strategy", value=attrgetter("strategy"), asked=True),
            *axis_columns(attrgetter("setting"), axes),
            *(_at_length(length, by_size, unit) for length in lengths),
        ),
        list(by_size),
        f"{unit.name} for one valid step of one sequence; falling along a row: "
        "the call's fixed cost is shared by more steps",
    )


def _at(case: Case, length: int) -> Case:
    return dataclasses.replace(case, setting=dataclasses.replace(case.setting, seq_len=length))


def _at_length(length: int, seconds: Mapping[Case, Mapping[int, float]], unit: Unit) -> Column:
    """Return the column of one length, whose unit is in the note below the table."""
    return number(
        f"T = {length:,}", value=lambda case: seconds[case].get(length, math.nan) / unit.size
    )


def execution(found: RunFindings) -> Table:
    """Return the fastest in every mode, device and the like, beside the best of them; or no row."""
    answered = [one for one in found.rankings if one.rows]
    unit = unit_for(one.rows[0].seconds_per_call for one in answered)
    return Table(
        "execution",
        "The fastest in each",
        (
            *axis_columns(
                lambda row: _fastest(row).case.setting,
                varying(row.case for one in answered for row in one.rows),
            ),
            Column("fastest", value=lambda row: _fastest(row).case.strategy, asked=True),
            number("time", None, _fastest_seconds, unit=unit),
            number(
                "times the best",
                value=lambda row: _fastest_seconds(row) / row[1],
                format="{:.2f}".format,
            ),
        ),
        found.fastest_elsewhere,
    )


def _fastest(row: tuple[Ranking, float]) -> Rival:
    return row[0].rows[0]


def _fastest_seconds(row: tuple[Ranking, float]) -> float:
    return _fastest(row).seconds_per_call


def prices(answers: Iterable[Answer]) -> Table:
    """Return what every strategy costs at most, the recommended one of each workload first."""
    return Table(
        "prices",
        "What each costs at most",
        (
            Column("strategy", value=lambda row: row[1].strategy, asked=True),
            Column("workload", value=lambda row: row[0].workload, asked=True),
            number(
                "times the best, at most", value=lambda row: row[1].ratio, format="{:.3f}".format
            ),
            Column("never shown slower", value=_is_safe, asked=True),
            number("settings", value=lambda row: row[1].settings),
        ),
        [(answer, one) for answer in answers for one in answer.choice.worst],
        "over all settings of the workload: the upper end of the 95 % interval, if there is one",
    )


def _is_safe(row: tuple[Answer, Worst]) -> str:
    answer, one = row
    return "yes" if one.strategy in answer.choice.safe else "no"


def names(rankings: Iterable[Ranking]) -> list[str]:
    """Return every measured strategy in the order of the legends."""
    return legend_order(row.case.strategy for one in rankings for row in one.everyone)
