"""The tables that the page alone shows: executions, what has no figure, meanings."""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter

from timelift.analyse.findings import ExecutionPair, RunFindings
from timelift.escape import plain
from timelift.journal.lines import StrategyEntry
from timelift.present.conditions import left_out_in_words, modes
from timelift.present.tables import Column, Table, axis_columns, number, shown_axes
from timelift.present.words import meaning_in_words

#: Characters after which a reason, and a title, are cut.
_REASON, _TITLE = 300, 200


def across_executions(pairs: Sequence[ExecutionPair]) -> Table:
    """Return a row a pair: the time of the other execution over that of the usual one."""
    settings = (case.setting for pair in pairs for case in (pair.usual, pair.other))
    return Table(
        "across",
        "Each strategy beside itself, executed otherwise or in another precision",
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


def left_out(findings: RunFindings) -> Table:
    end = Column("end", value=itemgetter(0))
    reason = Column("reason", value=itemgetter(1), limit=_REASON)
    return Table("not_run", "What has no figure", (end, reason), [*left_out_in_words(findings)])


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
