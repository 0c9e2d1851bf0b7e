"""The rules of other tools, replayed on what a self-test recorded, and ours first among them.

Values that a rule compares are (comparisons, side, rounds): the rounds of all launches in a row.
"""

import functools
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.score import Judgement, judge_as_ranking
from timelift.analyse.stats.robust_mean import HALF, mean_and_variance, trimmed_mean

#: Calls two samples different, 1 or 0, NaN where they are too few.
Differ = Callable[[Samples, Samples], float]


@dataclass(frozen=True)
class LaunchesSeen:
    """The launches that a rule sees of each rival: the first `each` of them, or all.

    Both rivals have the same launches, as they were recorded. `apart`, the first rival has every
    other launch and the second those between: as where a tool runs one revision, then the next.
    """

    each: int | None
    apart: bool = False

    @property
    def label(self) -> str:
        if self.apart:
            return f"{self.each or 'half'} each"
        return f"{self.each or 'all'} for both"

    def look(self, sides: Samples) -> Samples:
        """Keep what is seen of (comparisons, side, launches, rounds), NaN elsewhere.

        A comparison with fewer launches than asked for on either side is NaN as a whole.
        """
        seats = np.zeros((2, sides.shape[2], 1), dtype=bool)
        step = 2 if self.apart else 1
        for side in range(2):
            seats[side, side * (step - 1) :: step][: self.each] = True
        seen = np.where(seats, sides, np.nan)
        enough = (np.isfinite(seen).any(-1).sum(-1) >= (self.each or 1)).all(-1)
        return np.where(enough[:, None, None, None], seen, np.nan)


@dataclass(frozen=True)
class Rule:
    """A rule by name, and its answer to a recording. Some never call anything faster."""

    name: str
    seats: LaunchesSeen
    judge: Callable[[Recording], Judgement]
    knows_faster: bool = True


def rule(
    name: str, seats: LaunchesSeen, compare: Callable[[Samples], Judgement], **more: bool
) -> Rule:
    """Make the rule of a tool that compares values, whichever launch they are of."""

    def judge(recording: Recording) -> Judgement:
        seen = seats.look(recording.sides)
        found = compare(seen.reshape(*seen.shape[:2], -1))
        return Judgement(found.sign, found.used.reshape(seen.shape))

    return Rule(name, seats, judge, **more)


def sign_where(differs: NDArray[np.bool_], first: Samples, second: Samples) -> Samples:
    """Return 1 where the sides differ and the second is slower, -1 where faster, else 0.

    NaN where either location is: then there was nothing to look at.
    """
    sign = np.where(differs, np.sign(second - first), 0.0)
    return np.where(np.isfinite(first) & np.isfinite(second), sign, np.nan)


# pytest-benchmark --------------------------------------------------------------------------------
#
# `--benchmark-compare-fail` fails where `current / compared * 100 - 100` of one statistic exceeds
# the threshold, and knows no "faster". `--benchmark-precision` stops after the fifth round or
# later, once `z * stddev / sqrt(n) / mean` is at most the precision asked for; here also where the
# recorded rounds end. It leaves the comparison to the reader, who is taken to call two rivals
# different when their intervals of the mean do not overlap.
# Source, version 5.3.1: `PercentageRegressionCheck` and `parse_compare_fail` in
# https://github.com/ionelmc/pytest-benchmark/blob/v5.3.1/src/pytest_benchmark/utils.py
# `_run_until_precise` in
# https://github.com/ionelmc/pytest-benchmark/blob/v5.3.1/src/pytest_benchmark/fixture.py

MEAN, MEDIAN = "mean", "median"
#: pytest-benchmark's default of `--benchmark-min-rounds`.
MIN_ROUNDS = 5


def threshold(field: str, percent: int, seats: LaunchesSeen) -> Rule:
    """Make the rule for a `field` of pytest-benchmark's and a whole number of per cent."""

    def compare(values: Samples) -> Judgement:
        found = trimmed_mean(values, HALF) if field == MEDIAN else mean_and_variance(values)[0]
        compared, current = found.T
        with np.errstate(invalid="ignore"):
            fails = current / compared * 100 - 100 > percent
        return Judgement(sign_where(fails, compared, current), np.isfinite(values))

    return rule(f"pytest-benchmark, {field}:{percent}%", seats, compare, knows_faster=False)


def precise(precision: float, confidence: float, seats: LaunchesSeen) -> Rule:
    """Make the rule for shares of precision and confidence; 0.99 is pytest-benchmark's default."""

    def compare(values: Samples) -> Judgement:
        mean, margin, used = _stop(values, precision, confidence)
        first, second = mean.T
        with np.errstate(invalid="ignore"):
            apart = np.abs(second - first) > margin.sum(-1)
        return Judgement(sign_where(apart, first, second), used)

    name = f"pytest-benchmark, ±{100 * precision:.0f} % at {100 * confidence:.0f} %"
    return rule(name, seats, compare)


def _stop(
    values: Samples, precision: float, confidence: float
) -> tuple[Samples, Samples, NDArray[np.bool_]]:
    """Play the last axis round by round and stop when it is precise enough, or over.

    Returns the means, their half-widths, and the rounds that they rest on.
    """
    order = np.argsort(np.isnan(values), axis=-1, kind="stable")
    played = np.take_along_axis(values, order, -1)
    mean, margin = _running(played, confidence)
    number = np.arange(1, values.shape[-1] + 1)
    with np.errstate(invalid="ignore"):
        done = (margin / mean <= precision) & (number >= MIN_ROUNDS)
    last = np.maximum(np.isfinite(played).sum(-1, keepdims=True) - 1, 0)
    stop = np.where(done.any(-1, keepdims=True), done.argmax(-1)[..., None], last)
    used = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(used, order, (number - 1 <= stop) & np.isfinite(played), -1)
    mean, margin = (np.take_along_axis(one, stop, -1)[..., 0] for one in (mean, margin))
    return mean, margin, used


def _running(played: Samples, confidence: float) -> tuple[Samples, Samples]:
    """Return the mean after each round and its z-interval's half-width, NaN after the first."""
    number = np.arange(1, played.shape[-1] + 1)
    shifted = played - played[..., :1]
    total, squares = shifted.cumsum(-1), (shifted**2).cumsum(-1)
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(squares - total**2 / number, 0.0) / (number - 1)
    return played[..., :1] + total / number, z * np.sqrt(variance / number)


# asv ---------------------------------------------------------------------------------------------
#
# `asv continuous`: two medians a factor of 1.1 apart, and significantly so. With `--record-samples`
# significance is a U test at p < 0.002, by the normal approximation without correction beyond 20
# samples. By default no samples are kept, and the 99 % intervals of the medians must not overlap.
# Where samples are too few for either, asv guesses an interval from a Laplace distribution; that is
# not replayed. By default it has two processes, `rounds`, with up to 5 samples of 10 ms each; here
# it has all rounds of 2 ms of two launches.
# Source: `_is_result_better` in
# https://github.com/airspeed-velocity/asv/blob/main/asv/commands/compare.py
# `is_different` in https://github.com/airspeed-velocity/asv/blob/main/asv/_stats.py
# `quantile_ci` in
# https://github.com/airspeed-velocity/asv_runner/blob/main/asv_runner/statistics.py
# the defaults in
# https://github.com/airspeed-velocity/asv_runner/blob/main/asv_runner/benchmarks/time.py

P_THRESHOLD = 0.002
FACTOR = 1.1
#: The chance that a median lies beyond its interval, on each side.
_BEYOND = 0.005
#: With more samples of either rival asv takes the normal approximation.
_EXACT = 20


def u_test(seats: LaunchesSeen) -> Rule:
    """Make the rule for samples that were recorded."""
    return rule("asv, U test", seats, functools.partial(_asv, _u_test))


def intervals(seats: LaunchesSeen) -> Rule:
    """Make the rule as it is by default, where only intervals are."""
    return rule("asv, 99 % intervals", seats, functools.partial(_asv, _apart))


def _asv(differ: Differ, values: Samples) -> Judgement:
    first, second = trimmed_mean(values, HALF).T
    found = np.array([differ(*(side[np.isfinite(side)] for side in sides)) for sides in values])
    with np.errstate(invalid="ignore"):
        beyond = (first < second / FACTOR) | (second < first / FACTOR)
        sign = sign_where((found > 0) & beyond, first, second)
    return Judgement(np.where(np.isnan(found), np.nan, sign), np.isfinite(values))


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


# pyperf ------------------------------------------------------------------------------------------
#
# `pyperf compare_to`: Student's t at 95 % over the values of all processes, which count as
# independent. pyperf takes 3 values of 100 ms in each of 20 processes by default; here it has all
# rounds of 2 ms of all launches. It refuses two rivals with different numbers of values and then
# calls them different; here the pooled variance is used instead.
# Source: `is_significant` in https://github.com/psf/pyperf/blob/main/pyperf/_utils.py
# `is_significant_benchs` in https://github.com/psf/pyperf/blob/main/pyperf/_compare.py
# the defaults in https://github.com/psf/pyperf/blob/main/doc/runner.rst

#: The chance of a false alarm.
_P = 0.05


def t_test(seats: LaunchesSeen) -> Rule:
    return rule("pyperf compare_to", seats, _t_test)


def _t_test(values: Samples) -> Judgement:
    count = np.isfinite(values).sum(-1)
    mean, variance = mean_and_variance(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        first, second = zip(mean.T, np.sqrt(variance).T, count.T, strict=True)
        differs = np.asarray(stats.ttest_ind_from_stats(*first, *second).pvalue <= _P)
    locations = np.where(count > 1, mean, np.nan)
    return Judgement(sign_where(differs, *locations.T), np.isfinite(values))


# The rules that are replayed ---------------------------------------------------------------------

_ONE, _ONE_EACH = LaunchesSeen(1), LaunchesSeen(1, apart=True)
_TWO, _TWO_EACH = LaunchesSeen(2), LaunchesSeen(2, apart=True)
ALL, _HALF_EACH = LaunchesSeen(None), LaunchesSeen(None, apart=True)

OURS = Rule("timelift", ALL, judge_as_ranking)
RULES: tuple[Rule, ...] = (
    OURS,
    *(
        threshold(field, percent, seats)
        for percent, field, seats in itertools.product((5, 10), (MEDIAN, MEAN), (_ONE, _ONE_EACH))
    ),
    *(
        precise(0.02, confidence, seats)
        for confidence, seats in itertools.product((0.95, 0.99), (_ONE, _ONE_EACH))
    ),
    *(make(seats) for make in (intervals, u_test) for seats in (_TWO, _TWO_EACH)),
    *(t_test(seats) for seats in (ALL, _HALF_EACH)),
)
#: The rule of each tool that its documentation shows first.
_DEFAULTS = {
    "pytest-benchmark, median:5%",
    "pytest-benchmark, ±2 % at 95 %",
    "asv, U test",
    "pyperf compare_to",
}
#: Ours, and each other tool's as its user has it: one process for each of the two rivals, or some.
AS_USED = tuple(one for one in RULES if one is OURS or (one.seats.apart and one.name in _DEFAULTS))
