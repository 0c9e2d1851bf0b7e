"""Where series change: segments of runs with one level.

Each series is cut where the squares around its levels are least, with a penalty for each cut
(Jackson and others 2005, IEEE Signal Processing Letters 12(2), 105-108), and a t test drops the
cuts that are not certain, the least certain one first. The place of a change was *chosen* as the
one that looks most like a change, so its p is multiplied by the number of possible places, and by
the number of series. A series begins anew at a known shift that can explain its step.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from timelift.analyse.estimates import ALPHA
from timelift.analyse.results import Samples
from timelift.analyse.variances import Spread, shrink_variances
from timelift.history import Change
from timelift.history.noise import (
    ASSUMED,
    ASSUMED_COMMON,
    LEAST_RUNS,
    Noise,
    added,
    loudness,
    running_median,
    session_noise,
    variance_inflation,
)

#: The fewest runs of a level that lasted: a week of nights.
LASTING_RUNS = 7
#: The chance of a false change in any series of a history: it is looked at every night.
CHANCE = 0.01
#: The same in the series of what all cases have in common, which would be one of them all.
_COMMON_CHANCE = 1e-4
#: The least sum of squares that a proposed change explains, in log(runs) times the variance.
_PENALTY = 3.0
#: A run further than this from its neighbours, in sd of the noise, is moved to this distance.
_FAR = 3.0
#: The degrees of freedom that the usual variance of a series is worth beside one segment's own.
_SIDE_PRIOR_DF = 20.0
#: The same for a series alone, in which no other shows that the runs of a segment are louder.
_ALONE_PRIOR_DF = 3.0


@dataclass(frozen=True)
class Segment:
    """A stretch with one level: `mean` over so many `runs`, at positions `first` to `last`.

    `noise` is that of the mean. `anew` is True if a shift of most cases just before the segment may
    explain the step to it: that step is no change of the case.
    """

    first: int
    last: int
    runs: int
    mean: float
    noise: Noise
    anew: bool = False

    @property
    def places(self) -> slice:
        return slice(self.first, self.last + 1)


def step_between(before: Segment, after: Segment) -> tuple[float, float]:
    """Return the step between segments and its two-sided p; both are 0 if `after` begins anew."""
    if after.anew:
        return 0.0, 0.0
    step = after.mean - before.mean
    return step, 2 * float(added(before.noise, after.noise).chance(abs(step)))


@dataclass(frozen=True)
class Series:
    """The level of a case in every run, NaN where it has none, cut into segments.

    `values` are the levels without outliers, and `weights` those of the runs in 1 / variance;
    `loud` is how many times their usual variance all series have in each run. `scale` is the
    variance around proposed levels, in units of the weights, with `df` degrees of freedom. A p is
    multiplied by `tries`, since places were chosen.
    """

    levels: Samples
    values: Samples
    weights: Samples
    loud: Samples
    scale: float
    df: float
    tries: int
    segments: tuple[Segment, ...] = ()

    def segment(self, first: int, end: int) -> Segment:
        """Return the segment of runs `first` to `end`; its variance is drawn to the series'."""
        weights, values = self.weights[first:end], self.values[first:end]
        places, total = first + np.flatnonzero(weights), weights.sum()
        if not len(places):
            unknown = Noise(np.array(np.nan), np.zeros(()))
            return Segment(first, first - 1, 0, math.nan, unknown)
        mean = float(weights @ values / total)
        prior, own_df = min(self.df, _SIDE_PRIOR_DF), len(places) - 1
        squares = prior * self.scale if prior else 0.0
        squares += float(weights @ (values - mean) ** 2)
        variance = squares / (prior + own_df) / total if prior + own_df else math.nan
        noise = Noise(np.array(variance), np.array(self.df + own_df))
        return Segment(int(places[0]), int(places[-1]), len(places), mean, noise)

    @property
    def measured(self) -> list[Segment]:
        """The segments that have runs; of no run at all, the first."""
        return [part for part in self.segments if part.runs] or list(self.segments[:1])

    @property
    def net_levels(self) -> Samples:
        """The means of the `measured` segments without the steps to those that begin anew."""
        means = np.array([part.mean for part in self.measured])
        steps = np.diff(means) * [not part.anew for part in self.measured[1:]]
        return np.asarray(np.cumsum([means[0], *steps]))

    def change(self, earlier: int, later: int) -> tuple[Change, float]:
        """Return the net change from one of the `measured` segments to a later one, and its p."""
        parts = self.measured[earlier : later + 1]
        shift = float(self.net_levels[later] - self.net_levels[earlier])
        noises, begun = [parts[0].noise, parts[-1].noise], 1
        for place, part in enumerate(parts[1:], 1):
            if part.anew:
                noises += [parts[place - 1].noise, part.noise]
            else:
                begun = place
        noise = added(*noises)
        half_width = float(noise.half_width(ALPHA / 2))
        runs = {"before": parts[begun - 1].last, "after": parts[begun].first}
        change = Change(shift, shift - half_width, shift + half_width, **runs)
        return change, 2 * float(noise.chance(abs(shift))) * self.tries

    def changes(self, gate: float) -> Iterator[Change]:
        """Yield the changes from segment to segment of at least `gate`, a share."""
        for place, part in enumerate(self.measured[1:]):
            change, _ = self.change(place, place + 1)
            if not part.anew and abs(change.value) >= math.log1p(gate):
                yield change


def fit_segments(
    table: Samples,
    of_launches: Samples | float,
    known: Sequence[tuple[int, float]] = (),
    loud: Samples | None = None,
) -> list[Series]:
    """Cut every series of `table`, (series, runs), into segments; NaN does not count.

    `of_launches` are the variances that launches alone give; `known` are the runs at which most
    cases shifted, each with the largest step that this excuses. The one series of what all cases
    have in common takes from them how `loud` each run is; others show it themselves.
    """
    assumed, most = (ASSUMED, CHANCE) if loud is None else (ASSUMED_COMMON, _COMMON_CHANCE)
    has_level = np.isfinite(table)
    expected = np.broadcast_to(of_launches, table.shape)
    expected = expected + session_noise(table, expected, assumed).variance[:, None]
    inflation = variance_inflation([row[own] for row, own in zip(table, has_level, strict=True)])
    middle = running_median(table)
    counts = has_level.sum(-1)
    long = counts >= 2 * LEAST_RUNS
    alone = long.sum() <= 1
    if loud is None and alone:
        loud = np.ones(table.shape[1])
    elif loud is None:
        loud = loudness(((table - middle) / np.sqrt(expected))[long])
    expected = expected * loud
    weights = np.where(has_level, 1 / expected, 0.0)
    values = np.where(has_level, _without_outliers(middle, table - middle, expected), 0.0)
    fixed = dict(known)
    bounds = _best_cuts(values, weights / inflation, (0, *fixed, table.shape[1]))
    scales, dfs = _scales(values, weights, bounds, inflation)
    tested = max(int(long.sum()), 1)
    fitted = []
    for row, count in enumerate(counts.tolist()):
        df = min(dfs[row], _ALONE_PRIOR_DF) if alone else dfs[row]
        tries = tested * max(count - 2 * LEAST_RUNS + 1, 1)
        series = Series(table[row], values[row], weights[row], loud, scales[row], df, tries)
        fitted.append(replace(series, segments=_certain_segments(series, bounds[row], fixed, most)))
    return fitted


def _without_outliers(middle: Samples, off: Samples, variance: Samples) -> Samples:
    """Clip values that lie far from the median of their neighbours.

    A value more than twice as far shows nothing of the level, and is replaced by the median.
    """
    far = _FAR * np.sqrt(variance)
    return np.asarray(middle + np.where(np.abs(off) > 2 * far, 0.0, np.clip(off, -far, far)))


def _best_cuts(values: Samples, weights: Samples, fixed: Sequence[int]) -> list[list[int]]:
    """Return the bounds of the segments of each series with the least penalised squares.

    A segment has `LEAST_RUNS` runs of the series, or all runs between two neighbouring `fixed`
    bounds. A cut at a `fixed` bound has no penalty.
    """
    series, runs = values.shape
    moments = np.zeros((4, series, runs + 1))
    terms = [weights, weights * values, weights * values**2, weights > 0]
    np.cumsum(terms, -1, out=moments[..., 1:])
    penalty = _PENALTY * np.log(np.maximum(moments[3, :, -1], 2))
    best, previous = np.full((series, runs + 1), np.inf), np.zeros((series, runs + 1), int)
    best[:, 0] = 0
    for start, last in pairwise(fixed):
        for end in range(start + 1, last + 1):
            total, first, second, many = moments[..., [end]] - moments[..., start:end]
            with np.errstate(invalid="ignore", divide="ignore"):
                squares = np.where(total > 0, second - first**2 / total, 0.0)
            allowed = many >= LEAST_RUNS
            allowed[:, 0] |= end == last
            cost = np.where(allowed, best[:, start:end] + squares, np.inf) + penalty[:, None]
            cost[:, 0] -= penalty
            place = cost.argmin(-1)
            best[:, end] = cost[np.arange(series), place]
            previous[:, end] = start + place
    return [_traced(row) for row in previous.tolist()]


def _traced(previous: Sequence[int]) -> list[int]:
    bounds = [len(previous) - 1]
    while bounds[-1] > 0:
        bounds.append(previous[bounds[-1]])
    return bounds[::-1]


def _scales(
    values: Samples, weights: Samples, bounds: Sequence[Sequence[int]], inflation: float
) -> tuple[list[float], list[float]]:
    """Return each series' variance around its proposed levels, moderated over all series."""
    squares = np.zeros(len(values))
    for row, own_bounds in enumerate(bounds):
        for part in map(slice, own_bounds, own_bounds[1:]):
            own, weight = values[row, part], weights[row, part]
            if weight.any():
                squares[row] += weight @ (own - weight @ own / weight.sum()) ** 2
    # Every change costs a level and a place.
    counts = zip((weights > 0).sum(-1).tolist(), map(len, bounds), strict=True)
    df = np.array([max(runs - 2 * ends + 3, 0) for runs, ends in counts], float)
    ones = np.ones(len(df))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance, moderated_df = shrink_variances(Spread(squares / df, df, ones * np.nan, ones))
    return (variance * inflation).tolist(), moderated_df.tolist()


def _certain_segments(
    series: Series, bounds: Sequence[int], fixed: Mapping[int, float], most: float
) -> tuple[Segment, ...]:
    """Drop the least certain change until every one that is left is certain."""
    left = list(bounds)
    while True:
        segments = [series.segment(first, end) for first, end in pairwise(left)]
        for place, (before, after) in enumerate(pairwise(segments), 1):
            step = abs(after.mean - before.mean)  # NaN, and excused, where one has no runs
            if left[place] in fixed and not step > fixed[left[place]]:
                segments[place] = replace(after, anew=True)
        steps = [step_between(*pair) for pair in pairwise(segments)]
        paid = _paid_for_excursions(steps, sum(segment.runs for segment in segments))
        if not len(paid) or paid.max() * series.tries <= most:
            return tuple(segments)
        del left[1 + int(np.argmax(paid))]


def _paid_for_excursions(steps: Sequence[tuple[float, float]], runs: int) -> Samples:
    """Return the p of each step between segments, multiplied for the steps of an excursion.

    An excursion is a segment above both neighbours, or below both. Its end was chosen among `runs`,
    too, so the p of both of its steps is multiplied by half of that number.
    """
    factors = np.ones(len(steps))
    for place, ((step, _), (following, _)) in enumerate(pairwise(steps)):
        if step * following < 0:
            factors[place : place + 2] = runs / 2
    return factors * [by_chance for _, by_chance in steps]
