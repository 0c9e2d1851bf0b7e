"""Where series change: one case beside its rivals, and all cases of a machine at once.

Segments are stretches of runs with one level. PELT (Killick, Fearnhead and Eckley 2012, JASA
107(500), 1590-1598; `ruptures` by Truong, Oudre and Vayatis) proposes changes between them, and a t
test over runs drops those that are not certain, the least certain one first. The place of a change
was *chosen* because it looks like one there, so its p is multiplied by the number of places that
were possible, and by the number of series that are read.

Ratios between rivals do not show what slows all of them, such as another backend; seconds over the
canary's do. Where more than half of all cases went the same way at once, the machine changed.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, mean_and_variance, trimmed_mean
from timelift.analyse.estimates import RESOLUTION, Spread, shrink_variances, t_quantile, t_tail
from timelift.analyse.results import Samples
from timelift.case import Case
from timelift.history import Change, CommonShift
from timelift.history.levels import RunLevels, median_polish

#: The fewest runs of a segment, so that a lone spike, or two, is never a change.
LEAST_RUNS = 3
#: The fewest runs of a level that lasted: a week of nights.
LASTING_RUNS = 7
#: The chance of a false change in any series of a history: it is looked at every night.
CHANCE = 0.01
#: The least sum of squares that a proposed change explains, in log(runs) times the variance.
_PENALTY = 3.0
#: A run further than this from its neighbours, in sd of the noise, is moved to this distance.
_FAR = 3.0
_WINDOW = 2 * LEAST_RUNS - 1
#: The median absolute deviation of a normal variable, as a share of its sd.
_MAD = 0.6745
_FAR_LAG = 6
_TAIL = 0.025
#: More than half of fewer cases is two or three, which may well have changed by the code.
_LEAST_CASES = 4
#: The chance of a false shift at a crowded place, where many cases changed.
_CROWDED_CHANCE = 0.01
#: The least share of the cases that makes a place crowded, and the least number of them.
_CROWDED_SHARE, _CROWDED_CASES = 0.1, 3


# Segments of a series ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Segment:
    """A stretch with one level: `mean` over so many `runs`, at positions `first` to `last`."""

    first: int
    last: int
    runs: int
    mean: float


@dataclass(frozen=True)
class Noise:
    """A variance of log ratios, such as that of one run, and its degrees of freedom."""

    variance: float
    df: float

    def standard_error(self, earlier: Segment, later: Segment) -> float:
        return math.sqrt(self.variance * (1 / earlier.runs + 1 / later.runs))

    def chance(self, earlier: Segment, later: Segment) -> float:
        """Return the two-sided p of such a difference between segments of one level."""
        if not (self.df > 0 and math.isfinite(self.variance)):
            return 1.0
        distance = np.asarray(abs(later.mean - earlier.mean) / self.standard_error(earlier, later))
        return 2 * float(t_tail(distance, np.asarray(self.df)))


@dataclass(frozen=True)
class FittedSeries:
    """The log ratios of a case in every run from the position `start` on, cut into segments.

    They are NaN where the case has none. A p is multiplied by `tries`, since places were chosen.
    """

    start: int
    log_ratios: Samples
    segments: tuple[Segment, ...]
    noise: Noise
    tries: int

    def differ(self, earlier: Segment, later: Segment) -> bool:
        """True if the levels of two segments differ beyond chance."""
        return self.noise.chance(earlier, later) * self.tries <= CHANCE

    def change(self, earlier: Segment, later: Segment) -> Change:
        shift = later.mean - earlier.mean
        half_width = float(t_quantile(_TAIL, max(self.noise.df, 1.0)))
        half_width *= self.noise.standard_error(earlier, later)
        ends = shift - half_width, shift + half_width
        return Change(shift, *ends, before=earlier.last, after=later.first)

    def changes(self, gate: float) -> Iterator[Change]:
        """Yield the changes from segment to segment of at least `gate`, a share."""
        for pair in pairwise(self.segments):
            change = self.change(*pair)
            if abs(change.value) >= math.log1p(gate):
                yield change


def fit_segments(rows: Sequence[Samples], start: int = 0) -> list[FittedSeries]:
    """Cut every series into segments; runs in which it is NaN do not count.

    `start` is the position of the first run. The noise of each series is moderated over all.
    """
    places = [np.flatnonzero(np.isfinite(row)) for row in rows]
    measured = [row[place] for row, place in zip(rows, places, strict=True)]
    sds = [sd_of_differences(values) for values in measured]
    inflation = variance_inflation(measured)
    clean = [_without_outliers(values, sd) for values, sd in zip(measured, sds, strict=True)]
    proposals = [_pelt(values, sd * inflation**0.5) for values, sd in zip(clean, sds, strict=True)]
    noises = _noises(clean, proposals, inflation)
    tested = max(sum(len(values) >= 2 * LEAST_RUNS for values in clean), 1)
    fitted = []
    for row, place, values, ends, noise in zip(rows, places, clean, proposals, noises, strict=True):
        tries = tested * max(len(values) - 2 * LEAST_RUNS + 1, 1)
        segments = _certain_segments(values, place + start, ends, noise, tries)
        fitted.append(FittedSeries(start, row, segments, noise, tries))
    return fitted


def sd_of_differences(values: Samples, lag: int = 1) -> float:
    """Return the sd of a run's noise, from differences of runs that are `lag` apart."""
    steps = values[lag:] - values[:-lag]
    return max(sd_of_steps(steps), RESOLUTION) if len(steps) else RESOLUTION


def sd_of_steps(steps: Samples) -> float:
    """Return the sd of a run's noise; a step from one run to another has the noise of both.

    The median step is read, since real changes are rare and do not move it.
    """
    return float(np.median(np.abs(steps))) / _MAD / math.sqrt(2)


def variance_inflation(rows: Sequence[Samples]) -> float:
    """Return the variance of a mean over runs, as a multiple of that of independent runs.

    With a correlation r of neighbours the mean of many runs varies (1 + r) / (1 - r) times as much.
    In the median series neighbours differ by a variance 1 - r times that of runs far apart.
    """
    long = [row for row in rows if len(row) >= 2 * LEAST_RUNS]
    if not long:
        return 1.0
    shares = [
        (sd_of_differences(row) / sd_of_differences(row, min(_FAR_LAG, len(row) // 2))) ** 2
        for row in long
    ]
    doubt = 2 / math.sqrt(sum(map(len, long)))
    correlation = min(max(0.0, 1 - float(np.median(shares)) - doubt), 0.9)
    return (1 + correlation) / (1 - correlation)


def _without_outliers(values: Samples, sd: float) -> Samples:
    """Clip values that lie far from the median of five neighbours.

    That median keeps a step of three runs where it is, and ignores a spike of two. A value
    more than twice as far shows nothing of the level, and is replaced by the median.
    """
    if len(values) < _WINDOW:
        return values
    windows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW)
    middle = np.pad(np.median(windows, axis=-1), _WINDOW // 2, mode="edge")
    off, far = values - middle, _FAR * sd
    return np.asarray(middle + np.where(np.abs(off) > 2 * far, 0.0, np.clip(off, -far, far)))


def _pelt(values: Samples, sd: float) -> list[int]:
    count = len(values)
    if count < 2 * LEAST_RUNS:
        return [count]
    from ruptures import KernelCPD  # noqa: PLC0415 - scipy comes with it

    # A linear kernel is the l2 cost, and this is PELT in C: a thousandth of the time of `Pelt`.
    search = KernelCPD(kernel="linear", min_size=LEAST_RUNS, jump=1)
    scaled = ((values - values.mean()) / sd)[:, None]
    return [int(end) for end in search.fit_predict(scaled, pen=_PENALTY * math.log(count))]


def _noises(
    clean: Sequence[Samples], proposals: Sequence[Sequence[int]], inflation: float
) -> list[Noise]:
    """Return each series' variance around its proposed levels, moderated over all series."""
    fits = list(zip(clean, proposals, strict=True))
    squares = np.array([_squares(values, ends) for values, ends in fits])
    # Every change costs a level and a place.
    df = np.array([max(len(values) - 2 * len(ends) + 1, 0) for values, ends in fits], float)
    ones = np.ones(len(df))
    with np.errstate(invalid="ignore", divide="ignore"):
        moderated = shrink_variances(Spread(squares / df, df, ones * np.nan, ones))
    rows = np.column_stack(moderated).tolist()
    return [Noise(variance * inflation, degrees) for variance, degrees in rows]


def _squares(values: Samples, ends: Sequence[int]) -> float:
    parts = (values[first:end] for first, end in pairwise([0, *ends]))
    return float(sum(((part - part.mean()) ** 2).sum() for part in parts if len(part)))


def _certain_segments(
    values: Samples, places: NDArray[np.int_], ends: Sequence[int], noise: Noise, tries: int
) -> tuple[Segment, ...]:
    """Drop the least certain change until every one that is left is certain.

    Segments are proposed up to each of `ends`; `places` are the positions of the values.
    """
    if not len(values):
        return (Segment(0, -1, 0, math.nan),)
    bounds = [0, *ends]
    while True:
        segments = tuple(_segment(values, places, *pair) for pair in pairwise(bounds))
        chances = np.array([noise.chance(*pair) for pair in pairwise(segments)])
        chances *= _excursions(segments)
        if not len(chances) or chances.max() * tries <= CHANCE:
            return segments
        del bounds[1 + int(np.argmax(chances))]


def _segment(values: Samples, places: NDArray[np.int_], first: int, end: int) -> Segment:
    mean = float(mean_and_variance(values[first:end])[0])
    return Segment(int(places[first]), int(places[end - 1]), end - first, mean)


def _excursions(segments: Sequence[Segment]) -> Samples:
    """Return the factor of each change's p that pays for excursions, 1 elsewhere.

    An excursion is a segment above both neighbours, or below both: its end was chosen, too, so both
    of its changes have the factor.
    """
    factors = np.ones(len(segments) - 1)
    steps = [later.mean - earlier.mean for earlier, later in pairwise(segments)]
    for place, (step, following) in enumerate(pairwise(steps)):
        if step * following < 0:
            factors[place : place + 2] = sum(segment.runs for segment in segments) / 2
    return factors


# Shifts of a machine -----------------------------------------------------------------------------

#: The changes of each case: the positions of the runs from which on its level is another.
ChangePlaces = Sequence[Sequence[int]]


def common_shifts(levels: RunLevels, gate: float, changes: ChangePlaces) -> list[CommonShift]:
    """Return the shifts of a machine whose size is at least `gate`, a share, in order.

    The places where many cases changed at once, by `changes`, are tried first.
    """
    over_canary = levels.over_canary
    runs = np.flatnonzero(np.isfinite(over_canary).sum(0) >= _LEAST_CASES)
    if len(runs) < 2 * LEAST_RUNS:
        return []
    crowded = [run for run, _ in _crowded(levels, changes, _CROWDED_SHARE)]
    bounds = _machine_bounds(
        median_polish(over_canary)[runs], [int(np.searchsorted(runs, run)) for run in crowded]
    )
    shifts = []
    ends = [*runs, len(levels.log_canary)]
    for (first, middle), (_, end) in pairwise(pairwise(bounds)):
        earlier = slice(int(runs[first]), int(runs[middle - 1]) + 1)
        later = slice(int(runs[middle]), int(ends[end]))
        shift = _common_shift(levels, (earlier, later), gate)
        shifts += [shift] if shift else []
    return shifts


def _machine_bounds(machine: Samples, crowded: Sequence[int]) -> list[int]:
    """Return the bounds of the levels of the whole `machine`, a series over runs.

    Bounds at `crowded` places come first: changes of single cases show them more exactly. These
    places were not chosen by the machine's series, so a p is multiplied by their number alone.
    """
    (fitted,) = fit_segments([machine])
    bounds, positions = [0, len(machine)], np.arange(len(machine))
    for place in crowded:
        first = max(bound for bound in bounds if bound <= place)
        end = min((bound for bound in bounds if bound > place), default=place)
        if min(place - first, end - place) >= LEAST_RUNS:
            sides = ((first, place), (place, end))
            earlier, later = (_segment(machine, positions, *side) for side in sides)
            if fitted.noise.chance(earlier, later) * len(crowded) <= _CROWDED_CHANCE:
                bounds = sorted([*bounds, place])
    far = [
        segment.first
        for segment in fitted.segments[1:]
        if all(abs(segment.first - bound) > LASTING_RUNS for bound in bounds[1:-1])
    ]
    return sorted([*bounds, *far])


def _common_shift(levels: RunLevels, sides: tuple[slice, slice], gate: float) -> CommonShift | None:
    """Return the median case's shift between two slices of runs, None for no common one.

    More than half of the cases, of several strategies, must have moved that way by `gate` or more.
    """
    before, after = (trimmed_mean(levels.over_canary[:, side], HALF) for side in sides)
    changes = after - before
    measured = np.isfinite(changes)
    count = int(measured.sum())
    if count < _LEAST_CASES:
        return None
    shift = float(np.median(changes[measured]))
    moved = changes * np.sign(shift) >= math.log1p(gate)
    share = float(moved[measured].mean())
    if share <= HALF or not _several_strategies(levels.cases, measured, moved):
        return None
    runs = sides[0].stop - 1, sides[1].start
    return CommonShift(shift, share=share, cases=count, before=runs[0], after=runs[1])


def _several_strategies(
    cases: Sequence[Case], measured: NDArray[np.bool_], moved: NDArray[np.bool_]
) -> bool:
    """True if half of the cases or more moved in at least two strategies, or in the only one.

    One strategy that moves alone is a change of code, though it may be half of all cases.
    """
    strategies = np.array([case.strategy for case in cases])[measured]
    shares = [moved[measured][strategies == name].mean() for name in np.unique(strategies)]
    return sum(share >= HALF for share in shares) > 1 or len(shares) == 1


def changed_apart(levels: RunLevels, changes: ChangePlaces) -> list[CommonShift]:
    """Return the shifts at which half of the cases or more changed against each other."""
    shifts, around = [], _measured_around(levels)
    for run, share in _crowded(levels, changes, HALF):
        measured = around[:, run]
        near = np.array([any(abs(place - run) <= 1 for place in places) for places in changes])
        if _several_strategies(levels.cases, measured, near):
            many = int(measured.sum())
            shift = CommonShift(math.nan, share=share, cases=many, before=run - 1, after=run)
            shifts.append(shift)
    return shifts


def _measured_around(levels: RunLevels) -> NDArray[np.bool_]:
    """True where a case was measured both before a run and from it on, as (cases, runs)."""
    measured = np.isfinite(levels.log_seconds)
    before = np.zeros_like(measured)
    before[:, 1:] = np.logical_or.accumulate(measured, 1)[:, :-1]
    return before & np.logical_or.accumulate(measured[:, ::-1], 1)[:, ::-1]


def _crowded(levels: RunLevels, changes: ChangePlaces, least: float) -> list[tuple[int, float]]:
    """Return crowded runs with their shares, the largest first.

    A run is crowded if at least the share `least` of the cases that were measured before and after
    it change their level there, give or take a run.
    """
    runs, cases = len(levels.log_canary), _measured_around(levels).sum(0)
    exact, near = np.zeros(runs), np.zeros(runs)
    for places in changes:
        exact[list(places)] += 1
        around = {run for place in places for run in range(place - 1, place + 2)}
        near[list(around - {runs})] += 1
    bar = np.where(cases >= _LEAST_CASES, np.maximum(least * cases, _CROWDED_CASES), np.inf)
    crowded = []
    while (near >= bar).any():
        run = int(np.where(near >= bar, near + exact / runs, 0.0).argmax())
        crowded.append((run, min(1.0, float(near[run] / cases[run]))))
        near[max(run - LEAST_RUNS, 0) : run + LEAST_RUNS + 1] = 0
    return crowded
