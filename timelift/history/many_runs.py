"""What became of every case over many runs: its levels, its changes, and its state now."""

import dataclasses
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from timelift.analyse.results import Samples
from timelift.analyse.verdicts import CHANGE_MARGIN
from timelift.case import Case
from timelift.errors import UserError, nearest
from timelift.escape import NAME_LIMIT, plain
from timelift.history import WORSE, Change, ChangeState, CommonShift, drift_differences
from timelift.history.levels import (
    ENOUGH_RIVALS,
    MachineRuns,
    RunLevels,
    StoredRun,
    machine_runs,
    ratios,
    run_levels,
)
from timelift.history.noise import LEAST_RUNS
from timelift.history.segments import (
    CHANCE,
    LASTING_RUNS,
    FittedSeries,
    Segment,
    chance,
    change_between,
    fit_segments,
)
from timelift.history.shifts import change_of_medians, common_shifts, standing_slow_down
from timelift.journal.lines import Difference
from timelift.journal.reading import ExactFacts
from timelift.measurement import EXACT_FACTS, FactChange, exact_change

#: The most turns of a search for changes of cases and then for shifts of the machine.
_MOST_PASSES = 3
#: The states of cases that changed, in the order in which they are shown.
_WORST_FIRST = (
    ChangeState.SLOWER,
    ChangeState.CREPT,
    ChangeState.TOGETHER,
    ChangeState.FASTER,
)


@dataclass(frozen=True)
class LatestVersusBest:
    """The state of a case now, by its latest level beside the best one before.

    Of a slower case `change` is from its best level to the latest, and `since` the largest step in
    it. Of a faster one both are its last change; else they are None.
    """

    state: ChangeState
    change: Change | None = None
    since: Change | None = None

    def after_common_shift(
        self, across: float, later: "LatestVersusBest", gate: float
    ) -> "LatestVersusBest":
        """Return the state after a shift of the machine: `later`, or a slow-down from before it.

        `later` is the state by the runs after the shift alone. A confirmed slow-down outlasts it
        unless the case is as fast beside its rivals as it was, or is itself slower or gone `later`.
        The change of the case `across` the shift is a log ratio beside its rivals, or NaN.
        """
        if self.change and self.state in WORSE and later.state not in WORSE | {ChangeState.GONE}:
            value, low, high = (
                end + across for end in (self.change.value, self.change.low, self.change.high)
            )
            if value >= math.log1p(gate):
                change = dataclasses.replace(self.change, value=value, low=low, high=high)
                return LatestVersusBest(self.state, change, self.since)
        return later


def _latest_versus_best(
    series: FittedSeries, over_canary: Samples, end: int, gate: float
) -> LatestVersusBest:
    """Compare the latest level with the best earlier one; the era ends before the run `end`.

    A case is faster only if its time `over_canary`, (runs,), fell by half as much, too: else it was
    its rivals that became slower.
    """
    *earlier, last = series.segments
    if not last.runs or last.last < end - LEAST_RUNS:
        return LatestVersusBest(ChangeState.GONE)
    if sum(segment.runs for segment in series.segments) < 2 * LEAST_RUNS:
        return LatestVersusBest(ChangeState.UNKNOWN)
    if not earlier:
        return LatestVersusBest(ChangeState.SAME)
    best = _best(earlier)
    change = change_between(best, last)
    if change.value >= math.log1p(gate) and chance(best, last) * series.tries <= CHANCE:
        return _worse(series, change, gate)
    change = change_between(earlier[-1], last)
    sides = (slice(segment.first, segment.last + 1) for segment in (earlier[-1], last))
    (fell,) = change_of_medians(over_canary[None], *sides)
    if change.value <= -math.log1p(gate) and not fell > change.value / 2:
        return LatestVersusBest(ChangeState.FASTER, change, change)
    return LatestVersusBest(ChangeState.SAME)


def _best(earlier: Sequence[Segment]) -> Segment:
    """Return the fastest level that lasted, so that no later run is held to a short dip."""
    lasting = min(LASTING_RUNS, max(segment.runs for segment in earlier))
    levels = (segment for segment in earlier if segment.runs >= lasting)
    return min(levels, key=lambda segment: segment.mean)


def _worse(series: FittedSeries, change: Change, gate: float) -> LatestVersusBest:
    """Return a slower case's state; one that crept has no step that is large enough by itself."""
    steps = [
        step for step in series.changes(gate) if step.value > 0 and step.before >= change.before
    ]
    if not steps:
        return LatestVersusBest(ChangeState.CREPT, change, change)
    return LatestVersusBest(ChangeState.SLOWER, change, max(steps, key=lambda step: step.value))


@dataclass(frozen=True)
class CaseHistory:
    """One case over many runs: its log ratios to the reference, a series for each era.

    An era is the time between two shifts of the machine. `changes` are those within all eras.
    """

    case: Case
    eras: tuple[FittedSeries, ...]
    changes: tuple[Change, ...]
    latest: LatestVersusBest

    @property
    def runs(self) -> int:
        return sum(segment.runs for era in self.eras for segment in era.segments)

    @property
    def runs_now(self) -> int:
        """The number of runs of the latest level."""
        return self.eras[-1].segments[-1].runs


@dataclass(frozen=True)
class HistoryFindings:
    """The history of each case of a machine, and the shifts of most of them, in order.

    `slower_together` is the shift by which most cases are still slower.
    """

    cases: tuple[CaseHistory, ...]
    common_shifts: tuple[CommonShift, ...]
    slower_together: CommonShift | None = None

    @property
    def fails(self) -> bool:
        return bool(self.worse or self.slower_together)

    @property
    def worse(self) -> list[CaseHistory]:
        return [case for case in self.cases if case.latest.state in WORSE]

    @property
    def changed(self) -> list[CaseHistory]:
        changed = [case for case in self.cases if case.latest.state in _WORST_FIRST]
        return sorted(changed, key=_worst_first)

    @property
    def worse_by_place(self) -> list[tuple[tuple[int, int], int]]:
        """Pairs of runs between which cases became slower and how many; the most cases first."""
        since = (case.latest.since for case in self.worse)
        return Counter((change.before, change.after) for change in since if change).most_common()

    @property
    def counts(self) -> dict[ChangeState, int]:
        counts = Counter(case.latest.state for case in self.cases)
        return {state: counts[state] for state in ChangeState if counts[state]}


def _worst_first(history: CaseHistory) -> tuple[int, float, Case]:
    latest = history.latest
    size = abs(latest.change.value) if latest.change else 0.0
    return _WORST_FIRST.index(latest.state), -size, history.case


# The search for changes --------------------------------------------------------------------------


def find_changes(levels: RunLevels, gate: float = CHANGE_MARGIN) -> HistoryFindings:
    """Find the changes of cases, and shifts of most of them, of at least `gate`, a share."""
    shifts: list[CommonShift] = []
    cases = _case_histories(levels, shifts, gate)
    for _ in range(_MOST_PASSES):
        places = [[change.after for change in case.changes] for case in cases]
        more = _spaced(shifts, common_shifts(levels, gate, places, shifts))
        if len(more) == len(shifts):  # no shift is ever dropped, so these are the same
            break
        shifts = more
        cases = _case_histories(levels, shifts, gate)
    return HistoryFindings(tuple(cases), tuple(shifts), standing_slow_down(shifts, gate))


def _spaced(kept: Sequence[CommonShift], more: Iterable[CommonShift]) -> list[CommonShift]:
    """Return the shifts by position: those `kept`, and `more` that are far from all others."""
    spaced = list(kept)
    for shift in more:
        if all(abs(shift.after - other.after) > LEAST_RUNS for other in spaced):
            spaced.append(shift)
    return sorted(spaced, key=lambda shift: shift.after)


def _case_histories(
    levels: RunLevels, shifts: Sequence[CommonShift], gate: float
) -> list[CaseHistory]:
    """Cut the history where most cases shifted, and find the state of every case."""
    bounds = [0, *(shift.after for shift in shifts), levels.log_seconds.shape[1]]
    eras = [_era(levels, *pair, gate) for pair in pairwise(bounds)]
    latest = _latest(levels, eras, bounds[1:], gate)
    if standing := standing_slow_down(shifts, gate):
        latest = _with_shared(levels, latest, standing, bounds, gate)
    return [
        CaseHistory(
            case, series, tuple(change for era in series for change in era.changes(gate)), now
        )
        for case, series, now in zip(levels.cases, zip(*eras, strict=True), latest, strict=True)
    ]


def _era(levels: RunLevels, first: int, end: int, gate: float) -> list[FittedSeries]:
    """Fit all cases between two shifts; where some changed, again beside the other rivals alone."""
    part = levels.part(first, end)
    every = np.ones(len(levels.cases), bool)
    fitted = fit_segments(ratios(part, every), part.of_launches, first)
    steady = np.array([not any(series.changes(gate)) for series in fitted])
    if steady.all():
        return fitted
    return fit_segments(ratios(part, steady), part.of_launches, first)


def _latest(
    levels: RunLevels, eras: Sequence[Sequence[FittedSeries]], ends: Sequence[int], gate: float
) -> list[LatestVersusBest]:
    """Return the state of every case after all eras, each of which ends before one of `ends`."""
    over_canary = levels.over_canary
    by_era = [
        [
            _latest_versus_best(series, times, end, gate)
            for series, times in zip(era, over_canary, strict=True)
        ]
        for era, end in zip(eras, ends, strict=True)
    ]
    latest = by_era[0]
    for (before, after), later in zip(pairwise(eras), by_era[1:], strict=True):
        changes = _changes_across(levels, before, after).tolist()
        latest = [
            old.after_common_shift(across, new, gate)
            for old, across, new in zip(latest, changes, later, strict=True)
        ]
    return latest


def _with_shared(
    levels: RunLevels,
    latest: Sequence[LatestVersusBest],
    shift: CommonShift,
    bounds: Sequence[int],
    gate: float,
) -> list[LatestVersusBest]:
    """Return the states with those of the cases that a shift, which still stands, made slower."""
    place = bounds.index(shift.after)
    sides = slice(bounds[place - 1], shift.after), slice(shift.after, bounds[place + 1])
    changes = change_of_medians(levels.over_canary, *sides).tolist()
    return [
        _shared(state, Change(change, math.nan, math.nan, before=shift.before, after=shift.after))
        if change >= math.log1p(gate)
        else state
        for state, change in zip(latest, changes, strict=True)
    ]


def _shared(state: LatestVersusBest, change: Change) -> LatestVersusBest:
    """Return that a case is slower together with others, unless it is worse by itself, or gone."""
    if state.state in WORSE | {ChangeState.GONE}:
        return state
    return LatestVersusBest(ChangeState.TOGETHER, change, change)


def _changes_across(
    levels: RunLevels, before: Sequence[FittedSeries], after: Sequence[FittedSeries]
) -> Samples:
    """Return each case's change beside its rivals, from one era's end to the next one's; or NaN."""
    first, last = (np.array([series.segments[end].mean for series in after]) for end in (0, -1))
    jumps: Samples = first - [series.segments[-1].mean for series in before]
    for rows in levels.settings.values():
        enough = np.isfinite(jumps[rows]).sum() >= ENOUGH_RIVALS
        jumps[rows] -= np.nanmedian(jumps[rows]) if enough else np.nan
    return np.asarray(jumps + (last - first))


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
        started, days = self.runs[place].started, Counter(run.day for run in self.runs)
        if max(days.values()) == 1:
            return self.runs[place].day
        return f"{started:%H:%M}" if len(days) == 1 else f"{started:%Y-%m-%d %H:%M}"

    @property
    def few_rivals(self) -> int:
        """The number of settings with fewer than `ENOUGH_RIVALS`."""
        counts = Counter(case.setting for case in self.cases)
        return sum(count < ENOUGH_RIVALS for count in counts.values())

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
        """Return the history of some workloads, or all, and of the case or setting of a label.

        Raises UserError where a workload or the label is not in it.
        """
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
    machine = machine_runs(results, name, since)
    levels, summaries = run_levels(machine.runs)
    if not levels.cases:
        raise UserError(
            f"expected measured cases in {len(summaries)} runs of "
            f"{plain(machine.name, NAME_LIMIT)}, found none; measure some with: timelift bench"
        )
    facts = changes_over_runs(summary.exact for summary in summaries)
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
