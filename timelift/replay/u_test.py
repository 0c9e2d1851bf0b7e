"""asv's rule in `asv continuous`: a U test at p < 0.002, and a factor of 1.1 between the medians.

Source: `asv.commands.compare._is_result_better`, `asv._stats.is_different` (both sides, the normal
approximation without correction beyond 20 samples) and the default of `--factor`
https://github.com/airspeed-velocity/asv/blob/main/asv/_stats.py
https://github.com/airspeed-velocity/asv/blob/main/asv/commands/compare.py
The two processes are the default of `rounds` in `asv_runner.benchmarks.time`, which takes up to
5 samples of 10 ms in each; here it has all rounds of 2 ms. Where samples are too few for the test,
asv compares intervals instead; that is not replayed.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from timelift.read.measurement import Samples
from timelift.replay.recording import Recording
from timelift.replay.rule import Judgement, Rule, Seats, pooled, sign_where
from timelift.stats.location import HALF, trimmed_mean

P_THRESHOLD = 0.002
FACTOR = 1.1
#: With more samples of either rival asv takes the normal approximation.
_EXACT = 20


def u_test(seats: Seats, factor: float = FACTOR) -> Rule:
    """Make the rule."""
    return Rule(f"asv, factor {factor:g}", seats, functools.partial(_judge, factor))


def _judge(factor: float, recording: Recording, seats: Seats) -> Judgement:
    seen = seats.look(recording.sides)
    values = pooled(seen)
    first, second = trimmed_mean(values, HALF).T
    p = np.array([_p(*sides) for sides in values])
    with np.errstate(invalid="ignore"):
        differs = (p < P_THRESHOLD) & _beyond(first, second, factor)
    says = sign_where(differs, first, second)
    return Judgement(np.where(np.isnan(p), np.nan, says), np.isfinite(seen))


def _beyond(first: Samples, second: Samples, factor: float) -> NDArray[np.bool_]:
    return np.asarray((first < second / factor) | (second < first / factor))


def _p(first: Samples, second: Samples) -> float:
    """Give the two-sided p of the U test, NaN where so few samples could never reach it."""
    a, b = (side[np.isfinite(side)] for side in (first, second))
    if 1 / math.comb(len(a) + len(b), len(a)) >= P_THRESHOLD:
        return math.nan
    exact = max(len(a), len(b)) <= _EXACT
    found = stats.mannwhitneyu(
        a, b, use_continuity=False, method="exact" if exact else "asymptotic"
    )
    return float(found.pvalue)
