"""The noise of a machine's runs: one model for two of them and for many.

The level of a case in a run is a log ratio to its rivals. It varies by what the launches of the run
differ by, over their number, and by what a session adds: launches of one run share the hour, the
machine's temperature and its other guests. What a session does to all cases beside the canary is
learnt in the same way. A difference of two levels has the noise of the runs on *both* sides of it,
so that a machine that becomes loud makes no case slower.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from timelift.analyse.effects import HALF, trimmed_mean
from timelift.analyse.estimates import chance_beyond, half_width
from timelift.analyse.results import Samples
from timelift.analyse.variances import RESOLUTION

#: The fewest runs of a level, so that a lone spike, or two, is never a change.
LEAST_RUNS = 3
#: The weight of the prior loudness, 1, as a number of cases.
_LOUDNESS_PRIOR = 10
#: The runs that show together how loud the middle one is.
_NEAR = 3
#: The median absolute deviation of a normal variable, as a share of its sd.
_MAD = 0.6745
_FAR_LAG = 6
_WINDOW = 2 * LEAST_RUNS - 1


@dataclass(frozen=True)
class Noise:
    """Variances of log ratios with their degrees of freedom, numbers or arrays."""

    variance: Samples
    df: Samples

    def half_width(self, level: float) -> Samples:
        """Return what so noisy a log ratio exceeds by chance at a one-sided level.

        Fewer degrees of freedom than one count as one.
        """
        return half_width(np.sqrt(self.variance), np.maximum(self.df, 1.0), level)

    def chance(self, distance: Samples | float) -> Samples:
        """Return the one-sided p of a distance from zero; 1/2 where the noise is unknown."""
        known = (self.df > 0) & np.isfinite(self.variance)
        return np.where(known, chance_beyond(distance, np.sqrt(self.variance), self.df), 0.5)


#: What a session is assumed to add to the log ratio of a case (1 %, sd), and to all cases beside
#: the canary (4 %): ratios of the reference grid, measured several times on a shared machine,
#: differed between runs by little more than their intervals over launches, and times by up to 12 %.
ASSUMED, ASSUMED_COMMON = (Noise(np.array(sd**2), np.array(8.0)) for sd in (0.01, 0.04))


def added(*parts: Noise) -> Noise:
    """Return the sum of independent variances (Welch 1947, Biometrika 34(1), 28-35)."""
    variance = sum((part.variance for part in parts), np.zeros(()))
    spent = sum((part.variance**2 / part.df for part in parts), np.zeros(()))
    return Noise(np.asarray(variance), np.asarray(variance**2 / spent))


def session_noise(levels: Samples, of_launches: Samples, assumed: Noise = ASSUMED) -> Noise:
    """Return what a session adds to the level of each case, as (cases,).

    `levels` are (cases, runs), NaN where not measured, and `of_launches` their variances by
    launches alone. The steps from run to run show it, from three runs on, and are averaged with
    what is assumed by degrees of freedom.
    """
    known = np.isfinite(levels)
    runs = known.sum(-1)
    counts = np.where(runs >= LEAST_RUNS, runs - 1, 0)
    between_runs = np.array(
        [sd_between(row[own]) ** 2 for row, own in zip(levels, known, strict=True)]
    )
    shares = np.where(known, of_launches, 0.0).sum(-1) / np.maximum(runs, 1)
    excess = np.maximum(between_runs - shares, 0.0)
    df = assumed.df + counts
    return Noise((assumed.df * assumed.variance + counts * excess) / df, df)


def sd_between(runs: Samples, lag: int = 1) -> float:
    """Return the sd of a run's noise by the steps from runs to those `lag` later.

    A step has the noise of both. The median step is read, since real changes are rare and do not
    move it.
    """
    steps = np.abs(runs[lag:] - runs[:-lag])
    sd = float(np.median(steps)) / _MAD / math.sqrt(2) if len(steps) else 0.0
    return max(sd, RESOLUTION)


def variance_inflation(rows: Sequence[Samples]) -> float:
    """Return the variance of a mean over runs, as a multiple of that of independent runs.

    With a correlation r of neighbours the mean of many runs varies (1 + r) / (1 - r) times as much.
    In the median series neighbours differ by a variance 1 - r times that of runs far apart.
    """
    long = [row for row in rows if len(row) >= 2 * LEAST_RUNS]
    if not long:
        return 1.0
    shares = [
        (sd_between(row) / sd_between(row, min(_FAR_LAG, len(row) // 2))) ** 2 for row in long
    ]
    doubt = 2 / math.sqrt(sum(map(len, long)))
    correlation = min(max(0.0, 1 - float(np.median(shares)) - doubt), 0.9)
    return (1 + correlation) / (1 - correlation)


def running_median(table: Samples) -> Samples:
    """Return the median of each run and its four neighbours, of those that have the case.

    That median keeps a step of three runs where it is, and ignores a spike of two.
    """
    middle = np.full_like(table, np.nan)
    for row, place in ((row, np.isfinite(table[row])) for row in range(len(table))):
        values = table[row, place]
        if len(values) < _WINDOW:
            middle[row, place] = values
        else:
            windows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW)
            medians = np.median(windows, axis=-1)
            middle[row, place] = np.pad(medians, _WINDOW // 2, mode="edge")
    return middle


def loudness(distances: Samples) -> NDArray[np.float64]:
    """Return the variance of each run's cases as a multiple of the usual one, (runs,).

    `distances`, (cases, runs), are from neighbouring runs, in sd of each case. A few cases measure
    the multiple badly, so it is drawn towards 1.
    """
    squares = trimmed_mean(np.abs(distances).T, HALF) ** 2
    cases = np.isfinite(distances).sum(0)
    if not (usual := np.median(squares[cases > 0])) > 0:
        return np.ones(len(cases))
    shares = np.where(cases > 0, cases * squares / usual, 0.0)
    near, counts = (np.convolve(own, np.ones(_NEAR))[1:-1] for own in (shares, cases))
    return np.asarray((_LOUDNESS_PRIOR + near) / (_LOUDNESS_PRIOR + counts))
