"""Two runs beside each other in a terminal: the suspects, what decides about them, and the rest."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from timelift.case import Case
from timelift.compare.decide import command, commit, same_code
from timelift.compare.facts import Cases, FactChange
from timelift.compare.judge import Findings, Judged, Word
from timelift.compare.machines import in_words, versions_drifted
from timelift.compare.shift import measured
from timelift.read.escape import plain
from timelift.read.measurement import Measurement, Run
from timelift.report.table import Column
from timelift.report.terminal import show_columns, show_line
from timelift.report.units import human_bytes, three_figures

#: So many rows are printed beside the suspects, and so many cases in a list.
ROWS, NAMES = 20, 6
_FACTS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "weights": ("weights", "{:,.0f}".format),
    "graph_nodes": ("graph nodes", "{:,.0f}".format),
    "traces": ("traces", "{:,.0f}".format),
    "first_call_seconds": ("first call", lambda seconds: f"{three_figures(seconds)} s"),
    "peak_bytes": ("peak memory", human_bytes),
}


@dataclass(frozen=True)
class Compared:
    """Two runs and what was found between them; `advisory` where they are of two machines."""

    old: Run
    new: Run
    findings: Findings
    advisory: bool = False


def show(compared: Compared, console: Console, rows: int = ROWS) -> None:
    """Print everything, the worst first; `rows` limits the table beyond the suspects."""
    for label, text in head(compared):
        show_line(console, f"{label:>9}  ", text)
    judged = _shown(compared.findings.judged, rows)
    if judged:
        console.print()
        fine = [_name(one.shift.case) for one in judged if one.word is Word.FASTER]
        show_columns(columns(judged, compared), fine, console)
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
        yield "canary", f"{_percent(compared.findings.canary)} for a fixed piece of work"
    else:
        yield "canary", "none in one of the runs, so a shift of the whole machine cannot be seen"


def _run(run: Run) -> str:
    started = run.header.get("started")
    state = "" if run.complete else ", incomplete"
    dirty = run.header.get("commit", {}).get("dirty")
    changes = " with uncommitted changes" if dirty else ""
    return f"{started or 'unknown time'}, commit {commit(run) or 'unknown'}{changes}{state}"


def columns(judged: Sequence[Judged], compared: Compared) -> list[Column]:
    """Lay out the cases; `change` is beside the other rivals of the setting, not in seconds."""
    before, after = measured(compared.old), measured(compared.new)
    shifts = [one.shift for one in judged]
    title, value = ("rank", _rank) if compared.advisory else ("(ms)", _milliseconds)
    return [
        Column("case", 0, tuple(_name(shift.case) for shift in shifts)),
        Column("change", 0, tuple(_percent(shift.effect) for shift in shifts)),
        Column("95 % interval", 1, tuple(_interval(one) for one in judged)),
        Column("", 0, tuple(_word(one, compared) for one in judged)),
        Column(f"old {title}", 3, tuple(value(shift.case, before) for shift in shifts)),
        Column(f"new {title}", 3, tuple(value(shift.case, after) for shift in shifts)),
        Column("beside", 4, tuple(str(shift.rivals) for shift in shifts)),
        Column("launches", 5, tuple(f"{s.launches[0]} + {s.launches[1]}" for s in shifts)),
    ]


def _shown(judged: Sequence[Judged], rows: int) -> list[Judged]:
    suspects = sum(one.word is Word.SUSPECT for one in judged)
    return list(judged[: suspects + rows])


def _name(case: Case) -> str:
    return f"{case.strategy}, {case.setting.label}"


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


def _percent(log_ratio: float) -> str:
    return f"{round(100 * math.expm1(log_ratio), 1) + 0.0:+.1f} %"


def _interval(one: Judged) -> str:
    return f"[{_percent(one.low)}, {_percent(one.high)}]"


def notes(compared: Compared, rows: int = ROWS) -> Iterator[str]:
    """Say what is not in the table: hidden rows, cases of one run alone, facts, common shifts."""
    findings = compared.findings
    hidden = len(findings.judged) - len(_shown(findings.judged, rows))
    if hidden:
        yield f"and {hidden} more cases, which became less slow; --all shows them"
    yield from _listed("new", findings.added)
    yield from _listed("removed", findings.removed)
    for case, why in findings.lost.items():
        yield f"no longer measured: {_name(case)}: {why}"
    if compared.advisory:
        return
    facts = sorted(findings.facts, key=lambda change: not change.worse)
    yield from map(_fact, facts[:rows])
    if len(facts) > rows:
        yield f"and {len(facts) - rows} more facts that changed; --all shows them"
    yield from _together(findings)


def _listed(what: str, cases: Sequence[Case]) -> Iterator[str]:
    if cases:
        more = f" and {len(cases) - NAMES} more" if len(cases) > NAMES else ""
        yield f"{what}: {'; '.join(map(_name, cases[:NAMES]))}{more}"


def _fact(change: FactChange) -> str:
    name, write = _FACTS[change.name]
    mark = "suspect" if change.worse else "better"
    return f"{mark}: {_name(change.case)}: {name} {write(change.old)} → {write(change.new)}"


def _together(findings: Findings) -> Iterator[str]:
    """Say which settings became slower as a whole; all of them are one sentence."""
    slower = findings.suspect_settings
    if len(slower) > 1 and len(slower) == len(findings.settings):
        least = min(one.beside_canary for one in slower)
        yield (
            f"suspect: all {len(slower)} settings became slower together, by {_percent(least)} or "
            "more beside the canary: something that all share, or other work on the machine"
        )
        return
    for one in slower:
        yield (
            f"suspect: all rivals of {one.setting.label} became slower together, by "
            f"{_percent(one.beside_canary)} beside the canary"
        )


def ending(compared: Compared, rows: int = ROWS) -> Iterator[str]:
    """Say how many suspects there are, and the command that decides about each."""
    findings = compared.findings
    compared_cases = len(findings.judged)
    if compared.advisory:
        yield f"{compared_cases} cases beside each other; advisory, since the machines differ"
        return
    if not findings.any_suspect:
        yield f"no suspects among {compared_cases} cases{_visible(findings.judged)}"
        return
    yield from _decisions(compared, findings.suspects, rows)


def _visible(judged: Sequence[Judged]) -> str:
    if not judged:
        return ""
    middle = float(np.median([one.visible for one in judged]))
    return f"; the median case would be one if it were {_percent(middle)} slower"


def _decisions(compared: Compared, cases: Sequence[Case], rows: int) -> Iterator[str]:
    shared = [one.setting.label for one in compared.findings.suspect_settings]
    parts = [f"{len(cases)} suspects among {len(compared.findings.judged)} cases"] if cases else []
    parts += [f"{len(shared)} settings as a whole"] if shared else []
    yield (
        f"{', '.join(parts)}: runs of two moments convict nobody; "
        + _how_to_decide(compared.old, compared.new)
    )
    for case in cases[:rows]:
        yield f"  {command(case, compared.old, compared.new)}"
    if len(cases) > rows:
        yield f"  and {len(cases) - rows} more; --all shows them"
    if versions_drifted(compared.findings.drift):
        yield (
            "versions or flags drifted, too, and both sides of a revision run on the same; "
            "what races another interpreter is: pytest bench/ --against-python PYTHON"
        )


def _how_to_decide(old: Run, new: Run) -> str:
    if same_code(old, new):
        return f"both measured commit {commit(new)}, so it was not the code; measure again with"
    if not commit(old):
        return "the old run has no commit to race against; measure again with"
    place = f", with {commit(new)} checked out," if commit(new) else ""
    return f"what decides{place} is"
