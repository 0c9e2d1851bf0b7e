"""A history in words: the head, a table of cases, and earlier changes."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from timelift.errors import counted
from timelift.escape import NAME_LIMIT
from timelift.history import WORSE, Cause, Change, ChangeState, CommonShift, compare_words
from timelift.history.levels import MachineRuns
from timelift.history.many_runs import CaseHistory, History
from timelift.history.noise import LEAST_RUNS
from timelift.present.document import Block, Document, More, Shown, lines
from timelift.present.tables import Column, Table, axis_columns, number
from timelift.present.words import percent, percent_more, sentence

#: The most rows on a screen, and what it says of the others.
_MORE = More(40, "more line", "history.md has them")
_NAMELESS = "a machine without a name"
#: What a case needs to be known.
_NEEDED = f"a change needs {LEAST_RUNS} runs of a case before it and {LEAST_RUNS} after it"
#: The most pairs of runs with a line in the head: for slow-downs, and for facts that changed.
_PLACES = 5
#: The title of a shift by what moved the cases.
_LABELS = {Cause.MACHINE: "machine", Cause.SHARED: "together", Cause.UNKNOWN: "moved"}
#: The columns of the cases that changed, for readers.
CHANGED = ("case", "now", "change", "95 % interval", "since", "commits", "runs_now", "with_it")


def document(history: History) -> Document:
    """Return the head, the cases that changed, earlier changes, and every case for a file."""
    changed, every_case = history.findings.changed, history.findings.cases
    told = table(changed, history).pick(*CHANGED).without_empty_columns()
    every = table(every_case, history).pick("case", "now", "runs", "changes")
    earlier = tuple(earlier_changes(history))
    return Document(
        title="timelift history",
        answer=sentence(_answer(history)),
        blocks=(
            Block(lines=lines(head(history))),
            Block(lines=lines(("warning", text) for text in warnings(history.machine))),
            Block(table=told, more=_MORE),
            Block(heading="earlier changes" if earlier else "", sentences=earlier, more=_MORE),
            Block(heading="every case", table=every, shown=Shown.AT_LENGTH),
        ),
    )


def warnings(machine: MachineRuns) -> Iterator[str]:
    for name, runs in sorted(machine.others.items()):
        described = " as described otherwise" if name == machine.name else ""
        counts = counted(runs, "run")
        yield f"left out {counts} of another machine: {name or _NAMELESS}{described}"
    yield from machine.warnings


def head(history: History) -> Iterator[tuple[str, str]]:
    runs = history.runs
    yield "machine", history.machine.name or _NAMELESS
    shown = f"{len(history.findings.cases)} of {counted(len(history.cases), 'case')}"
    ends = " to ".join(dict.fromkeys(map(history.moment, (0, len(runs) - 1))))
    yield "runs", f"{len(runs)}, {ends}, {shown}"
    yield "change", "beside what the median rival of the same setting and run did"
    for shift in history.findings.common_shifts:
        yield _LABELS[shift.cause], _shift_in_words(shift, history)
    for (before, after), count in history.findings.worse_by_place[:_PLACES]:
        yield "slower", f"{counted(count, 'case')} {_where(history, before, after)}"
    yield from (("facts", line) for line in _facts(history))


def _shift_in_words(shift: CommonShift, history: History) -> str:
    """Write when most cases moved, by how much, and why it was the machine or not."""
    old, new = (
        f"{history.moment(place)} ({history.runs[place].commit})"
        for place in (shift.before, shift.after)
    )
    return (
        f"moved together between {old} and {new}: {percent(shift.share, 0)} of {shift.cases} "
        f"cases, the median by {percent_more(shift.value)}{_reason(shift)}"
        f"{_with_it(history, shift.before, shift.after)}"
    )


def _reason(shift: CommonShift) -> str:
    if shift.cause is Cause.UNKNOWN:
        return "; no canary shows whether it was the machine"
    canary = f" beside the canary, which moved by {percent_more(shift.canary)}"
    if shift.cause is Cause.MACHINE:
        return f"{canary}; all begin anew but cases that moved by more"
    told = "; on a GPU, whose clocks the canary does not know, this is told alone"
    return f"{canary}: not the machine{told if shift.on_gpu else ''}"


def _facts(history: History) -> Iterator[str]:
    """Write a line for each fact that changed between the same two runs, the latest first."""
    for (before, after, name), changes in history.facts_by_place[:_PLACES]:
        text = f"{compare_words.FACT_WORDS[name][0]} of {len(changes)} cases changed"
        if len(changes) == 1:
            text = f"{changes[0].case.label}: {compare_words.fact_in_words(changes[0])}"
        yield f"{text} {_where(history, before, after)}"


def _where(history: History, before: int, after: int) -> str:
    """Write the day, the commits and the drift of a change between two runs."""
    old, new = history.runs[before], history.runs[after]
    drift = _with_it(history, before, after)
    moment = history.moment(after)
    return f"from {moment} on, between {old.commit} and {new.commit}{drift}"


def _with_it(history: History, before: int, after: int) -> str:
    """Write the drift between two runs as the end of a sentence; '' where there is none."""
    drift = compare_words.differences_in_words(history.drift(before, after), "absent")
    return f"; with it: {drift}" if drift else ""


def _answer(history: History) -> str:
    if (runs := len(history.runs)) < 2 * LEAST_RUNS:
        return f"too few runs: {_NEEDED}, and there are {runs}"
    findings = history.findings
    counts, worse = Counter(row.state for row in findings.cases), len(findings.worse)
    answer = f"{worse} cases are slower than they were"
    if worse <= 1:
        answer = f"{'1 case' if worse else 'nothing'} is slower than it was"
    if findings.slower_together:
        together = "most cases are slower together"
        answer = f"{together}, and {answer}" if worse else together
    answer += f" by {100 * history.gate:g} % or more"
    shown = sorted(counts.keys() - WORSE - {ChangeState.UNKNOWN}, key=[*ChangeState].index)
    others = [f"{counts[state]} {state}" for state in shown]
    if unknown := counts[ChangeState.UNKNOWN]:
        others.append(f"{unknown} {ChangeState.UNKNOWN}: {_NEEDED}")
    return f"{answer}; {', '.join(others)}" if others else answer


def earlier_changes(history: History) -> Iterator[str]:
    """Write all changes but those that the table has."""
    for row in history.findings.cases:
        for change in row.changes:
            if change != row.since:
                where = _where(history, change.before, change.after)
                yield f"{row.case.label}: {percent_more(change.value)} {where}"


# The table of cases ------------------------------------------------------------------------------


def table(rows: Sequence[CaseHistory], history: History) -> Table:
    """Return a row a case: its axes, its state now, and the change that the state rests on."""

    def of_since(write: Callable[[Change], str]) -> Callable[[CaseHistory], str | None]:
        return lambda row: write(row.since) if row.since else None

    def commits(step: Change) -> str:
        return f"{history.runs[step.before].commit}..{history.runs[step.after].commit}"

    columns = (
        Column("case", value=attrgetter("case.label"), limit=compare_words.LONGEST_CASE),
        Column("strategy", value=attrgetter("case.strategy")),
        *axis_columns("case.setting"),
        compare_words.state_column(),
        number("runs"),
        number("changes", value=lambda row: len(row.changes)),
        *compare_words.change_columns(drop_order=3),
        *ratio_columns(("ratio", "ratio_low", "ratio_high"), attrgetter("change")),
        Column(
            "since",
            value=of_since(lambda step: history.moment(step.after)),
            drop_order=1,
        ),
        Column("commits", "between commits", of_since(commits), drop_order=2),
        number("runs_now", "runs", drop_order=5),
        Column(
            "with_it",
            "with it",
            of_since(partial(drift_in_words, history)),
            drop_order=4,
            limit=2 * NAME_LIMIT,
        ),
    )
    return Table("history", "Cases", columns, rows)


def ratio_columns(
    names: tuple[str, str, str], read: Callable[[Any], Change | None]
) -> Iterator[Column]:
    """Yield columns of the change of a row and of both its ends, as ratios to a millionth."""

    def ratio(row: Any, end: str) -> float | None:
        change = read(row)
        return round(math.exp(getattr(change, end)), 6) if change else None

    for name, end in zip(names, ("value", "low", "high"), strict=True):
        yield Column(name, value=partial(ratio, end=end))


def drift_in_words(history: History, change: Change) -> str:
    """Write all of the drift between the two runs of a change."""
    drift = history.drift(change.before, change.after)
    return compare_words.differences_in_words(drift, "absent", most=len(drift))
