"""The tables that the page alone shows: prices, executions, meanings, losses."""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from timelift.analyse.findings import ExecutionPair, RunFindings
from timelift.analyse.ranking import RankedCase
from timelift.analyse.recommend import Answer, Price, Recommendation
from timelift.analyse.results import Run
from timelift.case import Status
from timelift.escape import plain
from timelift.journal.lines import StrategyEntry
from timelift.present.conditions import modes
from timelift.present.tables import Column, Table, axis_columns, number, shown_axes
from timelift.present.words import meaning_in_words, unit_for

#: Characters after which a reason and a title are cut.
_REASON, _TITLE = 300, 200


class _ExecutionRow(NamedTuple):
    """The fastest of a setting, and the seconds per call of the best in any execution."""

    fastest: RankedCase
    best_elsewhere: float


def execution(found: RunFindings) -> Table:
    """Return the fastest in every mode, device and the like, beside the best of them; or no row."""
    answered = [one for one in found.rankings if one.rows]
    unit = unit_for(one.rows[0].seconds_per_call.value for one in answered)
    return Table(
        "execution",
        "The fastest in each",
        (
            *axis_columns(
                lambda row: row.fastest.case.setting,
                shown_axes(row.case for one in answered for row in one.rows),
            ),
            Column("fastest", value=lambda row: row.fastest.case.strategy),
            number("time", None, lambda row: row.fastest.seconds_per_call.value, unit=unit),
            number(
                "times the best",
                value=lambda row: row.fastest.seconds_per_call.value / row.best_elsewhere,
                format="{:.2f}".format,
            ),
        ),
        [_ExecutionRow(ranking.rows[0], best) for ranking, best in found.fastest_elsewhere],
    )


def executions(pairs: Sequence[ExecutionPair]) -> Table:
    """Return a row a pair: what the other execution takes, as a multiple of the usual one."""
    settings = (case.setting for pair in pairs for case in (pair.usual, pair.other))
    return Table(
        "across",
        "Each strategy beside itself, executed otherwise",
        (
            Column("strategy", value=attrgetter("usual.strategy")),
            Column("axis"),
            Column("usual", value=lambda pair: pair.values[0]),
            Column("other", value=lambda pair: pair.values[1]),
            *axis_columns(attrgetter("usual.setting"), shown_axes(pair.usual for pair in pairs)),
            number("ratio", "times as long", _times("value"), "{:.3f}".format),
            number("low", "from", _times("low"), "{:.3f}".format),
            number("high", "to", _times("high"), "{:.3f}".format),
            Column("verdict", value=attrgetter("comparison.verdict")),
        ),
        pairs,
        f"{modes(settings)}. Intervals are 95 %, over launches: the two are timed seconds apart, "
        "in processes of their own",
    )


def _times(name: str) -> Callable[[ExecutionPair], float]:
    return lambda pair: math.exp(getattr(pair.comparison, name))


class _PriceRow(NamedTuple):
    workload: str
    single: Recommendation
    price: Price


def prices(answers: Mapping[str, Answer]) -> Table:
    """Return what every strategy costs at most, the recommended one of each workload first."""
    return Table(
        "prices",
        "What each costs at most",
        (
            Column("strategy", value=lambda row: row.price.strategy),
            Column("workload"),
            number(
                "times the best, at most", value=lambda row: row.price.ratio, format="{:.3f}".format
            ),
            Column(
                "never shown slower",
                value=lambda row: (
                    "yes" if row.price.strategy in row.single.never_shown_slower else "no"
                ),
            ),
            number("settings", value=lambda row: row.price.settings),
        ),
        [
            _PriceRow(workload, answer.single, one)
            for workload, answer in answers.items()
            for one in answer.single.prices
        ],
        "over all settings of the workload: the upper end of the 95 % interval, if there is one",
    )


def losses(run: Run) -> Table:
    lost = [one for one in run.measurements if one.status is not Status.MEASURED]
    return Table(
        "not_run",
        "Cases without a result",
        (
            Column("strategy", value=attrgetter("case.strategy")),
            *axis_columns(attrgetter("case.setting"), shown_axes(one.case for one in lost)),
            Column("status"),
            Column("reason", limit=_REASON),
        ),
        lost,
    )


def meanings(found: RunFindings) -> Table:
    """Return what strategies declare to do with layers that are more than a function."""
    declared = found.run.header.strategies
    others = found.look_alikes
    words = {name: dict(meaning_in_words(entry.meaning)) for name, entry in declared.items()}
    abouts = sorted({about for told in words.values() for about in told})
    return Table(
        "meanings",
        "What each strategy means",
        (
            Column("strategy", value=itemgetter(0)),
            Column(
                "what it is",
                value=lambda row: _title_of(row[1], others.get(row[0])),
                limit=3 * _TITLE,
            ),
            *(_meaning(about, words) for about in abouts),
        ),
        list(declared.items()),
    )


def _meaning(about: str, words: Mapping[str, Mapping[str, str]]) -> Column:
    return Column(about, value=lambda row: words[row[0]].get(about), limit=3 * _TITLE)


def _title_of(entry: StrategyEntry, differs: str | None) -> str:
    title = plain(entry.title or "", _TITLE)
    return f"{title} (no lift: {plain(differs, _TITLE)})" if differs else title
