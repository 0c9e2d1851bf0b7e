"""What became of every case over many runs: its levels, its changes, and its state now."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.estimates import t_quantile
from timelift.analyse.measurement import Samples
from timelift.analyse.verdicts import GATE_MARGIN
from timelift.case import Case
from timelift.history.common_shifts import changed_apart, common_shifts
from timelift.history.levels import ENOUGH_RIVALS, RunLevels, ratios
from timelift.history.segments import LASTING_RUNS, LEAST_RUNS, FittedSeries, Segment, fit_segments
from timelift.history.states import WORSE, ChangeState, Level, LevelChange, MachineShift

_TAIL = 0.025
#: How often changes of cases and shifts of the machine are searched in turn, at most.
_MOST_PASSES = 3
#: How the cases that changed are sorted.
_WORST_FIRST = (ChangeState.SLOWER, ChangeState.CREPT, ChangeState.FASTER)


@dataclass(frozen=True)
class LatestVersusBest:
    """`change` is from the best level to the latest, `since` the change most of it came by."""

    state: ChangeState
    change: LevelChange | None = None
    since: LevelChange | None = None

    def after_common_shift(
        self, passed: float, later: "LatestVersusBest", gate: float
    ) -> "LatestVersusBest":
        """Return what holds after a shift of the machine, in which the case changed by `passed`.

        A slow-down that was confirmed is still there until the case is as fast as it was beside its
        rivals; only then, or where something else is wrong, `later` holds.
        """
        if (
            self.change is None
            or later.state in WORSE | {ChangeState.GONE}
            or not math.isfinite(passed)
        ):
            return later
        shift = self.change.value + passed
        if shift < math.log1p(gate):
            return later
        ends = self.change.low + passed, self.change.high + passed
        change = dataclasses.replace(self.change, value=shift, low=ends[0], high=ends[1])
        return LatestVersusBest(self.state, change, self.since)


@dataclass(frozen=True)
class Era:
    """A case between two shifts of the machine: its log ratios, and where they have which level."""

    ratio: Samples
    places: NDArray[np.int_]
    fitted: FittedSeries

    def change(self, one: Segment, other: Segment) -> LevelChange:
        noise, shift = self.fitted.noise, other.mean - one.mean
        half_width = float(t_quantile(_TAIL, np.asarray(max(noise.df, 1.0))))
        half_width *= noise.standard_error(one, other)
        before, after = int(self.places[one.end - 1]), int(self.places[other.first])
        ends = shift - half_width, shift + half_width
        return LevelChange(shift, *ends, before=before, after=after)

    @property
    def levels(self) -> tuple[Level, ...]:
        return tuple(
            Level(int(self.places[one.first]), int(self.places[one.end - 1]), one.runs, one.mean)
            for one in self.fitted.segments
            if one.runs
        )

    def changes(self, gate: float) -> Iterator[LevelChange]:
        for pair in pairwise(self.fitted.segments):
            found = self.change(*pair)
            if abs(found.value) >= math.log1p(gate):
                yield found

    def latest_versus_best(self, end: int, gate: float) -> LatestVersusBest:
        """Compare the latest level with the best earlier one; `end` is the run after the last."""
        if not len(self.places) or self.places[-1] < end - LEAST_RUNS:
            return LatestVersusBest(ChangeState.GONE)
        *earlier, last = self.fitted.segments
        if len(self.places) < 2 * LEAST_RUNS:
            return LatestVersusBest(ChangeState.UNKNOWN)
        if not earlier:
            return LatestVersusBest(ChangeState.SAME)
        best = _best(earlier)
        change = self.change(best, last)
        if change.value >= math.log1p(gate) and self.fitted.differ(best, last):
            return self._worse(change, gate)
        before = self.change(earlier[-1], last)
        if before.value <= -math.log1p(gate):
            return LatestVersusBest(ChangeState.FASTER, None, before)
        return LatestVersusBest(ChangeState.SAME)

    def _worse(self, change: LevelChange, gate: float) -> LatestVersusBest:
        """Distinguish a step from a creep: a creep has no step that is large enough by itself."""
        slower = (step for step in self.changes(gate) if step.value > 0)
        steps = [step for step in slower if step.before >= change.before]
        if not steps:
            return LatestVersusBest(ChangeState.CREPT, change, change)
        return LatestVersusBest(ChangeState.SLOWER, change, max(steps, key=lambda step: step.value))


def _best(earlier: Sequence[Segment]) -> Segment:
    """Return the fastest of the levels that lasted; a short dip is nothing to be compared with."""
    lasting = min(LASTING_RUNS, max(one.runs for one in earlier))
    return min((one for one in earlier if one.runs >= lasting), key=lambda one: one.mean)


@dataclass(frozen=True)
class CaseHistory:
    """One case over many runs: its log ratio to the reference by run, NaN where absent.

    `eras` holds its levels between shifts of the machine. `change` is the latest level beside the
    best earlier one of the last era, where it is slower; `since` is the change most of it came by.
    """

    case: Case
    state: ChangeState
    change: LevelChange | None
    ratio: Samples
    eras: tuple[tuple[Level, ...], ...]
    changes: tuple[LevelChange, ...]
    since: LevelChange | None = None

    @property
    def runs(self) -> int:
        return int(np.isfinite(self.ratio).sum())

    @property
    def runs_now(self) -> int:
        """How many runs its latest level has."""
        return self.eras[-1][-1].runs

    @property
    def other_changes(self) -> tuple[LevelChange, ...]:
        """The changes other than the one that its state rests on."""
        return tuple(change for change in self.changes if change != self.since)


@dataclass(frozen=True)
class HistoryFindings:
    cases: tuple[CaseHistory, ...]
    common_shifts: tuple[MachineShift, ...]

    def era_bounds(self, runs: int) -> list[int]:
        """Return where the eras of a history of so many runs begin, and the end of the last."""
        return _bounds(self.common_shifts, runs)

    @property
    def worse(self) -> list[CaseHistory]:
        return [one for one in self.cases if one.state in WORSE]

    @property
    def changed(self) -> list[CaseHistory]:
        changed = [one for one in self.cases if one.state in _WORST_FIRST and one.change]
        return sorted(changed, key=_worst_first)

    @property
    def worse_by_place(self) -> list[tuple[tuple[int, int], int]]:
        """Between which runs slow-downs came that are still there, the largest group first."""
        places = Counter((one.since.before, one.since.after) for one in self.worse if one.since)
        return places.most_common()

    @property
    def counts(self) -> dict[ChangeState, int]:
        counts = Counter(one.state for one in self.cases)
        return {state: counts[state] for state in ChangeState if counts[state]}


def _worst_first(one: CaseHistory) -> tuple[int, float, Case]:
    size = abs(one.change.value) if one.change else 0.0
    return _WORST_FIRST.index(one.state), -size, one.case


def find_changes(levels: RunLevels, gate: float = GATE_MARGIN) -> HistoryFindings:
    """Find what changed in a history by `gate`, a share, or more, and whether the machine did."""
    cases, common = _cases(levels, [], gate), list[MachineShift]()
    for _ in range(_MOST_PASSES):
        places = [[(one.before, one.after) for one in case.changes] for case in cases]
        more = common or common_shifts(levels, gate, places)
        new = _spaced([*more, *changed_apart(levels, places)])
        if new == common:
            break
        common = new
        cases = _cases(levels, common, gate)
    return HistoryFindings(tuple(cases), tuple(common))


def _spaced(found: Sequence[MachineShift]) -> list[MachineShift]:
    """Return the shifts in order, of those that are close to each other the first of `found`."""
    new: list[MachineShift] = []
    for one in found:
        if all(abs(one.after - other.after) > LEAST_RUNS for other in new):
            new.append(one)
    return sorted(new, key=lambda shift: shift.after)


def _cases(levels: RunLevels, common: Sequence[MachineShift], gate: float) -> list[CaseHistory]:
    """Cut the history where the machine shifted, and find the state of every case."""
    bounds = _bounds(common, levels.log_seconds.shape[1])
    eras = [_era(levels, *pair, gate) for pair in pairwise(bounds)]
    latest = _latest_versus_best(levels, eras, bounds[1:], gate)
    by_case = zip(levels.cases, zip(*eras, strict=True), latest, strict=True)
    return [_case(*one, gate) for one in by_case]


def _bounds(common: Sequence[MachineShift], runs: int) -> list[int]:
    return [0, *(shift.after for shift in common), runs]


def _latest_versus_best(
    levels: RunLevels, eras: Sequence[Sequence[Era]], ends: Sequence[int], gate: float
) -> list[LatestVersusBest]:
    """Go era by era; what was slower stays so until it is shown to be mended."""
    found = [one.latest_versus_best(ends[0], gate) for one in eras[0]]
    for (before, after), end in zip(pairwise(eras), ends[1:], strict=True):
        found = [
            old.after_common_shift(float(jump), one.latest_versus_best(end, gate), gate)
            for old, jump, one in zip(found, _passed(levels, before, after), after, strict=True)
        ]
    return found


def _passed(levels: RunLevels, before: Sequence[Era], after: Sequence[Era]) -> Samples:
    """Return what each case changed by from one era's end to the next one's, beside its rivals."""
    old, new = ([one.fitted.segments for one in era] for era in (before, after))
    first, last = (np.array([segments[place].mean for segments in new]) for place in (0, -1))
    jumps = first - [segments[-1].mean for segments in old]
    for rows in levels.settings.values():
        enough = np.isfinite(jumps[rows]).sum() >= ENOUGH_RIVALS
        jumps[rows] -= np.nanmedian(jumps[rows]) if enough else np.nan
    return np.asarray(jumps + (last - first))


def _era(levels: RunLevels, first: int, end: int, gate: float) -> list[Era]:
    """Fit all cases between two shifts, the second time beside those rivals that did not change."""
    part = levels.part(first, end)
    found = _fitted(part, np.ones(len(levels.cases), bool))
    steady = np.array([not any(one.changes(gate)) for one in found])
    again = found if steady.all() else _fitted(part, steady)
    return [dataclasses.replace(one, places=one.places + first) for one in again]


def _fitted(levels: RunLevels, steady: NDArray[np.bool_]) -> list[Era]:
    table = ratios(levels, steady)
    places = [np.flatnonzero(np.isfinite(row)) for row in table]
    rows = [row[place] for row, place in zip(table, places, strict=True)]
    tested = sum(len(row) >= 2 * LEAST_RUNS for row in rows)
    fitted = fit_segments(rows, max(tested, 1))
    return [Era(*one) for one in zip(table, places, fitted, strict=True)]


def _case(case: Case, eras: Sequence[Era], latest: LatestVersusBest, gate: float) -> CaseHistory:
    return CaseHistory(
        case,
        latest.state,
        latest.change or latest.since,
        ratio=np.concatenate([one.ratio for one in eras]),
        eras=tuple(one.levels for one in eras),
        changes=tuple(change for one in eras for change in one.changes(gate)),
        since=latest.since,
    )
