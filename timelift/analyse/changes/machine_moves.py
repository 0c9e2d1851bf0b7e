"""What moved together: all cases, which is the machine, or all rivals of a setting.

Ratios between rivals cannot see what slows all of them, such as another inner layer or another
backend. Seconds can, but they also move with the machine. Over many runs half of all cases or more
that went the same way at once are the machine, not the code. Between two runs the canary's own
change is taken off the rivals of each setting, and the gate is wide.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.changes.levels import RunLevels, shared
from timelift.analyse.changes.segments import LASTING_RUNS, LEAST_RUNS, Segment, fit
from timelift.analyse.changes.shift import measured
from timelift.analyse.changes.states import MachineMove
from timelift.analyse.runs.measurement import LaunchSamples, Measurement, Run, Samples
from timelift.analyse.stats.robust_mean import HALF, trimmed_mean
from timelift.case import Case, Setting

#: Of fewer cases half is one or two, and that may well be the code.
LEAST_CASES = 4
#: The chance of a move at a place that cases named, where there is none.
_LIKELY = 0.01
#: A place is named by this share of the cases, and by so many.
_NAMED, _LEAST_NAMING = 0.1, 3
#: The changes of a case, each as the runs before and after it.
Places = Sequence[tuple[int, int]]
#: A shared machine's times moved by up to 12 % between launches without any cause of ours.
SETTING_GATE = float(np.log(1.2))


def moves(levels: RunLevels, gate: float, changes: Sequence[Places]) -> list[MachineMove]:
    """Return the moves of a machine whose size is at least `gate`, a share, in order.

    Where many cases changed at once, by `changes`, the machine is looked at more closely.
    """
    beside = levels.against_canary
    places = np.flatnonzero(np.isfinite(beside).sum(0) >= LEAST_CASES)
    if len(places) < 2 * LEAST_RUNS:
        return []
    named = [after for after, _ in crowded(changes, len(levels.log_canary), _NAMED)]
    bounds = _bounds(shared(beside)[places], [int(np.searchsorted(places, one)) for one in named])
    found = []
    ends = [*places, len(levels.log_canary)]
    for (first, middle), (_, end) in pairwise(pairwise(bounds)):
        earlier = slice(int(places[first]), int(places[middle - 1]) + 1)
        later = slice(int(places[middle]), int(ends[end]))
        move = _move(levels, (earlier, later), gate)
        found += [move] if move else []
    return found


def _bounds(everything: Samples, named: Sequence[int]) -> list[int]:
    """Return where the level of all cases together changed, at places that cases name if it can.

    The cases know the place better, and since nobody chose it for what all did there together, its
    p need not pay for a choice.
    """
    (fitted,) = fit([everything])
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


def _move(levels: RunLevels, sides: tuple[slice, slice], gate: float) -> MachineMove | None:
    """Judge a shift of what the median case does: did half of them go that way and that far."""
    before, after = (trimmed_mean(levels.against_canary[:, one], HALF) for one in sides)
    known = np.isfinite(after - before)
    if known.sum() < LEAST_CASES:
        return None
    shift = float(np.median((after - before)[known]))
    moved = (after - before) * np.sign(shift) >= math.log1p(gate)
    share = float(moved[known].mean())
    if share < HALF or not _several(levels.cases, moved):
        return None
    return MachineMove(sides[0].stop - 1, sides[1].start, shift, share, int(known.sum()))


def _several(cases: Sequence[Case], moved: Sequence[bool] | NDArray[np.bool_]) -> bool:
    """True if no single strategy moved alone: one of two is half of all cases, and is the code."""
    shares: dict[str, list[bool]] = defaultdict(list)
    for case, one in zip(cases, moved, strict=True):
        shares[case.strategy].append(bool(one))
    many = sum(bool(np.mean(one) >= HALF) for one in shares.values())
    return many > 1 or len(shares) == 1


def apart(cases: Sequence[Case], changes: Sequence[Places], runs: int) -> list[MachineMove]:
    """Return the places where at least half of all cases changed beside each other, too."""
    found = []
    for after, share in crowded(changes, runs, HALF):
        moved = [any(abs(place - after) <= 1 for _, place in one) for one in changes]
        if _several(cases, moved):
            found.append(MachineMove(after - 1, after, 0.0, share, len(changes), apart=True))
    return found


def crowded(changes: Sequence[Places], runs: int, least: float) -> list[tuple[int, float]]:
    """Return the runs before which a share of `least` of the cases changed, the fullest first."""
    if len(changes) < LEAST_CASES:
        return []
    exact, near = np.zeros(runs), np.zeros(runs)
    for one in changes:
        exact[[after for _, after in one]] += 1
        near[
            list({place for _, after in one for place in range(after - 1, after + 2)} - {runs})
        ] += 1
    found = []
    while runs and near.max() >= max(least * len(changes), _LEAST_NAMING):
        place = int((near + exact / runs).argmax())
        found.append((place, float(near[place] / len(changes))))
        near[max(place - LEAST_RUNS, 0) : place + LEAST_RUNS + 1] = 0
    return found


def together(old: Run, new: Run) -> dict[Setting, MachineMove]:
    """Return how the rivals of each setting moved, the median one, beside the canary.

    That is NaN where a run has no canary.
    """
    before, after = measured(old), measured(new)
    pairs: dict[Setting, list[tuple[Measurement, Measurement]]] = defaultdict(list)
    for case in before.keys() & after.keys():
        pairs[case.setting].append((before[case], after[case]))
    return {setting: _of_setting(pairs[setting]) for setting in sorted(pairs)}


def canary_change(old: Run, new: Run) -> float:
    """Return the canary's change over whole runs as a log ratio, NaN where a run has none."""
    return _canary(new.measurements) - _canary(old.measurements)


def _of_setting(pairs: Iterable[tuple[Measurement, Measurement]]) -> MachineMove:
    known = list(pairs)
    canary = _canary(new for _, new in known) - _canary(old for old, _ in known)
    moved = [_log_seconds(new) - _log_seconds(old) - canary for old, new in known]
    share = statistics.fmean(one > SETTING_GATE for one in moved)
    return MachineMove(0, 1, statistics.median(moved), share, len(known))


def _log_seconds(one: Measurement) -> float:
    played = [launch for launch in one.launches if np.isfinite(launch.seconds_per_call).any()]
    return statistics.fmean(map(_log_median, played))


def _log_median(launch: LaunchSamples) -> float:
    return float(np.log(np.nanmedian(launch.seconds_per_call)))


def _canary(measurements: Iterable[Measurement]) -> float:
    beats = [
        launch.facts.number("canary_seconds") for one in measurements for launch in one.launches
    ]
    known = [beat for beat in beats if beat is not None and beat > 0]
    return float(np.log(statistics.median(known))) if known else float("nan")
