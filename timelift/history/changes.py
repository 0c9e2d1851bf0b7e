"""What became of every case: its levels over the runs, its changes, and how it stands now."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.case import Case
from timelift.history.levels import Levels, ratios
from timelift.history.machine_moves import Move, apart, moves
from timelift.history.segments import LASTING_RUNS, LEAST_RUNS, Fitted, Segment, fit
from timelift.read.measurement import Samples
from timelift.stats import student
from timelift.stats.verdicts import GATE_MARGIN

_TAIL = 0.025
#: What the cases tell of the machine is looked at so often.
_LOOKS = 3


class Now(StrEnum):
    """How the latest runs of a case stand beside its best earlier ones."""

    SLOWER = "slower"
    CREPT = "crept slower"
    FASTER = "faster"
    SAME = "same"
    TOO_FEW = "too few runs"
    GONE = "no longer measured"


#: What fails a build: a slow-down that runs have confirmed, and that is still there.
WORSE = frozenset({Now.SLOWER, Now.CREPT})


@dataclass(frozen=True)
class Level:
    """Runs `first` to `last`, by position in the history, in which a case kept one log ratio."""

    first: int
    last: int
    runs: int
    mean: float


@dataclass(frozen=True)
class Change:
    """Between two runs a case changed by `shift`, a log ratio with its 95 % interval."""

    before: int
    after: int
    shift: float
    low: float
    high: float


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


_Standing = tuple[Now, Change | None, Change | None]


@dataclass(frozen=True)
class Found:
    """What a history shows: its cases in order, and the moves of the machine."""

    cases: tuple[CaseHistory, ...]
    moves: tuple[Move, ...]

    @property
    def worse(self) -> list[CaseHistory]:
        """The cases with a slow-down that is still there."""
        return [one for one in self.cases if one.now in WORSE]


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
    eras = [_era(levels, first, end, gate) for first, end in pairwise(bounds)]
    return [
        _case(case, stretches, runs, gate)
        for case, stretches in zip(levels.cases, zip(*eras, strict=True), strict=True)
    ]


@dataclass(frozen=True)
class _Stretch:
    """A case between two moves of the machine: its log ratios, and where they have which level."""

    ratio: Samples
    places: NDArray[np.int_]
    fitted: Fitted

    def level(self, one: Segment) -> Level:
        first, last = self.places[one.first], self.places[one.end - 1]
        return Level(int(first), int(last), one.runs, one.mean)

    def change(self, one: Segment, other: Segment) -> Change:
        """Give the difference of two levels with its interval."""
        noise, shift = self.fitted.noise, other.mean - one.mean
        reach = float(student.quantile(_TAIL, np.asarray(max(noise.df, 1.0))))
        reach *= noise.error(one, other)
        before, after = self.places[one.end - 1], self.places[other.first]
        return Change(int(before), int(after), shift, shift - reach, shift + reach)

    def changes(self, gate: float) -> Iterator[Change]:
        """Give the changes from one level to the next that are large enough to tell."""
        for pair in pairwise(self.fitted.segments):
            found = self.change(*pair)
            if abs(found.shift) >= math.log1p(gate):
                yield found


def _era(levels: Levels, first: int, end: int, gate: float) -> list[_Stretch]:
    """Fit all cases between two moves, the second time beside those rivals that did not change."""
    part = levels.part(first, end)
    found = _fitted(part, np.ones(len(levels.cases), bool))
    steady = np.array([not any(one.changes(gate)) for one in found])
    again = found if steady.all() else _fitted(part, steady)
    return [dataclasses.replace(one, places=one.places + first) for one in again]


def _fitted(levels: Levels, steady: NDArray[np.bool_]) -> list[_Stretch]:
    table = ratios(levels, steady)
    places = [np.flatnonzero(np.isfinite(row)) for row in table]
    rows = [row[place] for row, place in zip(table, places, strict=True)]
    tested = sum(len(row) >= 2 * LEAST_RUNS for row in rows)
    return [_Stretch(*one) for one in zip(table, places, fit(rows, max(tested, 1)), strict=True)]


def _case(case: Case, stretches: Sequence[_Stretch], runs: int, gate: float) -> CaseHistory:
    eras = tuple(
        tuple(one.level(segment) for segment in one.fitted.segments if segment.runs)
        for one in stretches
    )
    changes = tuple(change for one in stretches for change in one.changes(gate))
    found = CaseHistory(
        case, np.concatenate([one.ratio for one in stretches]), eras, changes, Now.SAME
    )
    now, worst, since = _standing(stretches, runs, gate)
    return dataclasses.replace(found, now=now, worst=worst, since=since)


def _standing(stretches: Sequence[_Stretch], runs: int, gate: float) -> _Standing:
    """Judge the latest level of a case against the best earlier one since the machine moved."""
    latest = stretches[-1]
    if not len(latest.places) or latest.places[-1] < runs - LEAST_RUNS:
        return Now.GONE, None, None
    *earlier, last = latest.fitted.segments
    if len(latest.places) < 2 * LEAST_RUNS:
        return Now.TOO_FEW, None, None
    if not earlier:
        return Now.SAME, None, None
    best = _best(earlier)
    worst = latest.change(best, last)
    if worst.shift >= math.log1p(gate) and latest.fitted.differ(best, last):
        return _worse(latest, worst, gate)
    before = latest.change(earlier[-1], last)
    if before.shift <= -math.log1p(gate):
        return Now.FASTER, None, before
    return Now.SAME, None, None


def _best(earlier: Sequence[Segment]) -> Segment:
    """Give the fastest of the levels that lasted; a short dip is nothing to be held to."""
    lasting = min(LASTING_RUNS, max(one.runs for one in earlier))
    return min((one for one in earlier if one.runs >= lasting), key=lambda one: one.mean)


def _worse(latest: _Stretch, worst: Change, gate: float) -> _Standing:
    """Tell a step from a creep: a creep has no step that is large enough by itself."""
    steps = [one for one in latest.changes(gate) if one.shift > 0 and one.before >= worst.before]
    if not steps:
        return Now.CREPT, worst, worst
    return Now.SLOWER, worst, max(steps, key=lambda one: one.shift)
