"""Segments of a series: stretches of runs with one level, between which it really changed.

PELT (Killick, Fearnhead and Eckley 2012, JASA 107(500), 1590-1598; `ruptures` by Truong, Oudre and
Vayatis) proposes changes, and a t test over runs drops those that are not certain, the least
certain one first. The place of a change was *chosen* because it looks like one there, so its p is
multiplied by the number of places it could have been, and by the number of series that are read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from timelift.analyse.effects import mean_and_variance
from timelift.analyse.estimates import RESOLUTION, Spread, shrink_variances, t_tail
from timelift.analyse.measurement import Samples

#: The least runs of a segment, so that a lone spike, or two, is never a change.
LEAST_RUNS = 3
#: The least runs of a level that lasted.
LASTING_RUNS = 7
#: The chance of a false change in any series of a history: it is looked at every night.
CHANCE = 0.01
#: What a change must explain to be proposed, in log(runs) times the noise's variance.
_PENALTY = 3.0
#: A run further than this from its neighbours, in sd of the noise, counts as being so far.
_FAR = 3.0
_WINDOW = 2 * LEAST_RUNS - 1
#: The median absolute deviation of a normal variable, as a share of its sd.
_MAD = 0.6745
_FAR_LAG = 6


@dataclass(frozen=True)
class Segment:
    """Runs `first` to before `end` of a series, whose level is `mean`."""

    first: int
    end: int
    mean: float

    @property
    def runs(self) -> int:
        return self.end - self.first


@dataclass(frozen=True)
class Noise:
    """What one run may differ from the next by: a variance of log ratios, and its degrees."""

    variance: float
    df: float

    def standard_error(self, one: Segment, other: Segment) -> float:
        return math.sqrt(self.variance * (1 / one.runs + 1 / other.runs))

    def chance(self, one: Segment, other: Segment) -> float:
        if not (self.df > 0 and math.isfinite(self.variance)):
            return 1.0
        distance = np.asarray(abs(other.mean - one.mean) / self.standard_error(one, other))
        return 2 * float(t_tail(distance, np.asarray(self.df)))


@dataclass(frozen=True)
class FittedSeries:
    """A series in segments; `tries` is what a p is multiplied by, since places were chosen."""

    segments: tuple[Segment, ...]
    noise: Noise
    tries: int

    def differ(self, one: Segment, other: Segment) -> bool:
        """True if two levels differ for certain."""
        return self.noise.chance(one, other) * self.tries <= CHANCE


def fit_segments(rows: Sequence[Samples], series_tested: int | None = None) -> list[FittedSeries]:
    """Cut every series into segments; the runs of a series are those where it has a value.

    The noise of each is moderated over all of them; `series_tested` were looked at in all.
    """
    noise = [sd_of_differences(row) for row in rows]
    inflation = variance_inflation(rows)
    clean = [_without_outliers(row, sd) for row, sd in zip(rows, noise, strict=True)]
    proposals = [_pelt(row, sd * inflation**0.5) for row, sd in zip(clean, noise, strict=True)]
    noises = _noises(clean, proposals, inflation)
    many = len(rows) if series_tested is None else series_tested
    return [_pruned(*one, many) for one in zip(clean, proposals, noises, strict=True)]


def sd_of_differences(values: Samples, lag: int = 1) -> float:
    """Return the sd of the noise from differences of runs, which a change enters `lag` times."""
    steps = values[lag:] - values[:-lag]
    return max(sd_of_steps(steps), RESOLUTION) if len(steps) else RESOLUTION


def sd_of_steps(steps: Samples) -> float:
    """Return the sd of the noise of a run, of which each step from one to another has two.

    It is that of the median step, which real changes do not move, since they are rare.
    """
    return float(np.median(np.abs(steps))) / _MAD / math.sqrt(2)


def variance_inflation(rows: Sequence[Samples]) -> float:
    """Return the variance of a mean over runs, as a multiple of that of independent runs.

    With a correlation r of neighbours the mean of many runs varies (1 + r) / (1 - r) times as much;
    r is what differences of neighbours lack beside those of runs far apart, over all series.
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
    """Clip what lies far from the median of five neighbours.

    That median keeps a step of three runs where it is, and ignores a spike of two. What lies twice
    as far tells nothing of the level, and is put on it.
    """
    if len(values) < _WINDOW:
        return values
    windows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW)
    edge = _WINDOW // 2
    middle = np.pad(np.median(windows, axis=-1), edge, mode="edge")
    off = values - middle
    return np.asarray(
        middle + np.where(np.abs(off) > 2 * _FAR * sd, 0.0, np.clip(off, -_FAR * sd, _FAR * sd))
    )


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
    """Return the variance around the proposed levels, drawn towards what is usual here."""
    squares = np.array([_squares(*one) for one in zip(clean, proposals, strict=True)])
    # Every change costs a level and a place.
    df = np.array(
        [max(len(row) - 2 * len(ends) + 1, 0) for row, ends in zip(clean, proposals, strict=True)],
        float,
    )
    ones = np.ones(len(df))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance, degrees = shrink_variances(Spread(squares / df, df, ones * np.nan, ones))
    return [
        Noise(float(one) * inflation, float(many))
        for one, many in zip(variance, degrees, strict=True)
    ]


def _squares(values: Samples, ends: Sequence[int]) -> float:
    parts = (values[first:end] for first, end in pairwise([0, *ends]))
    return float(sum(((part - part.mean()) ** 2).sum() for part in parts if len(part)))


def _pruned(values: Samples, ends: Sequence[int], noise: Noise, series_tested: int) -> FittedSeries:
    """Drop the least certain change until every one that is left is certain."""
    bounds = [0, *ends]
    tries = series_tested * max(len(values) - 2 * LEAST_RUNS + 1, 1)
    while True:
        segments = [_segment(values, *pair) for pair in pairwise(bounds)]
        chances = np.array([noise.chance(*pair) for pair in pairwise(segments)])
        chances *= _excursions(segments)
        if not len(chances) or chances.max() * tries <= CHANCE:
            return FittedSeries(tuple(segments), noise, tries)
        del bounds[1 + int(np.argmax(chances))]


def _excursions(segments: Sequence[Segment]) -> Samples:
    """Return what multiplies the p of each change because it begins or ends an excursion.

    Of a stretch that is above both neighbours, or below, the beginning was chosen and the end too.
    """
    factors = np.ones(len(segments) - 1)
    steps = [other.mean - one.mean for one, other in pairwise(segments)]
    for place, (one, other) in enumerate(pairwise(steps)):
        if one * other < 0:
            factors[place : place + 2] = segments[-1].end / 2
    return factors


def _segment(values: Samples, first: int, end: int) -> Segment:
    return Segment(first, end, float(mean_and_variance(values[first:end])[0]))
