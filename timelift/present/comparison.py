"""Two runs beside each other in a terminal: the suspects, what decides about them, and the rest."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from timelift.analyse.changes.states import State
from timelift.analyse.changes.two_runs import CaseBetween, Compared, Side
from timelift.analyse.runs.measurement import Run
from timelift.case import Case
from timelift.escape import plain
from timelift.present.changed import STYLES, interval, percent
from timelift.present.comparison_notes import ROWS, case_name, ending, notes, shown
from timelift.present.differences import in_words
from timelift.present.table import Column
from timelift.present.terminal import laid_out, show_line
from timelift.present.units import three_figures

#: What is said of a case on another machine, where nothing can be suspect.
_ADVISED = {State.SUSPECT: "slower there"}


def show(compared: Compared, console: Console, rows: int = ROWS) -> None:
    """Print everything, the worst first; `rows` limits the table beyond the suspects."""
    for label, text in head(compared):
        show_line(console, f"{label:>9}  ", text)
    judged = shown(compared.findings, rows)
    if judged:
        console.print()
        styles = {case_name(one.case): STYLES.get(one.state, "") for one in judged}
        table = laid_out(columns(judged, compared), console, styles)
        console.print(table, no_wrap=True, overflow="ellipsis")
    for line in notes(compared, rows):
        console.print(Padding.indent(Text(plain(line)), 2))
    for line in ending(compared, rows):
        console.print(Text(plain(line)), soft_wrap=True)


def head(compared: Compared) -> Iterator[tuple[str, str]]:
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


def columns(judged: Sequence[CaseBetween], compared: Compared) -> list[Column]:
    """Lay out the cases; `change` is beside the other rivals of the setting, not in seconds."""
    before, after = compared.old, compared.new
    shifts = [one.shift for one in judged]
    title, value = ("rank", _rank) if compared.advisory else ("(ms)", _milliseconds)
    return [
        Column("case", 0, tuple(case_name(shift.case) for shift in shifts)),
        Column("now", 0, tuple(_state(one, compared) for one in judged)),
        Column("change", 0, tuple(percent(one.change.shift) for one in judged)),
        Column("95 % interval", 1, tuple(interval(one.change) for one in judged)),
        Column(f"old {title}", 3, tuple(value(shift.case, before) for shift in shifts)),
        Column(f"new {title}", 3, tuple(value(shift.case, after) for shift in shifts)),
        Column("beside", 4, tuple(str(shift.rivals) for shift in shifts)),
        Column("launches", 5, tuple(f"{s.launches[0]} + {s.launches[1]}" for s in shifts)),
    ]


def _state(one: CaseBetween, compared: Compared) -> str:
    return (_ADVISED if compared.advisory else {}).get(one.state, str(one.state))


def _milliseconds(case: Case, side: Side) -> str:
    return three_figures(1e3 * side.seconds[case])


def _rank(case: Case, side: Side) -> str:
    place, rivals = side.rank(case)
    return f"{place} of {rivals}"
