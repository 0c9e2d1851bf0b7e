"""From a folder of journals to a history: which runs, what they measured, what was found."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from timelift.analyse.changes.changes import CaseHistory, Found, find
from timelift.analyse.changes.levels import ENOUGH_RIVALS, levels
from timelift.analyse.changes.runs import Machine, RunHead, differences, of_machine
from timelift.analyse.changes.segments import LEAST_RUNS
from timelift.analyse.changes.summary import Summary, of_run
from timelift.analyse.stats.verdicts import GATE_MARGIN
from timelift.case import Case
from timelift.errors import UserError, nearest
from timelift.escape import NAME_LIMIT, plain
from timelift.journal import Difference


@dataclass(frozen=True)
class Wanted:
    """What is asked of a history; None where everything is."""

    machine: str | None = None
    workload: str | None = None
    case: str | None = None
    since: datetime | None = None
    gate: float = GATE_MARGIN


@dataclass(frozen=True)
class History:
    """A machine's runs, and what was found in them; `gate` is the least change that counts.

    `cases` are all that were looked at, those of `found` the ones that were asked for.
    """

    machine: Machine
    cases: tuple[Case, ...]
    found: Found
    gate: float

    @property
    def runs(self) -> tuple[RunHead, ...]:
        """The runs, the oldest first: positions in what was found count them from 0."""
        return self.machine.runs

    @property
    def too_short(self) -> bool:
        """Whether there are too few runs for any change."""
        return len(self.runs) < 2 * LEAST_RUNS

    @property
    def few_rivals(self) -> int:
        """How many settings have too few rivals for a median that none of them can move."""
        counts = Counter(case.setting for case in self.cases)
        return sum(count < ENOUGH_RIVALS for count in counts.values())

    def differences(self, before: int, after: int) -> tuple[Difference, ...]:
        """Return what was installed or set otherwise between two runs, by position."""
        return differences(self.runs[before], self.runs[after])


def read(results: Path, wanted: Wanted) -> History:
    """Read the history that is wanted; raises UserError where there is none.

    All cases of the machine are looked at, whichever are shown: only all of them can tell whether
    the machine moved.
    """
    machine = of_machine(results, wanted.machine, wanted.since)
    summaries = [_summary(run.path) for run in machine.runs]
    if not any(one.log_seconds for one in summaries):
        raise UserError(
            f"expected measured cases in {len(summaries)} runs of {plain(machine.name, NAME_LIMIT)}"
            f", found none; measure some with: pytest bench/"
        )
    beats = [run.canary_seconds or np.nan for run in machine.runs]
    found = find(levels(summaries, beats), wanted.gate)
    shown = replace(found, cases=_shown(found.cases, wanted))
    return History(machine, tuple(one.case for one in found.cases), shown, wanted.gate)


def _summary(path: Path) -> Summary:
    """Sum up a run; one that went away meanwhile is empty."""
    try:
        return of_run(path)
    except OSError:
        return Summary({})


def _shown(cases: tuple[CaseHistory, ...], wanted: Wanted) -> tuple[CaseHistory, ...]:
    """Keep the cases that were asked for."""
    shown = tuple(one for one in cases if _asked(one.case, wanted))
    if shown:
        return shown
    word = wanted.case if wanted.case is not None else wanted.workload
    known = {
        one.case.label if wanted.case is not None else one.case.setting.workload for one in cases
    }
    what = "case" if wanted.case is not None else "workload"
    close = plain(nearest(str(word), known), 4 * NAME_LIMIT)
    raise UserError(f"expected a {what} of this history, received {word!r}; known are: {close}")


def _asked(case: Case, wanted: Wanted) -> bool:
    right = wanted.workload is None or case.setting.workload == wanted.workload
    return right and (wanted.case is None or wanted.case in (case.label, case.setting.label))
