"""What became of every case: its levels over the runs, its changes, and how it stands now."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.changes.levels import ENOUGH_RIVALS, Levels, ratios
from timelift.analyse.changes.machine_moves import Move, apart, moves
from timelift.analyse.changes.segments import LEAST_RUNS, fit
from timelift.analyse.changes.standing import WORSE, Change, Level, Now, Standing, Stretch
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats.verdicts import GATE_MARGIN
from timelift.case import Case

#: What the cases tell of the machine is looked at so often.
_LOOKS = 3
#: How the cases that changed are sorted.
_WORST_FIRST = (Now.SLOWER, Now.CREPT, Now.FASTER)


@dataclass(frozen=True)
class CaseHistory:
    """One case: its log ratio to the reference by run, NaN where absent, and what was found in it.

    `eras` holds its levels between moves of the machine. `worst` is the latest level beside the
    best earlier one of the last era, and `since` the change that most of it came by.
    """

    case: Case
    ratio: Samples
    eras: tuple[tuple[Level, ...], ...]
    changes: tuple[Change, ...]
    now: Now
    worst: Change | None = None
    since: Change | None = None

    @property
    def told(self) -> Change | None:
        """The change whose size is told: beside the best earlier level where it is slower."""
        return self.worst or self.since

    @property
    def runs(self) -> int:
        """How many runs measured it."""
        return int(np.isfinite(self.ratio).sum())

    @property
    def runs_now(self) -> int:
        """How many runs its latest level has."""
        return self.eras[-1][-1].runs

    @property
    def past(self) -> tuple[Change, ...]:
        """The changes that are over or were answered by others."""
        return tuple(change for change in self.changes if change != self.since)


@dataclass(frozen=True)
class Found:
    """What a history shows: its cases in order, and the moves of the machine."""

    cases: tuple[CaseHistory, ...]
    moves: tuple[Move, ...]

    @property
    def worse(self) -> list[CaseHistory]:
        """The cases with a slow-down that is still there."""
        return [one for one in self.cases if one.now in WORSE]

    @property
    def changed(self) -> list[tuple[CaseHistory, Change]]:
        """The cases that stand otherwise than they stood with their changes, the worst first."""
        known = [(one, one.told) for one in self.cases if one.now in _WORST_FIRST]
        told = [(one, change) for one, change in known if change]
        return sorted(
            told, key=lambda it: (_WORST_FIRST.index(it[0].now), -abs(it[1].shift), it[0].case)
        )

    @property
    def worse_by_place(self) -> list[tuple[tuple[int, int], int]]:
        """Between which runs slow-downs came that are still there, the largest group first."""
        places = Counter((one.since.before, one.since.after) for one in self.worse if one.since)
        return places.most_common()

    @property
    def counts(self) -> dict[Now, int]:
        """How many cases stand how, of those that any case does."""
        counts = Counter(one.now for one in self.cases)
        return {now: counts[now] for now in Now if counts[now]}


def find(levels: Levels, gate: float = GATE_MARGIN) -> Found:
    """Find what changed in a history by `gate`, a share, or more, and whether the machine did."""
    runs = levels.log_seconds.shape[1]
    cases, common = _cases(levels, [], gate), list[Move]()
    for _ in range(_LOOKS):
        places = [[(one.before, one.after) for one in case.changes] for case in cases]
        more = common or moves(levels, gate, places)
        new = _apart([*more, *apart(levels.cases, places, runs)])
        if new == common:
            break
        common = new
        cases = _cases(levels, common, gate)
    return Found(tuple(cases), tuple(common))


def _apart(found: Sequence[Move]) -> list[Move]:
    """Give the moves in order, of those that are close to each other the first that is given."""
    new: list[Move] = []
    for one in found:
        if all(abs(one.after - other.after) > LEAST_RUNS for other in new):
            new.append(one)
    return sorted(new, key=lambda move: move.after)


def _cases(levels: Levels, common: Sequence[Move], gate: float) -> list[CaseHistory]:
    """Cut the history where the machine moved, and judge every case between the cuts."""
    runs = levels.log_seconds.shape[1]
    bounds = [0, *(move.after for move in common), runs]
    eras = [_era(levels, *pair, gate) for pair in pairwise(bounds)]
    standings = _standings(levels, eras, bounds[1:], gate)
    by_case = zip(levels.cases, zip(*eras, strict=True), standings, strict=True)
    return [_case(*one, gate) for one in by_case]


def _standings(
    levels: Levels, eras: Sequence[Sequence[Stretch]], ends: Sequence[int], gate: float
) -> list[Standing]:
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


def _passed(levels: Levels, before: Sequence[Stretch], after: Sequence[Stretch]) -> Samples:
    """Give what each case changed by from one era's end to the next one's, beside its rivals."""
    pairs = zip(before, after, strict=True)
    ends = np.array([(one.end_level, other.end_level, other.first_level) for one, other in pairs])
    jumps, within = ends[:, 2] - ends[:, 0], ends[:, 1] - ends[:, 2]
    for rows in levels.settings.values():
        enough = np.isfinite(jumps[rows]).sum() >= ENOUGH_RIVALS
        jumps[rows] -= np.nanmedian(jumps[rows]) if enough else np.nan
    return np.asarray(jumps + within)


def _era(levels: Levels, first: int, end: int, gate: float) -> list[Stretch]:
    """Fit all cases between two moves, the second time beside those rivals that did not change."""
    part = levels.part(first, end)
    found = _fitted(part, np.ones(len(levels.cases), bool))
    steady = np.array([not any(one.changes(gate)) for one in found])
    again = found if steady.all() else _fitted(part, steady)
    return [dataclasses.replace(one, places=one.places + first) for one in again]


def _fitted(levels: Levels, steady: NDArray[np.bool_]) -> list[Stretch]:
    table = ratios(levels, steady)
    places = [np.flatnonzero(np.isfinite(row)) for row in table]
    rows = [row[place] for row, place in zip(table, places, strict=True)]
    tested = sum(len(row) >= 2 * LEAST_RUNS for row in rows)
    return [Stretch(*one) for one in zip(table, places, fit(rows, max(tested, 1)), strict=True)]


def _case(case: Case, stretches: Sequence[Stretch], standing: Standing, gate: float) -> CaseHistory:
    return CaseHistory(
        case,
        ratio=np.concatenate([one.ratio for one in stretches]),
        eras=tuple(one.levels for one in stretches),
        changes=tuple(change for one in stretches for change in one.changes(gate)),
        now=standing.now,
        worst=standing.worst,
        since=standing.since,
    )
