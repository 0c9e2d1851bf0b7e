"""Where series change: segments of runs with one level.

Each series is cut where the squares around its levels are least, with a penalty for each cut
(Jackson and others 2005, IEEE Signal Processing Letters 12(2), 105-108), and a t test drops the
cuts that are not certain, the least certain one first. The place of a change was *chosen* because
it looks like one there, so its p is multiplied by the number of places that were possible, and by
the number of series that are read.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from timelift.analyse.estimates import ALPHA, t_quantile, t_tail
from timelift.analyse.results import Samples
from timelift.analyse.variances import Spread, shrink_variances
from timelift.history import Change
from timelift.history.noise import (
    ASSUMED,
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

    `noise` is that of the mean.
    """

    first: int
    last: int
    runs: int
    mean: float
    noise: Noise


def chance(earlier: Segment, later: Segment) -> float:
    """Return the two-sided p of such a difference between segments of one level."""
    noise = added(earlier.noise, later.noise)
    if not (noise.df > 0 and np.isfinite(noise.variance)):
        return 1.0
    distance = abs(later.mean - earlier.mean) / np.sqrt(noise.variance)
    return 2 * float(t_tail(distance, noise.df))


def change_between(earlier: Segment, later: Segment) -> Change:
    """Return the change from one segment to another, with its 95 % interval."""
    noise, shift = added(earlier.noise, later.noise), later.mean - earlier.mean
    half_width = float(t_quantile(ALPHA / 2, np.maximum(noise.df, 1.0)) * np.sqrt(noise.variance))
    ends = shift - half_width, shift + half_width
    return Change(shift, *ends, before=earlier.last, after=later.first)


@dataclass(frozen=True)
class FittedSeries:
    """The levels of a case in every run from the position `start` on, cut into segments.

    They are NaN where the case has none. A p is multiplied by `tries`, since places were chosen.
    """

    levels: Samples
    weighed: "_WeighedSeries"
    segments: tuple[Segment, ...]
    tries: int

    @property
    def start(self) -> int:
        return self.weighed.start

    def chance_at(self, first: int, place: int, end: int) -> float:
        """Return the p of a change at a place between two others, from the start of the series."""
        return chance(self.weighed.segment(first, place), self.weighed.segment(place, end))

    def changes(self, gate: float) -> Iterator[Change]:
        """Yield the changes from segment to segment of at least `gate`, a share."""
        for pair in pairwise(self.segments):
            change = change_between(*pair)
            if abs(change.value) >= math.log1p(gate):
                yield change


@dataclass(frozen=True)
class _WeighedSeries:
    """A series without outliers, with the weight of each run, in 1 / variance.

    `scale` and `df` are its moderated variance around proposed levels, in units of the weights.
    """

    values: Samples
    weights: Samples
    scale: float
    df: float
    start: int

    def segment(self, first: int, end: int) -> Segment:
        """Return the segment of runs `first` to `end`; its variance is drawn to the series'."""
        weights, values = self.weights[first:end], self.values[first:end]
        places, total = np.flatnonzero(weights), weights.sum()
        if not len(places):
            return Segment(0, -1, 0, math.nan, Noise(np.array(np.nan), np.zeros(())))
        mean = float(weights @ values / total)
        prior, own_df = min(self.df, _SIDE_PRIOR_DF), len(places) - 1
        squares = prior * self.scale if prior else 0.0
        squares += float(weights @ (values - mean) ** 2)
        df = np.asarray(self.df + own_df)
        variance = np.asarray(squares / (prior + own_df) / total) if df else np.array(np.nan)
        place = self.start + first + places
        return Segment(int(place[0]), int(place[-1]), len(places), mean, Noise(variance, df))


def fit_segments(
    table: Samples, of_launches: Samples | float, start: int = 0, assumed: Noise = ASSUMED
) -> list[FittedSeries]:
    """Cut every series of `table`, (series, runs), into segments; NaN does not count.

    `of_launches` are the variances that launches alone give; `start` is the position of the first
    run.
    """
    known = np.isfinite(table)
    expected = np.broadcast_to(of_launches, table.shape)
    expected = expected + session_noise(table, expected, assumed).variance[:, None]
    inflation = variance_inflation([row[own] for row, own in zip(table, known, strict=True)])
    middle = running_median(table)
    distances = (table - middle) / np.sqrt(expected)
    counts = known.sum(-1)
    long = counts >= 2 * LEAST_RUNS
    loud = loudness(distances[long]) if long.sum() > 1 else 1.0
    expected = expected * loud
    weights = np.where(known, 1 / expected, 0.0)
    values = np.where(known, _without_outliers(middle, table - middle, expected), 0.0)
    ends = _best_cuts(values, weights / inflation)
    scales, dfs = _scales(values, weights, ends, inflation)
    tested = max(int(long.sum()), 1)
    fitted = []
    for row, count in enumerate(counts.tolist()):
        tries = tested * max(count - 2 * LEAST_RUNS + 1, 1)
        df = dfs[row] if len(table) > 1 else min(dfs[row], _ALONE_PRIOR_DF)
        series = _WeighedSeries(values[row], weights[row], scales[row], df, start)
        segments = _certain_segments(series, ends[row], tries)
        fitted.append(FittedSeries(table[row], series, segments, tries))
    return fitted


def _without_outliers(middle: Samples, off: Samples, variance: Samples) -> Samples:
    """Clip values that lie far from the median of their neighbours.

    A value more than twice as far shows nothing of the level, and is replaced by the median.
    """
    far = _FAR * np.sqrt(variance)
    return np.asarray(middle + np.where(np.abs(off) > 2 * far, 0.0, np.clip(off, -far, far)))


def _best_cuts(values: Samples, weights: Samples) -> list[list[int]]:
    """Return the bounds of the segments of each series with the least penalised squares.

    A segment has `LEAST_RUNS` runs of the series, or is all of it.
    """
    series, runs = values.shape
    moments = [np.zeros((series, runs + 1)) for _ in range(4)]
    for moment, terms in zip(
        moments, (weights, weights * values, weights * values**2, weights > 0), strict=True
    ):
        np.cumsum(terms, 1, out=moment[:, 1:])
    counts = moments[3]
    penalty = _PENALTY * np.log(np.maximum(counts[:, -1], 2))
    best, previous = np.full((series, runs + 1), np.inf), np.zeros((series, runs + 1), int)
    best[:, 0] = 0
    for end in range(LEAST_RUNS, runs + 1):
        total, first, second, many = (moment[:, [end]] - moment[:, :end] for moment in moments)
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = second - first**2 / total
        cost = np.where(many >= LEAST_RUNS, best[:, :end] + squares, np.inf)
        previous[:, end] = cost.argmin(-1)
        best[:, end] = cost[np.arange(series), previous[:, end]] + penalty
    return [_traced(row) for row in previous]


def _traced(previous: Samples) -> list[int]:
    bounds = [len(previous) - 1]
    while bounds[-1] > 0:
        bounds.append(int(previous[bounds[-1]]))
    return bounds[::-1] if len(bounds) > 1 else [0, 0]


def _scales(
    values: Samples, weights: Samples, ends: Sequence[Sequence[int]], inflation: float
) -> tuple[list[float], list[float]]:
    """Return each series' variance around its proposed levels, moderated over all series."""
    squares = np.zeros(len(values))
    for row, bounds in enumerate(ends):
        for first, end in pairwise(bounds):
            own, weight = values[row, first:end], weights[row, first:end]
            if weight.any():
                squares[row] += weight @ (own - weight @ own / weight.sum()) ** 2
    # Every change costs a level and a place.
    counts = (weights > 0).sum(-1)
    df = np.array(
        [max(n - 2 * len(own) + 3, 0) for n, own in zip(counts, ends, strict=True)], float
    )
    ones = np.ones(len(df))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance, moderated_df = shrink_variances(Spread(squares / df, df, ones * np.nan, ones))
    return (variance * inflation).tolist(), moderated_df.tolist()


def _certain_segments(
    series: _WeighedSeries, bounds: Sequence[int], tries: int
) -> tuple[Segment, ...]:
    """Drop the least certain change until every one that is left is certain."""
    left = list(bounds)
    while True:
        segments = tuple(series.segment(*pair) for pair in pairwise(left))
        chances = np.array([chance(*pair) for pair in pairwise(segments)])
        chances *= _excursions(segments)
        if not len(chances) or chances.max() * tries <= CHANCE:
            return segments
        del left[1 + int(np.argmax(chances))]


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
