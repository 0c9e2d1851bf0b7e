"""A history in a terminal: the head, a table of the cases that changed, and earlier changes."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter

from rich.console import Console
from rich.text import Text

from timelift.errors import counted
from timelift.history import WORSE, Change, ChangeState, CommonShift
from timelift.history.compare_words import (
    FACTS,
    STYLES,
    change_columns,
    differences_in_words,
    fact_in_words,
)
from timelift.history.levels import MachineRuns
from timelift.history.many_runs import CaseHistory, History
from timelift.history.segments import LEAST_RUNS
from timelift.present.tables import Column, Table, axis_columns, number
from timelift.present.terminal import show_line, show_table
from timelift.present.words import percent, percent_more

#: More rows than these are for the report, not for a screen.
_ROWS = 40
_NAMELESS = "a machine without a name"
#: The most places of slow-downs, or of changed facts, with a line in the head.
_PLACES = 5
#: The columns of the cases that changed, for readers.
CHANGED = ("case", "now", "change", "95 % interval", "since", "commits", "runs_now", "with_it")


def show(history: History, console: Console) -> None:
    for label, text in head(history):
        show_line(console, f"{label:>9}  ", text)
    if changed := history.findings.changed:
        shown = changed[:_ROWS]
        console.print()
        styles = [STYLES.get(row.latest.state, "") for row in shown]
        show_table(table(shown, history).pick(*CHANGED).without_empty_columns(), console, styles)
    _show_more(len(changed), console)
    earlier = list(earlier_changes(history))
    if earlier:
        console.print(Text("\nearlier changes", "bold"))
    for line in earlier[:_ROWS]:
        show_line(console, "  ", line)
    _show_more(len(earlier), console)
    for warning in warnings(history.machine):
        show_line(console, "warning: ", warning, "yellow")


def _show_more(rows: int, console: Console) -> None:
    if rows > _ROWS:
        console.print(f"  and {rows - _ROWS} more: see the report")


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
    yield "runs", f"{len(runs)}, {runs[0].day} to {runs[-1].day}, {shown}"
    yield "change", _reference(history)
    for shift in history.findings.common_shifts:
        yield "machine", _common_shift(shift, history)
    for (before, after), count in history.findings.worse_by_place[:_PLACES]:
        yield "slower", f"{counted(count, 'case')} {_where(history, before, after)}"
    yield from (("facts", line) for line in _facts(history))
    yield "answer", _answer(history)


def _reference(history: History) -> str:
    text = "beside what the median rival of the same setting and run did"
    if few := history.few_rivals:
        settings = counted(few, "setting")
        text += f"; in {settings} of one or two rivals beside the canary or the steadier rival"
    return text


def _common_shift(shift: CommonShift, history: History) -> str:
    before, after = history.runs[shift.before], history.runs[shift.after]
    apart = math.isnan(shift.value)
    how = "against each other" if apart else f"by {percent_more(shift.value)}"
    return (
        f"moved together between {before.day} and {after.day}, not the code: "
        f"{percent(shift.share, 0)} of {shift.cases} cases {how} at once"
        f"{_with_it(history, shift.before, shift.after)}"
    )


def _facts(history: History) -> Iterator[str]:
    """Write which exact facts changed, the latest first: a fact and a place are one line."""
    for (before, after, name), changes in history.facts_by_place[:_PLACES]:
        text = f"{FACTS[name][0]} of {len(changes)} cases changed"
        if len(changes) == 1:
            text = f"{changes[0].case.label}: {fact_in_words(changes[0])}"
        yield f"{text} {_where(history, before, after)}"


def _where(history: History, before: int, after: int) -> str:
    """Write from when on something is otherwise, and what else is."""
    old, new = history.runs[before], history.runs[after]
    place = f"from {new.day} on, between {old.commit} and {new.commit}"
    return place + _with_it(history, before, after)


def _with_it(history: History, before: int, after: int) -> str:
    """Name what was otherwise after a change, as the end of a sentence."""
    other = differences_in_words(history.drift(before, after), "absent")
    return f"; with it: {other}" if other else ""


def _answer(history: History) -> str:
    if history.too_short:
        return (
            f"too few runs: a change needs {LEAST_RUNS} runs before it and {LEAST_RUNS} after it, "
            f"and there are {len(history.runs)}"
        )
    counts, worse = history.findings.counts, len(history.findings.worse)
    answer = "nothing is slower than it was"
    if worse:
        answer = (
            f"{worse} cases are slower than they were"
            if worse > 1
            else "1 case is slower than it was"
        )
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if state not in WORSE)
    few = ChangeState.UNKNOWN in counts
    why = f"; a change needs {2 * LEAST_RUNS} runs of a case" if few else ""
    return f"{answer} by {100 * history.gate:g} % or more; {others}".rstrip("; ") + why


def earlier_changes(history: History) -> Iterator[str]:
    for row in history.findings.cases:
        for change in row.changes:
            if change != row.latest.since:
                where = _where(history, change.before, change.after)
                yield f"{row.case.label}: {percent_more(change.value)} {where}"


# The table of cases ------------------------------------------------------------------------------


def table(rows: Sequence[CaseHistory], history: History) -> Table:
    """Return one row a case: its axes, its state now, and what its latest change was."""

    def of_since(write: Callable[[Change], str]) -> Callable[[CaseHistory], str | None]:
        return lambda row: write(row.latest.since) if row.latest.since else None

    columns = (
        Column("case", value=attrgetter("case.label")),
        Column("strategy", value=attrgetter("case.strategy")),
        *axis_columns(attrgetter("case.setting")),
        Column("now", value=attrgetter("latest.state")),
        number("runs"),
        number("changes", value=lambda row: len(row.changes)),
        *change_columns("latest.change", drop_order=3),
        number("ratio", value=_ratio("value"), format="{:.3f}".format),
        number("ratio_low", value=_ratio("low"), format="{:.3f}".format),
        number("ratio_high", value=_ratio("high"), format="{:.3f}".format),
        Column("since", value=of_since(lambda at: history.runs[at.after].day), drop_order=1),
        Column("commits", "between commits", of_since(partial(_commits, history)), drop_order=2),
        number("runs_now", "runs", attrgetter("runs_now"), drop_order=5),
        Column("with_it", "with it", of_since(partial(drift_in_words, history)), drop_order=4),
    )
    return Table("history", "Cases", columns, rows)


def _ratio(bound: str) -> Callable[[CaseHistory], float | None]:
    def read(row: CaseHistory) -> float | None:
        change = row.latest.change
        return as_ratio(getattr(change, bound)) if change else None

    return read


def _commits(history: History, change: Change) -> str:
    return f"{history.runs[change.before].commit}..{history.runs[change.after].commit}"


def as_ratio(log_ratio: float) -> float:
    """Return a log ratio as a ratio, in steps of a millionth."""
    return round(math.exp(log_ratio), 6)


def drift_in_words(history: History, change: Change) -> str:
    """Name all that was installed or set otherwise after a change."""
    drift = history.drift(change.before, change.after)
    return differences_in_words(drift, "absent", most=len(drift))
