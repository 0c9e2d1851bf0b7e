"""What the cases of a machine did together over many runs, which is the machine and not the code.

Ratios between rivals cannot see what slows all of them, such as another backend. Seconds over the
canary's can. More than half of all cases that went the same way at once are the machine.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.results import Samples
from timelift.case import Case
from timelift.history.levels import RunLevels, median_polish
from timelift.history.segments import LASTING_RUNS, LEAST_RUNS, Segment, fit_segments
from timelift.history.states import MachineShift

#: Of fewer cases more than half are two or three, and that may well be the code.
LEAST_CASES = 4
#: The chance of a false shift at a place where many cases changed.
_LIKELY = 0.01
#: The share of the cases that must change at a place for it to be named, and the least number.
_NAMED, _LEAST_NAMING = 0.1, 3
#: The changes of a case, each as the runs before and after it.
Places = Sequence[tuple[int, int]]


def common_shifts(levels: RunLevels, gate: float, changes: Sequence[Places]) -> list[MachineShift]:
    """Return the shifts of a machine whose size is at least `gate`, a share, in order.

    Where many cases changed at once, by `changes`, the machine is looked at more closely.
    """
    over_canary = levels.over_canary
    places = np.flatnonzero(np.isfinite(over_canary).sum(0) >= LEAST_CASES)
    if len(places) < 2 * LEAST_RUNS:
        return []
    named = [after for after, _ in _crowded(levels, changes, _NAMED)]
    bounds = _bounds(
        median_polish(over_canary)[places], [int(np.searchsorted(places, one)) for one in named]
    )
    found = []
    ends = [*places, len(levels.log_canary)]
    for (first, middle), (_, end) in pairwise(pairwise(bounds)):
        earlier = slice(int(places[first]), int(places[middle - 1]) + 1)
        later = slice(int(places[middle]), int(ends[end]))
        shift = _shift(levels, (earlier, later), gate)
        found += [shift] if shift else []
    return found


def _bounds(everything: Samples, named: Sequence[int]) -> list[int]:
    """Return where the level of all cases together changed, at the `named` places where possible.

    Those are more exact, as changes of single cases found them. They were not chosen for what all
    cases did there together, so a p at one of them is not multiplied by the places tried.
    """
    (fitted,) = fit_segments([everything])
    bounds = [0, len(everything)]
    for place in named:
        first = max((one for one in bounds if one <= place), default=0)
        end = min((one for one in bounds if one > place), default=place)
        if min(place - first, end - place) >= LEAST_RUNS:
            parts = (
                Segment(*ends, float(everything[slice(*ends)].mean()))
                for ends in ((first, place), (place, end))
            )
            certain = fitted.noise.chance(*parts) * len(named) <= _LIKELY
            bounds = sorted([*bounds, place]) if certain else bounds
    far = [
        one.end
        for one in fitted.segments[:-1]
        if all(abs(one.end - other) > LASTING_RUNS for other in bounds[1:-1])
    ]
    return sorted([*bounds, *far])


def _shift(levels: RunLevels, sides: tuple[slice, slice], gate: float) -> MachineShift | None:
    """Return what the median case did, if more than half went that way and that far."""
    before, after = (trimmed_mean(levels.over_canary[:, one], HALF) for one in sides)
    known = np.isfinite(after - before)
    if known.sum() < LEAST_CASES:
        return None
    shift = float(np.median((after - before)[known]))
    moved = (after - before) * np.sign(shift) >= math.log1p(gate)
    share = float(moved[known].mean())
    cases = [case for case, one in zip(levels.cases, known, strict=True) if one]
    if share <= HALF or not _several_strategies(cases, moved[known]):
        return None
    return MachineShift(shift, share, len(cases), before=sides[0].stop - 1, after=sides[1].start)


def _several_strategies(cases: Sequence[Case], moved: Sequence[bool] | NDArray[np.bool_]) -> bool:
    """True if no single strategy moved alone: one of two is half of all cases, and is the code."""
    by_strategy: dict[str, list[bool]] = defaultdict(list)
    for case, one in zip(cases, moved, strict=True):
        by_strategy[case.strategy].append(bool(one))
    many = sum(bool(np.mean(one) >= HALF) for one in by_strategy.values())
    return many > 1 or len(by_strategy) == 1


def changed_apart(levels: RunLevels, changes: Sequence[Places]) -> list[MachineShift]:
    found, around = [], _measured_around(levels)
    for after, share in _crowded(levels, changes, HALF):
        here = around[:, after]
        cases = [case for case, one in zip(levels.cases, here, strict=True) if one]
        near = [any(abs(place - after) <= 1 for _, place in places) for places in changes]
        if _several_strategies(cases, np.array(near)[here]):
            found.append(MachineShift(0.0, share, len(cases), after - 1, after, apart=True))
    return found


def _measured_around(levels: RunLevels) -> NDArray[np.bool_]:
    """Return which cases were measured before each run and from it on, as (cases, runs)."""
    known = np.isfinite(levels.log_seconds)
    before = np.zeros_like(known)
    before[:, 1:] = np.logical_or.accumulate(known, 1)[:, :-1]
    return before & np.logical_or.accumulate(known[:, ::-1], 1)[:, ::-1]


def _crowded(levels: RunLevels, changes: Sequence[Places], least: float) -> list[tuple[int, float]]:
    """Return the runs before which a share of `least` of the cases there changed, fullest first."""
    runs, cases = len(levels.log_canary), _measured_around(levels).sum(0)
    exact, near = np.zeros(runs), np.zeros(runs)
    for places in changes:
        exact[[after for _, after in places]] += 1
        around = {run for _, after in places for run in range(after - 1, after + 2)}
        near[list(around - {runs})] += 1
    bar = np.where(cases >= LEAST_CASES, np.maximum(least * cases, _LEAST_NAMING), np.inf)
    found = []
    while (near >= bar).any():
        place = int(np.where(near >= bar, near + exact / runs, 0.0).argmax())
        found.append((place, min(1.0, float(near[place] / cases[place]))))
        near[max(place - LEAST_RUNS, 0) : place + LEAST_RUNS + 1] = 0
    return found
