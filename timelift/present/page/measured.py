"""The tables of a run that the page alone shows: cases without a result, first calls, meanings."""

import itertools
from operator import attrgetter

from timelift.analyse.findings import RunFindings
from timelift.analyse.runs.measurement import Run
from timelift.case import Status
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import StrategyEntry
from timelift.present.tables import Column, Table, axis_columns, number, varying

#: Characters after which a reason and a title are cut.
_REASON, _TITLE = 300, 200


def losses(run: Run) -> Table:
    """Return the cases without a result, and why."""
    lost = [one for one in run.measurements if one.status is not Status.MEASURED]
    return Table(
        "not_run",
        "Cases without a result",
        (
            Column("strategy", value=attrgetter("case.strategy"), asked=True),
            *axis_columns(attrgetter("case.setting"), varying(one.case for one in lost)),
            Column("status", asked=True),
            Column("reason", limit=_REASON),
        ),
        lost,
    )


def pays_off(found: RunFindings) -> Table:
    """Return after how many calls which strategy has cost the least, the first call included."""
    rows = [
        (ranking.rows[0].case.setting, before, later)
        for ranking, steps in found.break_even
        for before, later in itertools.pairwise(steps)
    ]
    axes = varying(row.case for ranking in found.rankings for row in ranking.rows)
    return Table(
        "break_even",
        "Where a dear first call pays",
        (
            Column("strategy", value=lambda row: row[2].strategy, asked=True),
            *axis_columns(lambda row: row[0], axes),
            number(
                "pays off after (calls)", value=lambda row: row[2].calls - 1, format="{:,}".format
            ),
            Column("instead of", value=lambda row: row[1].strategy),
        ),
        rows,
    )


def meanings(found: RunFindings) -> Table:
    """Return what strategies declare to do with layers that are more than a function."""
    declared = found.run.header.strategies
    others = found.look_alikes
    keys = sorted({key for one in declared.values() for key in one.meaning})
    return Table(
        "meanings",
        "What each strategy means",
        (
            Column("strategy", value=lambda row: row[0]),
            Column(
                "what it is",
                value=lambda row: _title(row[1], others.get(row[0])),
                limit=3 * _TITLE,
            ),
            *map(_meaning, keys),
        ),
        list(declared.items()),
    )


def _title(entry: StrategyEntry, differs: str | None) -> str:
    title = plain(entry.title or "", _TITLE)
    return f"{title} (no lift: {plain(differs, _TITLE)})" if differs else title


def _meaning(key: str) -> Column:
    return Column(key, _word(key), lambda row: _meant(row[1], key), limit=3 * _TITLE)


def _meant(entry: StrategyEntry, key: str) -> str:
    value = entry.meaning.get(key, "")
    if isinstance(value, dict):
        return "; ".join(f"{_word(axis)} time: {_word(one)}" for axis, one in value.items())
    return _word(value)


def _word(text: object) -> str:
    return plain(text, NAME_LIMIT).lower().replace("_", " ")
