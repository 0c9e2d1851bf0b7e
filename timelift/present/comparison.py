"""Two runs beside each other in a terminal: the suspects, what decides about them, and the rest."""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from timelift.analyse.changes.states import ChangeState
from timelift.analyse.changes.two_runs import CaseBetween, ComparedRun, TwoRuns
from timelift.analyse.runs.measurement import Run
from timelift.escape import plain
from timelift.present.changed import STYLES, interval, percent
from timelift.present.comparison_notes import ROWS, case_name, ending, notes, shown
from timelift.present.differences import in_words
from timelift.present.tables import Column, Table, number
from timelift.present.terminal import show_line, show_table
from timelift.present.units import MILLISECONDS

#: What is said of a case on another machine, where nothing can be suspect.
_ADVISED = {ChangeState.SUSPECT: "slower there"}


def show(compared: TwoRuns, console: Console, rows: int = ROWS) -> None:
    """Print everything, the worst first; `rows` limits the table beyond the suspects."""
    for label, text in head(compared):
        show_line(console, f"{label:>9}  ", text)
    judged = shown(compared.findings, rows)
    if judged:
        console.print()
        styles = [STYLES.get(one.state, "") for one in judged]
        show_table(cases(judged, compared), console, styles)
    for line in notes(compared, rows):
        console.print(Padding.indent(Text(plain(line)), 2))
    for line in ending(compared, rows):
        console.print(Text(plain(line)), soft_wrap=True)


def head(compared: TwoRuns) -> Iterator[tuple[str, str]]:
    """Write which runs, what drifted between them, and what the canary says of the machine."""
    yield "old", _run(compared.old.run, compared.decision.old)
    yield "new", _run(compared.new.run, compared.decision.new)
    if compared.advisory:
        yield "machines", "two different ones: ratios between rivals only, and no suspects"
    if compared.findings.drift:
        yield "drift", in_words(compared.findings.drift)
    if math.isfinite(compared.findings.canary):
        yield "canary", f"{percent(compared.findings.canary)} for a fixed piece of work"
    else:
        yield "canary", "none in one of the runs, so a shift of the whole machine cannot be seen"


def _run(run: Run, commit: str) -> str:
    state = "" if run.complete else ", incomplete"
    changes = " with uncommitted changes" if run.header.commit.dirty else ""
    started = run.header.started or "unknown time"
    return f"{started}, commit {commit or 'unknown'}{changes}{state}"


def cases(judged: Sequence[CaseBetween], compared: TwoRuns) -> Table:
    """Return the cases; `change` is beside the other rivals of the setting, not in seconds."""
    side = _rank if compared.advisory else _seconds
    columns = (
        Column("case", value=lambda one: case_name(one.shift.case)),
        Column("now", value=lambda one: _state(one, compared)),
        number("change", value=attrgetter("change.shift"), format=percent),
        Column("95 % interval", value=attrgetter("change"), format=interval, rank=1, right=True),
        side("old", compared.old),
        side("new", compared.new),
        number("beside", value=attrgetter("shift.rivals"), rank=4),
        Column("launches", value=_launches, rank=5, right=True),
    )
    return Table("cases", "Cases of two runs", columns, judged)


def _state(one: CaseBetween, compared: TwoRuns) -> str:
    return (_ADVISED if compared.advisory else {}).get(one.state, str(one.state))


def _seconds(name: str, side: ComparedRun) -> Column:
    return number(name, value=lambda one: side.seconds[one.shift.case], unit=MILLISECONDS, rank=3)


def _rank(name: str, side: ComparedRun) -> Column:
    return Column(f"{name} rank", value=lambda one: _place(one, side), rank=3, right=True)


def _place(one: CaseBetween, side: ComparedRun) -> str:
    place, rivals = side.rank(one.shift.case)
    return f"{place} of {rivals}"


def _launches(one: CaseBetween) -> str:
    before, after = one.shift.launches
    return f"{before} + {after}"
