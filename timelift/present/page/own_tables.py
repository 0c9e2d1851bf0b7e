"""The tables that the page alone shows: executions, prices, what has no figure, meanings."""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from timelift.analyse.findings import ExecutionPair, RunFindings
from timelift.analyse.ranking import RankedCase
from timelift.analyse.recommend import Answer, Price, Recommendation
from timelift.escape import plain
from timelift.journal.lines import StrategyEntry
from timelift.present.conditions import left_out_in_words, modes
from timelift.present.tables import Column, Table, axis_columns, number, shown_axes
from timelift.present.words import meaning_in_words, unit_for

#: Characters after which a reason, and a title, are cut.
_REASON, _TITLE = 300, 200


class _ExecutionRow(NamedTuple):
    """The fastest of a setting, and the seconds per call of the best in any execution."""

    fastest: RankedCase
    best_elsewhere: float


def fastest_by_execution(findings: RunFindings) -> Table:
    """Return the fastest in every mode, device and the like, beside the best of these."""
    rankings = [ranking for ranking in findings.rankings if ranking.rows]
    unit = unit_for(ranking.rows[0].seconds_per_call.value for ranking in rankings)
    return Table(
        "execution",
        "The fastest in each",
        (
            *axis_columns(
                "fastest.case.setting",
                shown_axes(row.case for ranking in rankings for row in ranking.rows),
            ),
            Column("fastest", value=lambda row: row.fastest.case.strategy),
            number("time", None, lambda row: row.fastest.seconds_per_call.value, unit=unit),
            number(
                "times the best",
                value=lambda row: row.fastest.seconds_per_call.value / row.best_elsewhere,
                format="{:.2f}".format,
            ),
        ),
        [_ExecutionRow(ranking.rows[0], best) for ranking, best in findings.fastest_elsewhere],
    )


def across_executions(pairs: Sequence[ExecutionPair]) -> Table:
    """Return a row a pair: the time of the other execution over that of the usual one."""
    settings = (case.setting for pair in pairs for case in (pair.usual, pair.other))
    return Table(
        "across",
        "Each strategy beside itself, executed otherwise",
        (
            Column("strategy", value=attrgetter("usual.strategy")),
            Column("axis"),
            Column("usual", value=lambda pair: pair.values[0]),
            Column("other", value=lambda pair: pair.values[1]),
            *axis_columns("usual.setting", shown_axes(pair.usual for pair in pairs)),
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
            _PriceRow(workload, answer.single, price)
            for workload, answer in answers.items()
            for price in answer.single.prices
        ],
        "over all settings of the workload: the upper end of the 95 % interval, if there is one",
    )


def left_out(findings: RunFindings) -> Table:
    columns = (
        Column("end", value=itemgetter(0)),
        Column("reason", value=itemgetter(1), limit=_REASON),
    )
    return Table("not_run", "What has no figure", columns, [*left_out_in_words(findings)])


def meanings(findings: RunFindings) -> Table:
    declared, look_alikes = findings.run.header.strategies, findings.look_alikes
    words = {name: dict(meaning_in_words(entry.meaning)) for name, entry in declared.items()}
    titles = sorted({title for own in words.values() for title in own})
    return Table(
        "meanings",
        "What each strategy means",
        (
            Column("strategy", value=itemgetter(0)),
            Column(
                "what it is",
                value=lambda row: _title_of(row[1], look_alikes.get(row[0])),
                limit=3 * _TITLE,
            ),
            *(_meaning(title, words) for title in titles),
        ),
        list(declared.items()),
    )


def _meaning(title: str, words: Mapping[str, Mapping[str, str]]) -> Column:
    return Column(title, value=lambda row: words[row[0]].get(title), limit=3 * _TITLE)


def _title_of(entry: StrategyEntry, differs: str | None) -> str:
    title = plain(entry.title or "", _TITLE)
    return f"{title} (no lift: {plain(differs, _TITLE)})" if differs else title
