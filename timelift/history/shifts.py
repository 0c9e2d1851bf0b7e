"""Where most cases of a machine changed at once, and whether it was the machine.

Ratios between rivals do not show what slows all of them, such as another backend; seconds over the
canary's do. The machine is blamed where the canary moved, or its own description; else what moved
the cases is what they share.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.results import Samples
from timelift.case import GPU, Case
from timelift.history import Cause, CommonShift
from timelift.history.levels import RunLevels, median_polish
from timelift.history.noise import ASSUMED_COMMON, LEAST_RUNS, sd_of_steps, steps_of
from timelift.history.segments import LASTING_RUNS, fit_segments

#: The positions of the runs from which on the level of each case is another.
ChangePlaces = Sequence[Sequence[int]]
#: More than half of fewer cases is two or three, which may well have changed by the code.
_LEAST_CASES = 4
#: The chance of a false shift at a crowded place, where many cases changed.
_CROWDED_CHANCE = 0.01
#: The least share of the cases that makes a place crowded, and the least number of them.
_CROWDED_SHARE, _CROWDED_CASES = 0.1, 3
#: Standard errors by which the canary moved, at least.
_CANARY_ERRORS = 4.0


def common_shifts(
    levels: RunLevels, gate: float, changes: ChangePlaces, known: Sequence[CommonShift] = ()
) -> list[CommonShift]:
    """Return the shifts of most cases whose size is at least `gate`, a share, in order.

    The places where many cases changed at once, by `changes`, are tried first. Shifts that are
    `known` are kept.
    """
    runs = np.flatnonzero(np.isfinite(levels.over_canary).sum(0) >= _LEAST_CASES)
    if len(runs) < 2 * LEAST_RUNS:
        return []
    crowded = _crowded(levels, changes)
    bounds = _bounds(levels, runs, crowded, [shift.after for shift in known], gate)
    by_place = {shift.after: shift for shift in known}
    for sides in _sides(runs, bounds):
        place = sides[1].start
        if place not in by_place:
            many = place in crowded
            if shift := _shift(levels, sides, gate, many=many):
                by_place[place] = shift
    return [by_place[place] for place in sorted(by_place)]


def _sides(runs: NDArray[np.int_], bounds: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """Yield the runs before and after each of the inner `bounds`, which are places among `runs`."""
    for first, place, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        before, after = runs[first:place], runs[place:end]
        yield slice(int(before[0]), int(before[-1]) + 1), slice(int(after[0]), int(after[-1]) + 1)


def _bounds(
    levels: RunLevels,
    runs: NDArray[np.int_],
    crowded: Sequence[int],
    known: Sequence[int],
    gate: float,
) -> list[int]:
    """Return the bounds, places among `runs`, of the levels that the cases have in common.

    Bounds at `crowded` places come first: changes of single cases show them more exactly. These
    places were not chosen by the common series, so a p is multiplied by their number alone.
    """
    common = median_polish(levels.over_canary)[runs]
    (fitted,) = fit_segments(common[None], 0.0, assumed=ASSUMED_COMMON)
    bounds = sorted({0, len(runs), *np.searchsorted(runs, known).tolist()})
    for place in np.searchsorted(runs, crowded).tolist():
        first = max(bound for bound in bounds if bound <= place)
        end = min((bound for bound in bounds if bound > place), default=place)
        if min(place - first, end - place) >= LEAST_RUNS:
            (sides,) = _sides(runs, (first, place, end))
            by_chance = fitted.chance_at(first, place, end) * len(crowded)
            if by_chance <= _CROWDED_CHANCE or _machine_moved(levels, *sides, gate):
                bounds = sorted([*bounds, place])
    far = [
        segment.first
        for segment in fitted.segments[1:]
        if all(abs(segment.first - bound) > LASTING_RUNS for bound in bounds[1:-1])
    ]
    return sorted([*bounds, *far])


def _shift(
    levels: RunLevels, sides: tuple[slice, slice], gate: float, *, many: bool
) -> CommonShift | None:
    """Return the median case's shift between two slices of runs, None for no common one.

    More than half of the cases, of several strategies, must have moved that way by `gate` or more;
    `many` cases are enough where the machine moved.
    """
    changes = change_of_medians(levels.over_canary, *sides)
    measured = np.isfinite(changes)
    count = int(measured.sum())
    if count < _LEAST_CASES:
        return None
    value = float(np.median(changes[measured]))
    moved = measured & (changes * np.sign(value) >= math.log1p(gate))
    share = float(moved[measured].mean())
    most = share > HALF and _several_strategies(levels.cases, measured, moved)
    by_machine = _machine_moved(levels, *sides, gate)
    if not most and not (many and by_machine):
        return None
    known = np.isfinite(levels.log_canary[0])
    has_canary = known[sides[0]].any() and known[sides[1]].any()
    cause = Cause.MACHINE if by_machine else Cause.SHARED if has_canary else Cause.UNKNOWN
    canary = change_of_medians(levels.log_canary, *sides)
    on_gpu = [levels.cases[row].setting.device.startswith(GPU) for row in np.flatnonzero(moved)]
    return CommonShift(
        value,
        share=share,
        cases=count,
        before=sides[0].stop - 1,
        after=sides[1].start,
        cause=cause,
        canary=float(canary[np.nanargmax(np.abs(canary))]) if has_canary else math.nan,
        on_gpu=bool(on_gpu) and float(np.mean(on_gpu)) > HALF,
    )


def change_of_medians(table: Samples, before: slice, after: slice) -> Samples:
    """Return the change of each row's median between two slices of runs."""
    earlier, later = (trimmed_mean(table[:, side], HALF) for side in (before, after))
    return np.asarray(later - earlier)


def _machine_moved(levels: RunLevels, before: slice, after: slice, gate: float) -> bool:
    """True if a beat of the canary moved by `gate` and beyond its noise, or the description did."""
    old, new = levels.description[before.stop - 1], levels.description[after.start]
    return old != new or any(
        abs(change) >= max(math.log1p(gate), _CANARY_ERRORS * _canary_error(beat, before, after))
        for beat, change in zip(
            levels.log_canary, change_of_medians(levels.log_canary, before, after), strict=True
        )
        if math.isfinite(change)
    )


def _canary_error(beat: Samples, before: slice, after: slice) -> float:
    known = np.isfinite(beat)
    sd = sd_of_steps(steps_of(beat[known]))
    return float(sd * math.sqrt(1 / known[before].sum() + 1 / known[after].sum()))


def _several_strategies(
    cases: Sequence[Case], measured: NDArray[np.bool_], moved: NDArray[np.bool_]
) -> bool:
    """True if half of the cases or more moved in at least two strategies, or in the only one.

    One strategy that moves alone is a change of code, though it may be half of all cases.
    """
    strategies = np.array([case.strategy for case in cases])[measured]
    shares = [moved[measured][strategies == name].mean() for name in np.unique(strategies)]
    return sum(share >= HALF for share in shares) > 1 or len(shares) == 1


def _crowded(levels: RunLevels, changes: ChangePlaces) -> list[int]:
    """Return the runs at which many cases change their level, the most crowded first.

    Such a change may be a run early or late. The cases are those measured before and after it.
    """
    runs, cases = levels.log_seconds.shape[1], _measured_around(levels).sum(0)
    exact, near = np.zeros(runs), np.zeros(runs)
    for places in changes:
        exact[list(places)] += 1
        around = {run for place in places for run in range(place - 1, place + 2)}
        near[list(around - {runs})] += 1
    least = np.maximum(_CROWDED_SHARE * cases, _CROWDED_CASES)
    bar = np.where(cases >= _LEAST_CASES, least, np.inf)
    crowded = []
    while (near >= bar).any():
        run = int(np.where(near >= bar, near + exact / runs, 0.0).argmax())
        crowded.append(run)
        near[max(run - LEAST_RUNS, 0) : run + LEAST_RUNS + 1] = 0
    return crowded


def _measured_around(levels: RunLevels) -> NDArray[np.bool_]:
    """True where a case was measured both before a run and from it on, as (cases, runs)."""
    measured = np.isfinite(levels.log_seconds)
    before = np.zeros_like(measured)
    before[:, 1:] = np.logical_or.accumulate(measured, 1)[:, :-1]
    return before & np.logical_or.accumulate(measured[:, ::-1], 1)[:, ::-1]


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
