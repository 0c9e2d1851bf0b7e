"""Two runs beside each other in a terminal: the suspects, what decides about them, and the rest."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from timelift.analyse.changes.decide import commit
from timelift.analyse.changes.facts import Cases
from timelift.analyse.changes.judge import Judged, Word
from timelift.analyse.changes.machines import in_words
from timelift.analyse.changes.shift import measured
from timelift.analyse.runs.measurement import Measurement, Run
from timelift.case import Case
from timelift.escape import plain
from timelift.present.comparison_notes import (
    ROWS,
    Compared,
    case_name,
    ending,
    notes,
    percent,
    shown,
)
from timelift.present.table import Column
from timelift.present.terminal import laid_out, show_line
from timelift.present.units import three_figures

_STYLES = {Word.SUSPECT: "yellow", Word.FASTER: "green"}


def show(compared: Compared, console: Console, rows: int = ROWS) -> None:
    """Print everything, the worst first; `rows` limits the table beyond the suspects."""
    for label, text in head(compared):
        show_line(console, f"{label:>9}  ", text)
    judged = shown(compared.findings.judged, rows)
    if judged:
        console.print()
        styles = {case_name(one.shift.case): _STYLES.get(one.word, "") for one in judged}
        table = laid_out(columns(judged, compared), console, styles)
        console.print(table, no_wrap=True, overflow="ellipsis")
    for line in notes(compared, rows):
        console.print(Padding.indent(Text(plain(line)), 2))
    for line in ending(compared, rows):
        console.print(Text(plain(line)), soft_wrap=True)


def head(compared: Compared) -> Iterator[tuple[str, str]]:
    """Say which runs, what drifted between them, and what the canary says of the machine."""
    yield "old", _run(compared.old)
    yield "new", _run(compared.new)
    if compared.advisory:
        yield "machines", "two different ones: ratios between rivals only, and no suspects"
    if compared.findings.drift:
        yield "drift", in_words(compared.findings.drift)
    if math.isfinite(compared.findings.canary):
        yield "canary", f"{percent(compared.findings.canary)} for a fixed piece of work"
    else:
        yield "canary", "none in one of the runs, so a shift of the whole machine cannot be seen"


def _run(run: Run) -> str:
    state = "" if run.complete else ", incomplete"
    changes = " with uncommitted changes" if run.header.commit.dirty else ""
    return (
        f"{run.header.started or 'unknown time'}, commit {commit(run) or 'unknown'}{changes}{state}"
    )


def columns(judged: Sequence[Judged], compared: Compared) -> list[Column]:
    """Lay out the cases; `change` is beside the other rivals of the setting, not in seconds."""
    before, after = measured(compared.old), measured(compared.new)
    shifts = [one.shift for one in judged]
    title, value = ("rank", _rank) if compared.advisory else ("(ms)", _milliseconds)
    return [
        Column("case", 0, tuple(case_name(shift.case) for shift in shifts)),
        Column("change", 0, tuple(percent(shift.effect) for shift in shifts)),
        Column("95 % interval", 1, tuple(_interval(one) for one in judged)),
        Column("", 0, tuple(_word(one, compared) for one in judged)),
        Column(f"old {title}", 3, tuple(value(shift.case, before) for shift in shifts)),
        Column(f"new {title}", 3, tuple(value(shift.case, after) for shift in shifts)),
        Column("beside", 4, tuple(str(shift.rivals) for shift in shifts)),
        Column("launches", 5, tuple(f"{s.launches[0]} + {s.launches[1]}" for s in shifts)),
    ]


def _word(one: Judged, compared: Compared) -> str:
    if compared.advisory and one.word is Word.SUSPECT:
        return "slower there"
    return str(one.word)


def _milliseconds(case: Case, run: Cases) -> str:
    return three_figures(1e3 * _seconds(run[case]))


def _rank(case: Case, run: Cases) -> str:
    """Give the place of a case among its rivals of one run, the fastest first."""
    own = _seconds(run[case])
    rivals = [one for one in run if one.setting == case.setting]
    return f"{1 + sum(_seconds(run[one]) < own for one in rivals)} of {len(rivals)}"


def _seconds(one: Measurement) -> float:
    return float(np.nanmedian([np.nanmedian(x.seconds_per_call) for x in one.launches]))


def _interval(one: Judged) -> str:
    return f"[{percent(one.low)}, {percent(one.high)}]"
