"""asv's rule in `asv continuous`: two medians a factor of 1.1 apart, and significantly so.

With `--record-samples` significance is a U test at p < 0.002, by the normal approximation without
correction beyond 20 samples. By default no samples are kept, and the 99 % intervals of the medians
must not overlap. Where samples are too few for either, asv guesses an interval from a Laplace
distribution; that is not replayed.
Source: `_is_result_better` in https://github.com/airspeed-velocity/asv/blob/main/asv/commands/compare.py
`is_different` in https://github.com/airspeed-velocity/asv/blob/main/asv/_stats.py
`quantile_ci` in https://github.com/airspeed-velocity/asv_runner/blob/main/asv_runner/statistics.py
The default of two processes, `rounds`, with up to 5 samples of 10 ms each, is in
https://github.com/airspeed-velocity/asv_runner/blob/main/asv_runner/benchmarks/time.py
Here it has all rounds of 2 ms of two launches.
"""

import functools
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from studies.other_tools.rule import pooled, sign_where
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.rule import Judgement, LadderRule, Seats
from timelift.analyse.stats.robust_mean import HALF, trimmed_mean

P_THRESHOLD = 0.002
FACTOR = 1.1
#: The chance that a median lies beyond its interval, on each side.
_BEYOND = 0.005
#: With more samples of either rival asv takes the normal approximation.
_EXACT = 20
#: Says of two rivals' samples whether they differ, 1 or 0, NaN where they are too few.
_Differ = Callable[[Samples, Samples], float]


def u_test(seats: Seats) -> LadderRule:
    """Make the rule for samples that were recorded."""
    return LadderRule("asv, U test", seats, functools.partial(_judge, _u_test))


def intervals(seats: Seats) -> LadderRule:
    """Make the rule as it is by default, where only intervals are."""
    return LadderRule("asv, 99 % intervals", seats, functools.partial(_judge, _apart))


def _judge(differ: _Differ, recording: Recording, seats: Seats) -> Judgement:
    seen = seats.look(recording.sides)
    values = pooled(seen)
    first, second = trimmed_mean(values, HALF).T
    found = np.array([differ(*(side[np.isfinite(side)] for side in sides)) for sides in values])
    with np.errstate(invalid="ignore"):
        says = sign_where((found > 0) & _beyond(first, second), first, second)
    return Judgement(np.where(np.isnan(found), np.nan, says), np.isfinite(seen))


def _beyond(first: Samples, second: Samples) -> NDArray[np.bool_]:
    return np.asarray((first < second / FACTOR) | (second < first / FACTOR))


def _u_test(first: Samples, second: Samples) -> float:
    p = p_value(first, second)
    return p if math.isnan(p) else float(p < P_THRESHOLD)


def p_value(first: Samples, second: Samples) -> float:
    """Return the two-sided p of the U test, NaN where asv would not try it on so few samples."""
    if 1 / math.comb(len(first) + len(second), len(first)) >= P_THRESHOLD:
        return math.nan
    few = max(len(first), len(second)) <= _EXACT
    how: Literal["exact", "asymptotic"] = "exact" if few else "asymptotic"
    found = stats.mannwhitneyu(first, second, use_continuity=False, method=how)
    return float(found.pvalue)


def _apart(first: Samples, second: Samples) -> float:
    (low_1, high_1), (low_2, high_2) = median_interval(first), median_interval(second)
    unknown = math.isnan(low_1) or math.isnan(low_2)
    return math.nan if unknown else float(high_1 < low_2 or high_2 < low_1)


def median_interval(values: Samples) -> tuple[float, float]:
    """Return the order statistics that hold the median with 99 %, NaN of fewer than 8 values."""
    below = stats.binom.cdf(np.arange(len(values)), len(values), 0.5)
    low = int(np.searchsorted(below, _BEYOND, side="right")) - 1
    if low < 0:
        return math.nan, math.nan
    ordered = np.sort(values)
    return float(ordered[low]), float(ordered[np.searchsorted(below, 1 - _BEYOND)])
