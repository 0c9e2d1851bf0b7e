"""What became of every case over many runs: its levels, its changes, and how it stands now."""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.changes.levels import ENOUGH_RIVALS, RunLevels, ratios
from timelift.analyse.changes.machine_moves import apart, moves
from timelift.analyse.changes.segments import LASTING_RUNS, LEAST_RUNS, Fitted, Segment, fit
from timelift.analyse.changes.states import (
    WORSE,
    CaseState,
    ChangeState,
    Level,
    LevelChange,
    MachineMove,
)
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.estimates import t_quantile
from timelift.analyse.stats.verdicts import GATE_MARGIN
from timelift.case import Case

_TAIL = 0.025
#: What the cases tell of the machine is looked at so often.
_LOOKS = 3
#: How the cases that changed are sorted.
_WORST_FIRST = (ChangeState.SLOWER, ChangeState.CREPT, ChangeState.FASTER)


@dataclass(frozen=True)
class LatestVersusBest:
    """`worst` is the latest level beside the best one, `since` the change most of it came by."""

    state: ChangeState
    worst: LevelChange | None = None
    since: LevelChange | None = None

    def carried(self, passed: float, later: "LatestVersusBest", gate: float) -> "LatestVersusBest":
        """Return the standing after a move of the machine, in which the case changed by `passed`.

        A slow-down that was confirmed is still there until the case is as fast as it was beside its
        rivals; only then, or where something else is wrong, `later` holds.
        """
        if (
            self.worst is None
            or later.state in WORSE | {ChangeState.GONE}
            or not math.isfinite(passed)
        ):
            return later
        shift = self.worst.shift + passed
        if shift < math.log1p(gate):
            return later
        ends = self.worst.low + passed, self.worst.high + passed
        worst = LevelChange(self.worst.before, self.worst.after, shift, *ends)
        return LatestVersusBest(self.state, worst, self.since)


@dataclass(frozen=True)
class Era:
    """A case between two moves of the machine: its log ratios, and where they have which level."""

    ratio: Samples
    places: NDArray[np.int_]
    fitted: Fitted

    def level(self, one: Segment) -> Level:
        """Return a segment by its place in the history."""
        first, last = self.places[one.first], self.places[one.end - 1]
        return Level(int(first), int(last), one.runs, one.mean)

    def change(self, one: Segment, other: Segment) -> LevelChange:
        """Return the difference of two levels with its interval."""
        noise, shift = self.fitted.noise, other.mean - one.mean
        reach = float(t_quantile(_TAIL, np.asarray(max(noise.df, 1.0))))
        reach *= noise.error(one, other)
        before, after = self.places[one.end - 1], self.places[other.first]
        return LevelChange(int(before), int(after), shift, shift - reach, shift + reach)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Return the levels in order."""
        return tuple(self.level(one) for one in self.fitted.segments if one.runs)

    @property
    def first_level(self) -> float:
        """The first log ratio, NaN where there is none."""
        return self.fitted.segments[0].mean

    @property
    def end_level(self) -> float:
        """The last log ratio, NaN where there is none."""
        return self.fitted.segments[-1].mean

    def changes(self, gate: float) -> Iterator[LevelChange]:
        """Yield the changes from one level to the next that are large enough to tell."""
        for pair in pairwise(self.fitted.segments):
            found = self.change(*pair)
            if abs(found.shift) >= math.log1p(gate):
                yield found

    def standing(self, end: int, gate: float) -> LatestVersusBest:
        """Judge the latest level against the best earlier one; `end` is the run after the last."""
        if not len(self.places) or self.places[-1] < end - LEAST_RUNS:
            return LatestVersusBest(ChangeState.GONE)
        *earlier, last = self.fitted.segments
        if len(self.places) < 2 * LEAST_RUNS:
            return LatestVersusBest(ChangeState.UNKNOWN)
        if not earlier:
            return LatestVersusBest(ChangeState.SAME)
        best = _best(earlier)
        worst = self.change(best, last)
        if worst.shift >= math.log1p(gate) and self.fitted.differ(best, last):
            return self._worse(worst, gate)
        before = self.change(earlier[-1], last)
        faster = before.shift <= -math.log1p(gate)
        if faster:
            return LatestVersusBest(ChangeState.FASTER, None, before)
        return LatestVersusBest(ChangeState.SAME)

    def _worse(self, worst: LevelChange, gate: float) -> LatestVersusBest:
        """Tell a step from a creep: a creep has no step that is large enough by itself."""
        steps = [one for one in self.changes(gate) if one.shift > 0 and one.before >= worst.before]
        if not steps:
            return LatestVersusBest(ChangeState.CREPT, worst, worst)
        return LatestVersusBest(ChangeState.SLOWER, worst, max(steps, key=lambda one: one.shift))


def _best(earlier: Sequence[Segment]) -> Segment:
    """Return the fastest of the levels that lasted; a short dip is nothing to be held to."""
    lasting = min(LASTING_RUNS, max(one.runs for one in earlier))
    return min((one for one in earlier if one.runs >= lasting), key=lambda one: one.mean)


@dataclass(frozen=True)
class CaseHistory(CaseState):
    """One case over many runs: its log ratio to the reference by run, NaN where absent.

    `eras` holds its levels between moves of the machine. `change` is the latest level beside the
    best earlier one of the last era, where it is slower; `since` is the change most of it came by.
    """

    ratio: Samples
    eras: tuple[tuple[Level, ...], ...]
    changes: tuple[LevelChange, ...]
    since: LevelChange | None = None

    @property
    def runs(self) -> int:
        """How many runs measured it."""
        return int(np.isfinite(self.ratio).sum())

    @property
    def runs_now(self) -> int:
        """How many runs its latest level has."""
        return self.eras[-1][-1].runs

    @property
    def past(self) -> tuple[LevelChange, ...]:
        """The changes that do not tell how it stands now."""
        return tuple(change for change in self.changes if change != self.since)


@dataclass(frozen=True)
class HistoryFindings:
    """What a history shows: its cases in order, and the moves of the machine."""

    cases: tuple[CaseHistory, ...]
    moves: tuple[MachineMove, ...]

    @property
    def worse(self) -> list[CaseHistory]:
        """The cases with a slow-down that is still there."""
        return [one for one in self.cases if one.state in WORSE]

    @property
    def changed(self) -> list[tuple[CaseHistory, LevelChange]]:
        """The cases that became slower or faster, each with its change, the worst first."""
        told = [(one, one.change) for one in self.cases if one.state in _WORST_FIRST and one.change]
        return sorted(
            told, key=lambda it: (_WORST_FIRST.index(it[0].state), -abs(it[1].shift), it[0].case)
        )

    @property
    def worse_by_place(self) -> list[tuple[tuple[int, int], int]]:
        """Between which runs slow-downs came that are still there, the largest group first."""
        places = Counter((one.since.before, one.since.after) for one in self.worse if one.since)
        return places.most_common()

    @property
    def too_few_runs(self) -> int:
        """How many cases have too few runs for any change."""
        return self.counts.get(ChangeState.UNKNOWN, 0)

    @property
    def counts(self) -> dict[ChangeState, int]:
        """How many cases are in each state that any of them is in."""
        counts = Counter(one.state for one in self.cases)
        return {state: counts[state] for state in ChangeState if counts[state]}


def find(levels: RunLevels, gate: float = GATE_MARGIN) -> HistoryFindings:
    """Find what changed in a history by `gate`, a share, or more, and whether the machine did."""
    runs = levels.log_seconds.shape[1]
    cases, common = _cases(levels, [], gate), list[MachineMove]()
    for _ in range(_LOOKS):
        places = [[(one.before, one.after) for one in case.changes] for case in cases]
        more = common or moves(levels, gate, places)
        new = _apart([*more, *apart(levels.cases, places, runs)])
        if new == common:
            break
        common = new
        cases = _cases(levels, common, gate)
    return HistoryFindings(tuple(cases), tuple(common))


def _apart(found: Sequence[MachineMove]) -> list[MachineMove]:
    """Return the moves in order, of those that are close to each other the first that is given."""
    new: list[MachineMove] = []
    for one in found:
        if all(abs(one.after - other.after) > LEAST_RUNS for other in new):
            new.append(one)
    return sorted(new, key=lambda move: move.after)


def _cases(levels: RunLevels, common: Sequence[MachineMove], gate: float) -> list[CaseHistory]:
    """Cut the history where the machine moved, and judge every case between the cuts."""
    runs = levels.log_seconds.shape[1]
    bounds = [0, *(move.after for move in common), runs]
    eras = [_era(levels, *pair, gate) for pair in pairwise(bounds)]
    standings = _standings(levels, eras, bounds[1:], gate)
    by_case = zip(levels.cases, zip(*eras, strict=True), standings, strict=True)
    return [_case(*one, gate) for one in by_case]


def _standings(
    levels: RunLevels, eras: Sequence[Sequence[Era]], ends: Sequence[int], gate: float
) -> list[LatestVersusBest]:
    """Judge every case era by era; what was slower stays so until it is shown to be mended."""
    standings = [one.standing(ends[0], gate) for one in eras[0]]
    for (before, after), end in zip(pairwise(eras), ends[1:], strict=True):
        passed = _passed(levels, before, after)
        fresh = [one.standing(end, gate) for one in after]
        standings = [
            old.carried(float(jump), new, gate)
            for old, jump, new in zip(standings, passed, fresh, strict=True)
        ]
    return standings


def _passed(levels: RunLevels, before: Sequence[Era], after: Sequence[Era]) -> Samples:
    """Return what each case changed by from one era's end to the next one's, beside its rivals."""
    pairs = zip(before, after, strict=True)
    ends = np.array([(one.end_level, other.end_level, other.first_level) for one, other in pairs])
    jumps, within = ends[:, 2] - ends[:, 0], ends[:, 1] - ends[:, 2]
    for rows in levels.settings.values():
        enough = np.isfinite(jumps[rows]).sum() >= ENOUGH_RIVALS
        jumps[rows] -= np.nanmedian(jumps[rows]) if enough else np.nan
    return np.asarray(jumps + within)


def _era(levels: RunLevels, first: int, end: int, gate: float) -> list[Era]:
    """Fit all cases between two moves, the second time beside those rivals that did not change."""
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
    return [Era(*one) for one in zip(table, places, fit(rows, max(tested, 1)), strict=True)]


def _case(case: Case, eras: Sequence[Era], standing: LatestVersusBest, gate: float) -> CaseHistory:
    return CaseHistory(
        case,
        standing.state,
        standing.worst or standing.since,
        ratio=np.concatenate([one.ratio for one in eras]),
        eras=tuple(one.levels for one in eras),
        changes=tuple(change for one in eras for change in one.changes(gate)),
        since=standing.since,
    )
