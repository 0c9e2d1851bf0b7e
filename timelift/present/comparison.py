"""Two runs beside each other in a terminal: the suspects, what decides about them, and the rest."""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from timelift.analyse.changes.compared import Compared, Side
from timelift.analyse.changes.judge import Judged, Word
from timelift.analyse.runs.measurement import Run
from timelift.escape import plain
from timelift.present.comparison_notes import ROWS, case_name, ending, notes, percent, shown
from timelift.present.differences import in_words
from timelift.present.tables import Column, Table, number
from timelift.present.terminal import show_line, show_table
from timelift.present.units import MILLISECONDS

#: What is said of a case on another machine, where nothing can be suspect.
_ADVISED = {Word.SUSPECT: "slower there"}
_STYLES = {Word.SUSPECT: "yellow", Word.FASTER: "green"}


def show(compared: Compared, console: Console, rows: int = ROWS) -> None:
    """Print everything, the worst first; `rows` limits the table beyond the suspects."""
    for label, text in head(compared):
        show_line(console, f"{label:>9}  ", text)
    judged = shown(compared.findings, rows)
    if judged:
        console.print()
        styles = [_STYLES.get(one.word, "") for one in judged]
        show_table(cases(judged, compared), console, styles)
    for line in notes(compared, rows):
        console.print(Padding.indent(Text(plain(line)), 2))
    for line in ending(compared, rows):
        console.print(Text(plain(line)), soft_wrap=True)


def head(compared: Compared) -> Iterator[tuple[str, str]]:
    """Return which runs, what drifted between them, and what the canary tells of the machine."""
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


def cases(judged: Sequence[Judged], compared: Compared) -> Table:
    """Return the cases; `change` is beside the other rivals of the setting, not in seconds."""
    side = _rank if compared.advisory else _seconds
    columns = (
        Column("case", value=lambda one: case_name(one.shift.case)),
        number("change", value=attrgetter("shift.effect"), format=percent),
        Column("95 % interval", value=_interval, rank=1, right=True),
        Column("word", "", lambda one: _word(one, compared)),
        side("old", compared.old),
        side("new", compared.new),
        number("beside", value=attrgetter("shift.rivals"), rank=4),
        Column("launches", value=_launches, rank=5, right=True),
    )
    return Table("cases", "Cases of two runs", columns, judged)


def _word(one: Judged, compared: Compared) -> str:
    return (_ADVISED if compared.advisory else {}).get(one.word, str(one.word))


def _seconds(name: str, side: Side) -> Column:
    return number(name, value=lambda one: side.seconds[one.shift.case], unit=MILLISECONDS, rank=3)


def _rank(name: str, side: Side) -> Column:
    return Column(f"{name} rank", value=lambda one: _place(one, side), rank=3, right=True)


def _place(one: Judged, side: Side) -> str:
    place, rivals = side.rank(one.shift.case)
    return f"{place} of {rivals}"


def _launches(one: Judged) -> str:
    before, after = one.shift.launches
    return f"{before} + {after}"


def _interval(one: Judged) -> str:
    return f"[{percent(one.low)}, {percent(one.high)}]"
