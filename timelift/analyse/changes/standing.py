"""How a case stands: its latest level beside the best of its earlier ones."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.changes.segments import LASTING_RUNS, LEAST_RUNS, Fitted, Segment
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.stats import student

_TAIL = 0.025


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
class Standing:
    """`worst` is the latest level beside the best one, `since` the change most of it came by."""

    now: Now
    worst: Change | None = None
    since: Change | None = None

    def carried(self, passed: float, later: "Standing", gate: float) -> "Standing":
        """Give the standing after a move of the machine, in which the case changed by `passed`.

        A slow-down that was confirmed is still there until the case is as fast as it was beside its
        rivals; only then, or where something else is wrong, `later` holds.
        """
        if self.worst is None or later.now in WORSE | {Now.GONE} or not math.isfinite(passed):
            return later
        shift = self.worst.shift + passed
        if shift < math.log1p(gate):
            return later
        ends = self.worst.low + passed, self.worst.high + passed
        worst = Change(self.worst.before, self.worst.after, shift, *ends)
        return Standing(self.now, worst, self.since)


@dataclass(frozen=True)
class Stretch:
    """A case between two moves of the machine: its log ratios, and where they have which level."""

    ratio: Samples
    places: NDArray[np.int_]
    fitted: Fitted

    def level(self, one: Segment) -> Level:
        """Give a segment by its place in the history."""
        first, last = self.places[one.first], self.places[one.end - 1]
        return Level(int(first), int(last), one.runs, one.mean)

    def change(self, one: Segment, other: Segment) -> Change:
        """Give the difference of two levels with its interval."""
        noise, shift = self.fitted.noise, other.mean - one.mean
        reach = float(student.quantile(_TAIL, np.asarray(max(noise.df, 1.0))))
        reach *= noise.error(one, other)
        before, after = self.places[one.end - 1], self.places[other.first]
        return Change(int(before), int(after), shift, shift - reach, shift + reach)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Give the levels in order."""
        return tuple(self.level(one) for one in self.fitted.segments if one.runs)

    @property
    def first_level(self) -> float:
        """The first log ratio, NaN where there is none."""
        return self.fitted.segments[0].mean

    @property
    def end_level(self) -> float:
        """The last log ratio, NaN where there is none."""
        return self.fitted.segments[-1].mean

    def changes(self, gate: float) -> Iterator[Change]:
        """Give the changes from one level to the next that are large enough to tell."""
        for pair in pairwise(self.fitted.segments):
            found = self.change(*pair)
            if abs(found.shift) >= math.log1p(gate):
                yield found

    def standing(self, end: int, gate: float) -> Standing:
        """Judge the latest level against the best earlier one; `end` is the run after the last."""
        if not len(self.places) or self.places[-1] < end - LEAST_RUNS:
            return Standing(Now.GONE)
        *earlier, last = self.fitted.segments
        if len(self.places) < 2 * LEAST_RUNS:
            return Standing(Now.TOO_FEW)
        if not earlier:
            return Standing(Now.SAME)
        best = _best(earlier)
        worst = self.change(best, last)
        if worst.shift >= math.log1p(gate) and self.fitted.differ(best, last):
            return self._worse(worst, gate)
        before = self.change(earlier[-1], last)
        faster = before.shift <= -math.log1p(gate)
        return Standing(Now.FASTER, None, before) if faster else Standing(Now.SAME)

    def _worse(self, worst: Change, gate: float) -> Standing:
        """Tell a step from a creep: a creep has no step that is large enough by itself."""
        steps = [one for one in self.changes(gate) if one.shift > 0 and one.before >= worst.before]
        if not steps:
            return Standing(Now.CREPT, worst, worst)
        return Standing(Now.SLOWER, worst, max(steps, key=lambda one: one.shift))


def _best(earlier: Sequence[Segment]) -> Segment:
    """Give the fastest of the levels that lasted; a short dip is nothing to be held to."""
    lasting = min(LASTING_RUNS, max(one.runs for one in earlier))
    return min((one for one in earlier if one.runs >= lasting), key=lambda one: one.mean)
