"""What became of every case over many runs: its levels, its changes, and its state now."""

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path

import numpy as np

from timelift.analyse.results import Samples
from timelift.analyse.verdicts import CHANGE_MARGIN
from timelift.case import Case
from timelift.errors import UserError, nearest
from timelift.escape import NAME_LIMIT, plain
from timelift.history import WORSE, Change, ChangeState, CommonShift, drift_differences
from timelift.history.levels import (
    MachineRuns,
    RunLevels,
    StoredRun,
    machine_runs,
    ratios,
    run_levels,
)
from timelift.history.noise import LEAST_RUNS
from timelift.history.segments import CHANCE, LASTING_RUNS, Series, fit_segments
from timelift.history.shifts import change_of_medians, common_shifts, standing_slow_down
from timelift.journal.lines import Difference
from timelift.journal.reading import ExactFacts
from timelift.measurement import EXACT_FACTS, FactChange, exact_change

#: The states of cases that changed, in the order in which they are shown.
_WORST_FIRST = (ChangeState.SLOWER, ChangeState.CREPT, ChangeState.TOGETHER, ChangeState.FASTER)


@dataclass(frozen=True)
class CaseHistory:
    """One case over many runs: its log ratios to the reference, cut into levels, and its `changes`.

    The `state` is that of its latest level beside the best one before. Of a slower case `change` is
    from its best level to the latest, and `since` the largest step in it. Of a faster one both are
    its last change; else they are None.
    """

    case: Case
    series: Series
    changes: tuple[Change, ...]
    state: ChangeState
    change: Change | None = None
    since: Change | None = None

    @property
    def runs(self) -> int:
        return sum(part.runs for part in self.series.segments)

    @property
    def runs_now(self) -> int:
        """The number of runs of the latest level."""
        return self.series.measured[-1].runs


@dataclass(frozen=True)
class HistoryFindings:
    """The history of each case, the shifts of most, and that by which most are still slower."""

    cases: tuple[CaseHistory, ...]
    common_shifts: tuple[CommonShift, ...]
    slower_together: CommonShift | None = None

    @property
    def fails(self) -> bool:
        return bool(self.worse or self.slower_together)

    @property
    def worse(self) -> list[CaseHistory]:
        return [case for case in self.cases if case.state in WORSE]

    @property
    def changed(self) -> list[CaseHistory]:
        """The cases that changed, the worst state and the largest change first."""
        rows = [
            (_WORST_FIRST.index(case.state), -abs(case.change.value), case.case, case)
            for case in self.cases
            if case.change
        ]
        return [case for *_, case in sorted(rows, key=itemgetter(0, 1, 2))]

    @property
    def worse_by_place(self) -> list[tuple[tuple[int, int], int]]:
        """Pairs of runs between which cases became slower and how many; the most cases first."""
        since = (case.since for case in self.worse)
        return Counter((change.before, change.after) for change in since if change).most_common()


# The search for changes --------------------------------------------------------------------------


def find_changes(levels: RunLevels, gate: float = CHANGE_MARGIN) -> HistoryFindings:
    """Find the changes of cases, and shifts of most of them, of at least `gate`, a share."""
    fitted = _fit(levels, (), gate)
    shifts = common_shifts(levels, gate, fitted)
    if shifts:
        known = [(shift.after, shift.excuses + math.log1p(gate)) for shift in shifts]
        fitted = _fit(levels, known, gate)
    cases = [
        _case_history(*row, gate)
        for row in zip(levels.cases, fitted, levels.over_canary, levels.gone, strict=True)
    ]
    slower_together = standing_slow_down(shifts, gate)
    if slower_together:
        cases = _with_shared(levels, cases, slower_together, gate)
    return HistoryFindings(tuple(cases), tuple(shifts), slower_together)


def _fit(levels: RunLevels, known: Sequence[tuple[int, float]], gate: float) -> list[Series]:
    """Fit all cases; where some changed, again beside the other rivals alone."""
    every = np.ones(len(levels.cases), bool)
    fitted = fit_segments(ratios(levels, every), levels.of_launches, known)
    steady = np.array([not any(series.changes(gate)) for series in fitted])
    if steady.all():
        return fitted
    return fit_segments(ratios(levels, steady), levels.of_launches, known)


def _case_history(
    case: Case, series: Series, over_canary: Samples, gone: np.bool_, gate: float
) -> CaseHistory:
    """Compare the latest level with the best earlier one.

    A case is faster only if its time `over_canary`, (runs,), fell by half as much, too; otherwise
    its rivals became slower.
    """
    changes = tuple(series.changes(gate))
    told = partial(CaseHistory, case, series, changes)
    parts = series.measured
    last, margin = len(parts) - 1, math.log1p(gate)
    if gone:
        return told(ChangeState.GONE)
    if last:
        change, by_chance = series.change(_best(series), last)
        if change.value >= margin and by_chance <= CHANCE:
            # One that crept has no step that is large enough by itself.
            up = [step for step in changes if step.value > 0 and step.before >= change.before]
            state = ChangeState.SLOWER if up else ChangeState.CREPT
            return told(state, change, max(up, key=attrgetter("value"), default=change))
    begun = max(place for place, part in enumerate(parts) if part.anew or not place)
    is_old = parts[-1].last < len(series.levels) - LEAST_RUNS  # no rivals were beside it since
    if is_old or sum(part.runs for part in parts[begun:]) < 2 * LEAST_RUNS:
        return told(ChangeState.UNKNOWN)
    if last > begun:
        change, _ = series.change(last - 1, last)
        (fell,) = change_of_medians(over_canary[None], *(part.places for part in parts[-2:]))
        if change.value <= -margin and not fell > change.value / 2:
            return told(ChangeState.FASTER, change, change)
    return told(ChangeState.SAME)


def _best(series: Series) -> int:
    """Return the place of the fastest level that lasted, so that none is held to a short dip."""
    *earlier, _ = series.measured
    lasting = min(LASTING_RUNS, max(part.runs for part in earlier))
    places = [place for place, part in enumerate(earlier) if part.runs >= lasting]
    return places[int(np.argmin(series.net_levels[places]))]


def _with_shared(
    levels: RunLevels, cases: Iterable[CaseHistory], shift: CommonShift, gate: float
) -> list[CaseHistory]:
    """Return the cases, with the state `TOGETHER` for those that a shift made slower.

    These moved by at least half of the shift. A case that is slower by itself, or gone, stays so.
    """
    own = WORSE | {ChangeState.GONE}
    least = max(shift.value / 2, math.log1p(gate))
    changes = change_of_medians(levels.over_canary, *shift.sides).tolist()
    shared = [Change(value, before=shift.before, after=shift.after) for value in changes]
    return [
        dataclasses.replace(row, state=ChangeState.TOGETHER, change=change, since=change)
        if change.value >= least and row.state not in own
        else row
        for row, change in zip(cases, shared, strict=True)
    ]


# From files to a history -------------------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """A machine's runs and the findings in them; `gate` is the least change that counts, a share.

    `cases` are all that were measured; `findings` and `facts` may be of a part of them.
    """

    machine: MachineRuns
    cases: tuple[Case, ...]
    findings: HistoryFindings
    gate: float
    facts: tuple[FactChange, ...]

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        return self.machine.runs

    def moment(self, place: int) -> str:
        """Write when a run began: its day, and the time where a day has several runs."""
        run, several_a_day = self.runs[place], len({run.day for run in self.runs}) < len(self.runs)
        return f"{run.started:%Y-%m-%d %H:%M}" if several_a_day else run.day

    @property
    def facts_by_place(self) -> list[tuple[tuple[int, int, str], list[FactChange]]]:
        """Changes of one exact fact by its two runs and its name; the latest first."""
        places: dict[tuple[int, int, str], list[FactChange]] = defaultdict(list)
        for change in self.facts:
            places[change.before, change.after, change.name].append(change)
        return sorted(places.items(), key=lambda item: (-item[0][1], -len(item[1])))

    def drift(self, before: int, after: int) -> tuple[Difference, ...]:
        return drift_differences(self.runs[before].header, self.runs[after].header)

    def part(self, workloads: Sequence[str], label: str | None = None) -> "History":
        """Return the history of some workloads and a label; raises UserError for an unknown one."""
        cases = self.findings.cases
        names = {history.case.setting.workload for history in cases}
        if unknown := [name for name in workloads if name not in names]:
            raise _not_there("workload", unknown[0], names)
        shown = tuple(
            history
            for history in cases
            if (not workloads or history.case.setting.workload in workloads)
            and label in {None, history.case.label, history.case.setting.label}
        )
        if label is not None and not shown:
            raise _not_there("case", label, {history.case.label for history in cases})
        of_shown = {history.case for history in shown}
        return dataclasses.replace(
            self,
            findings=dataclasses.replace(self.findings, cases=shown),
            facts=tuple(change for change in self.facts if change.case in of_shown),
        )


def _not_there(noun: str, word: str, names: Iterable[str]) -> UserError:
    close = plain(nearest(word, names), 4 * NAME_LIMIT)
    return UserError(f"expected a {noun} of this history, received {word!r}; {close}")


def read_history(
    results: Path,
    name: str | None = None,
    since: datetime | None = None,
    gate: float = CHANGE_MARGIN,
) -> History:
    """Read the history of a machine, by default the one that ran last; raises UserError.

    All of its cases are read, whichever are shown: only all of them can show whether the machine
    changed.
    """
    machine = machine_runs(results, name, since).without_disturbed()
    levels = run_levels(machine.runs)
    if not levels.cases:
        raise UserError(
            f"expected measured cases in {len(machine.runs)} runs of "
            f"{plain(machine.name, NAME_LIMIT)}, found none; measure some with: timelift bench"
        )
    facts = changes_over_runs(run.summary.exact for run in machine.runs)
    return History(machine, levels.cases, find_changes(levels, gate), gate, facts)


def changes_over_runs(runs: Iterable[Mapping[Case, ExactFacts]]) -> tuple[FactChange, ...]:
    """Return the changes of exact facts, from each run that has a fact to the next that has it."""
    last: dict[tuple[Case, str], tuple[int, float]] = {}
    changes: list[FactChange] = []
    for place, cases in enumerate(runs):
        for case, values in cases.items():
            for name, value in zip(EXACT_FACTS, values, strict=True):
                if value is not None:
                    before, old = last.get((case, name), (place, value))
                    if change := exact_change(case, name, old, value):
                        changes.append(dataclasses.replace(change, before=before, after=place))
                    last[case, name] = place, value
    return tuple(changes)
