"""Where most cases of a machine changed at once, and whether it was the machine.

Ratios between rivals do not show what slows all of them, such as another backend; seconds over the
canary's do. The machine is blamed where the canary moved with the cases and by half as much, and
never for another description alone; else what moved the cases is what they share.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.results import Samples
from timelift.case import GPU, Case
from timelift.history import Cause, CommonShift
from timelift.history.levels import RunLevels, beyond_canary, median_polish
from timelift.history.noise import LEAST_RUNS, sd_between
from timelift.history.segments import LASTING_RUNS, Segment, Series, fit_segments, step_between

#: More than half of fewer cases is two or three, which may well have changed by the code.
_LEAST_CASES = 4
#: The chance of a false shift at a crowded place, where many cases changed.
_CROWDED_CHANCE = 0.01
#: The least share of the cases that makes a place crowded, and the least number of them.
_CROWDED_SHARE, _CROWDED_CASES = 0.1, 3
#: The least share of the cases that may show a shift of most.
_LARGE_SHARE = 1 / 3
#: Standard errors by which the canary moved, at least.
_CANARY_ERRORS = 4.0
#: The runs on each side of a shift in which the canary's move is read: later ones are others.
_CANARY_RUNS = 5


def common_shifts(levels: RunLevels, gate: float, cases: Sequence[Series]) -> list[CommonShift]:
    """Return the shifts of most cases whose size is at least `gate`, a share, in order.

    Places where many `cases` changed at once are tried first: single cases show them more exactly,
    and they were not chosen by what all have in common, so that a p is multiplied by their number
    alone.
    """
    enough = np.isfinite(levels.over_canary).sum(0) >= _LEAST_CASES
    if enough.sum() < 2 * LEAST_RUNS:
        return []
    common = np.where(enough, median_polish(levels.over_canary), np.nan)
    (series,) = fit_segments(common[None], 0.0, loud=cases[0].loud)
    described = 1 + np.flatnonzero(np.diff(levels.description))
    changes = [[change.after for change in case.changes(gate)] for case in cases]
    crowded = {_placed(place, described): share for place, share in _crowded(levels, changes)}
    places: list[int] = []
    for place, share in crowded.items():
        sides = _beside(place, places, series)
        if _is_shown(levels, sides, gate, share, tries=len(crowded)):
            places.append(place)
    steps = [_placed(part.first, described) for part in series.segments[1:]]
    places += [
        place for place in steps if all(abs(place - other) > LASTING_RUNS for other in places)
    ]
    shifts = (
        _shift(levels, _beside(place, places, series), gate, many=place in crowded)
        for place in sorted(places)
    )
    return [shift for shift in shifts if shift]


def _beside(place: int, places: Iterable[int], series: Series) -> tuple[Segment, Segment]:
    """Return the segments of a series between a place and its neighbours among `places`."""
    before = max((other for other in places if other < place), default=0)
    after = min((other for other in places if other > place), default=len(series.levels))
    return series.segment(before, place), series.segment(place, after)


def _is_shown(
    levels: RunLevels, sides: tuple[Segment, Segment], gate: float, share: float, tries: int
) -> bool:
    """True if a crowded place is that of a shift: by the many that changed, or by the canary."""
    if min(side.runs for side in sides) < LEAST_RUNS:
        return False
    _, by_chance = step_between(*sides)
    if share >= _LARGE_SHARE and by_chance * tries <= _CROWDED_CHANCE:
        return True
    _, moves = _canary(levels, sides[0].places, sides[1].places, gate)
    return len(moves) > 0


def _placed(place: int, described: NDArray[np.int_]) -> int:
    """Return where the machine's description changed a run early or late, or else the place."""
    near = described[np.abs(described - place) <= 1].tolist()
    return place if place in near or not near else int(near[0])


def _shift(
    levels: RunLevels, parts: tuple[Segment, Segment], gate: float, *, many: bool
) -> CommonShift | None:
    """Return the median case's shift between two segments of runs, None for no common one.

    More than half of the cases in the last runs before the shift must have moved by `gate` or more
    in its direction. With `many`, fewer are enough if the canary explains most of their moves.
    """
    sides = parts[0].places, parts[1].places
    changes = change_of_medians(levels.over_canary, *sides)
    measured = np.isfinite(changes)
    count = int(measured.sum())
    if count < _LEAST_CASES:
        return None
    value, margin = float(np.median(changes[measured])), math.log1p(gate)
    last, _ = _near(*sides)
    lasting = np.isfinite(levels.over_canary[:, last]).any(-1)
    moved, are_most = _moved(changes, value, margin, int(lasting.sum()))
    canary, moves = _canary(levels, *sides, gate)
    seconds = change_of_medians(levels.log_seconds, *sides)
    of_all = np.median(seconds[measured])
    left = beyond_canary(of_all if are_most else seconds[moved], moves)
    by_machine = bool(moved.any() and np.median(left) < margin)
    if not (are_most or (many and by_machine)):
        return None
    cause = Cause.MACHINE if by_machine else Cause.SHARED if len(canary) else Cause.UNKNOWN
    told = moves if len(moves) else canary
    return CommonShift(
        value,
        share=float(moved.sum() / count),
        cases=count,
        before=sides[0].stop - 1,
        after=sides[1].start,
        sides=sides,
        cause=cause,
        canary=float(told[np.abs(told).argmax()]) if len(told) else math.nan,
        on_gpu=_mostly_on_gpu([*compress(levels.cases, moved)]),
    )


def _moved(
    changes: Samples, value: float, margin: float, cases: int
) -> tuple[NDArray[np.bool_], bool]:
    """Return which cases moved by `margin` or more, and whether most of so many moved as `value`.

    If so, they are those that moved in its direction; else those that moved either way.
    """
    either_way = np.abs(changes) >= margin
    as_most = either_way & (np.sign(changes) == np.sign(value))
    are_most = bool(as_most.sum() > HALF * cases)
    return as_most if are_most else either_way, are_most


def _mostly_on_gpu(cases: Sequence[Case]) -> bool:
    on_gpu = sum(case.setting.device.startswith(GPU) for case in cases)
    return on_gpu > HALF * len(cases)


def change_of_medians(table: Samples, before: slice, after: slice) -> Samples:
    """Return the change of each row's median between two slices of runs."""
    earlier, later = (trimmed_mean(table[:, side], HALF) for side in (before, after))
    return np.asarray(later - earlier)


def _near(before: slice, after: slice) -> tuple[slice, slice]:
    """Return the last runs before a shift and the first after it."""
    first, end = before.stop - _CANARY_RUNS, after.start + _CANARY_RUNS
    return slice(max(first, before.start), before.stop), slice(after.start, min(end, after.stop))


def _canary(levels: RunLevels, before: slice, after: slice, gate: float) -> tuple[Samples, Samples]:
    """Return the changes of the beats that were timed, and those of `gate` beyond their noise."""
    before, after = _near(before, after)
    changes = change_of_medians(levels.log_canary, before, after)
    beats, changes = levels.log_canary[np.isfinite(changes)], changes[np.isfinite(changes)]
    known = np.isfinite(beats)
    spreads = np.array([sd_between(beat[own]) for beat, own in zip(beats, known, strict=True)])
    errors = spreads * np.sqrt(1 / known[:, before].sum(-1) + 1 / known[:, after].sum(-1))
    least = np.maximum(math.log1p(gate), _CANARY_ERRORS * errors)
    return changes, changes[np.abs(changes) >= least]


def _crowded(levels: RunLevels, changes: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Return the runs at which many cases change their level, with their share; the most first.

    `changes` are the runs at which each case does, and may be a run early or late.
    """
    cases = np.isfinite(levels.log_seconds).sum(0)
    exact, near = np.zeros(len(cases)), np.zeros(len(cases))
    for places in changes:
        exact[list(places)] += 1
        around = {run for place in places for run in range(place - 1, place + 2)}
        near[list(around - {len(cases)})] += 1
    bar = np.where(
        cases >= _LEAST_CASES, np.maximum(_CROWDED_SHARE * cases, _CROWDED_CASES), np.inf
    )
    crowded = []
    while (near >= bar).any():
        run = int(np.where(near >= bar, near + exact / len(cases), 0.0).argmax())
        crowded.append((run, float(near[run] / cases[run])))
        near[max(run - LEAST_RUNS, 0) : run + LEAST_RUNS + 1] = 0
    return crowded


def standing_slow_down(shifts: Sequence[CommonShift], gate: float) -> CommonShift | None:
    """Return the largest step by which most cases are slower now than they were at best, or None.

    Shifts of the machine are no part of it.
    """
    level = best = 0.0
    largest: CommonShift | None = None
    for shift in shifts:
        level += shift.value if shift.fails else 0.0
        if level <= best:
            best, largest = level, None
        elif shift.fails and (largest is None or shift.value > largest.value):
            largest = shift
    return largest if level - best >= math.log1p(gate) else None
