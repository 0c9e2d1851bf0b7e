"""A history in the terminal, in Markdown and as CSV."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from rich.console import Console
from rich.text import Text

from timelift.analyse.estimates import Interval
from timelift.case import AXES
from timelift.errors import counted
from timelift.escape import NAME_LIMIT, markdown
from timelift.history.comparison import FACTS, STYLES, differences_in_words, fact_in_words
from timelift.history.many_runs import CaseHistory
from timelift.history.run_series import History, MachineRuns
from timelift.history.segments import LEAST_RUNS
from timelift.history.states import WORSE, ChangeState, LevelChange, MachineShift
from timelift.present.tables import (
    Column,
    Table,
    axis_columns,
    csv_of_values,
    markdown_lines,
    number,
)
from timelift.present.terminal import show_line, show_table
from timelift.present.units import percent, percent_interval, percent_more

#: More rows than these are for the report, not for a screen.
_ROWS = 40
_NAMELESS = "a machine without a name"
#: The most places of slow-downs, or of changed facts, with a line in the head.
_PLACES = 5
#: The columns of the cases that changed, for readers, and of every case, for programs.
_CHANGED = ("case", "now", "change", "95 % interval", "since", "commits", "runs_now", "with_it")
_IN_CSV = (
    *("strategy", *AXES, "now", "runs", "changes", "ratio", "ratio_low", "ratio_high"),
    *("since", "commits", "with_it"),
)


def show(history: History, console: Console) -> None:
    for label, text in head(history):
        show_line(console, f"{label:>9}  ", text)
    found = history.findings.changed
    if found:
        console.print()
        styles = [STYLES.get(one.state, "") for one in found[:_ROWS]]
        show_table(
            cases(found[:_ROWS], history).pick(*_CHANGED).without_empty_columns(), console, styles
        )
    _show_more(len(found), console)
    earlier = list(earlier_changes(history))
    if earlier:
        console.print(Text("\nearlier changes", "bold"))
    for line in earlier[:_ROWS]:
        show_line(console, "  ", line)
    _show_more(len(earlier), console)
    for warning in warnings(history.machine):
        show_line(console, "warning: ", warning, "yellow")


def warnings(machine: MachineRuns) -> Iterator[str]:
    for name, runs in sorted(machine.others.items()):
        described = " as described otherwise" if name == machine.name else ""
        counts = counted(runs, "run")
        yield f"left out {counts} of another machine: {name or _NAMELESS}{described}"
    yield from machine.warnings


def _show_more(found: int, console: Console) -> None:
    if found > _ROWS:
        console.print(f"  and {found - _ROWS} more: see the report")


def head(history: History) -> Iterator[tuple[str, str]]:
    runs = history.runs
    yield "machine", history.machine.name or _NAMELESS
    shown = f"{len(history.findings.cases)} of {counted(len(history.cases), 'case')}"
    yield "runs", f"{len(runs)}, {runs[0].day} to {runs[-1].day}, {shown}"
    yield "change", _reference(history)
    for shift in history.findings.common_shifts:
        yield "machine", _common_shift(shift, history)
    for (first, second), count in history.findings.worse_by_place[:_PLACES]:
        yield "slower", f"{counted(count, 'case')} {_where(history, first, second)}"
    yield from (("facts", line) for line in _facts(history))
    yield "answer", _answer(history)


def _reference(history: History) -> str:
    text = "beside what the median rival of the same setting and run did"
    if few := history.few_rivals:
        settings = counted(few, "setting")
        text += f"; in {settings} of one or two rivals beside the canary or the steadier rival"
    return text


def _common_shift(shift: MachineShift, history: History) -> str:
    before, after = history.runs[shift.before], history.runs[shift.after]
    how = "against each other" if shift.apart else f"by {percent_more(shift.shift)}"
    return (
        f"moved together between {before.day} and {after.day}, not the code: "
        f"{percent(shift.share, 0)} of {shift.cases} cases {how} at once"
        f"{_with_it(history, shift.before, shift.after)}"
    )


def _facts(history: History) -> Iterator[str]:
    """Write which exact facts changed, the latest first: a fact and a place are one line."""
    for (before, after, name), changes in history.facts_by_place[:_PLACES]:
        what = f"{FACTS[name][0]} of {len(changes)} cases changed"
        if len(changes) == 1:
            what = f"{changes[0].case.label}: {fact_in_words(changes[0])}"
        yield f"{what} {_where(history, before, after)}"


def _where(history: History, first: int, second: int) -> str:
    """Write from when on something is otherwise, and what else is."""
    before, after = history.runs[first], history.runs[second]
    place = f"from {after.day} on, between {before.commit} and {after.commit}"
    return place + _with_it(history, first, second)


def _with_it(history: History, before: int, after: int) -> str:
    """Name what was otherwise after a change, as the end of a sentence."""
    other = differences_in_words(history.differences(before, after), "absent")
    return f"; with it: {other}" if other else ""


def _answer(history: History) -> str:
    if history.too_short:
        return (
            f"too few runs: a change needs {LEAST_RUNS} runs before it and {LEAST_RUNS} after it, "
            f"and there are {len(history.runs)}"
        )
    counts, worse = history.findings.counts, len(history.findings.worse)
    first = "nothing is slower than it was"
    if worse:
        first = (
            f"{worse} cases are slower than they were"
            if worse > 1
            else "1 case is slower than it was"
        )
    others = ", ".join(f"{count} {state}" for state, count in counts.items() if state not in WORSE)
    few = ChangeState.UNKNOWN in counts
    why = f"; a change needs {2 * LEAST_RUNS} runs of a case" if few else ""
    return f"{first} by {100 * history.gate:g} % or more; {others}".rstrip("; ") + why


def earlier_changes(history: History) -> Iterator[str]:
    for one in history.findings.cases:
        for change in one.other_changes:
            where = _where(history, change.before, change.after)
            yield f"{one.case.label}: {percent_more(change.value)} {where}"


def markdown_history(history: History, figures: Iterable[str] = ()) -> str:
    found = history.findings.changed
    every = cases(history.findings.cases, history).pick("case", "now", "runs", "changes")
    earlier = [f"- {markdown(line)}" for line in earlier_changes(history)]
    blocks = [
        ["# timelift history"],
        [f"- **{label}:** {markdown(text)}" for label, text in head(history)],
        [f"- warning: {markdown(text)}" for text in warnings(history.machine)],
        _markdown(cases(found, history).pick(*_CHANGED)) if found else [],
        [f"![{name}]({name})" for name in figures],
        ["## earlier changes", "", *earlier] if earlier else [],
        ["## every case", "", *_markdown(every)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _markdown(table: Table) -> list[str]:
    return markdown_lines(table, 2 * NAME_LIMIT)


def cases(found: Sequence[CaseHistory], history: History) -> Table:
    """Return one row a case: its axes, its state now, and what its latest change was."""

    def place(one: CaseHistory) -> LevelChange | None:
        return (one.since or one.change) if one.change else None

    columns = (
        Column("case", value=attrgetter("case.label")),
        Column("strategy", value=attrgetter("case.strategy")),
        *axis_columns(attrgetter("case.setting")),
        Column("now", value=attrgetter("state")),
        number("runs"),
        number("changes", value=lambda one: len(one.changes)),
        Column("change", format=lambda change: percent_more(change.value), right=True),
        Column(
            "95 % interval",
            value=attrgetter("change"),
            format=percent_interval,
            drop_order=3,
            right=True,
        ),
        number("ratio", value=_ratio("value"), format="{:.3f}".format),
        number("ratio_low", value=_ratio("low"), format="{:.3f}".format),
        number("ratio_high", value=_ratio("high"), format="{:.3f}".format),
        Column(
            "since",
            value=lambda one: history.runs[at.after].day if (at := place(one)) else None,
            drop_order=1,
        ),
        Column(
            "commits", "between commits", lambda one: _commits(place(one), history), drop_order=2
        ),
        number("runs_now", "runs", attrgetter("runs_now"), drop_order=5),
        Column("with_it", "with it", lambda one: _differences(place(one), history), drop_order=4),
    )
    return Table("history", "Cases", columns, found)


def _ratio(name: str) -> Callable[[CaseHistory], float | None]:
    return lambda one: _as_ratio(getattr(one.change, name)) if one.change else None


def _as_ratio(log_ratio: float) -> float:
    """Return a log ratio as a ratio, in steps of a millionth."""
    return round(math.exp(log_ratio), 6)


def _commits(place: LevelChange | None, history: History) -> str | None:
    if place is None:
        return None
    return f"{history.runs[place.before].commit}..{history.runs[place.after].commit}"


def _differences(place: LevelChange | MachineShift | None, history: History) -> str | None:
    if place is None:
        return None
    differences = history.differences(place.before, place.after)
    return differences_in_words(differences, "absent", most=len(differences))


def csv_history(history: History) -> str:
    return csv_of_values(cases(history.findings.cases, history).pick(*_IN_CSV))


@dataclass(frozen=True)
class _ChangeRow:
    """A change of a case between two runs, or of the machine, whose case is empty."""

    case: str
    change: LevelChange | MachineShift
    log_ratio: Interval


def csv_changes(history: History) -> str:
    """Return one row a change of a case as CSV, then one a shift of the machine."""
    runs = history.runs
    rows = [
        _ChangeRow(one.case.label, change, log_ratio=change)
        for one in history.findings.cases
        for change in one.changes
    ]
    rows += [
        _ChangeRow("", shift, Interval(math.nan if shift.apart else shift.shift))
        for shift in history.findings.common_shifts
    ]
    columns = (
        Column("case"),
        Column("before", value=lambda row: runs[row.change.before].started.isoformat()),
        Column("after", value=lambda row: runs[row.change.after].started.isoformat()),
        Column("commit_before", value=lambda row: runs[row.change.before].commit),
        Column("commit_after", value=lambda row: runs[row.change.after].commit),
        Column("ratio", value=lambda row: _as_ratio(row.log_ratio.value)),
        Column("low", value=lambda row: _as_ratio(row.log_ratio.low)),
        Column("high", value=lambda row: _as_ratio(row.log_ratio.high)),
        Column("with", value=lambda row: _differences(row.change, history)),
    )
    return csv_of_values(Table("changes", "Changes", columns, rows))
