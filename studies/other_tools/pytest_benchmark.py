"""pytest-benchmark's two rules: a fixed percentage, and one process until the mean seems known.

`--benchmark-compare-fail` fails where `current / compared * 100 - 100` of one statistic exceeds the
threshold, and knows no "faster". `--benchmark-precision` stops after the fifth round or later, once
`z * stddev / sqrt(n) / mean` is at most the precision asked for; here also where the recorded
rounds end. It leaves the comparison to the reader, who is taken to call two rivals different when
their intervals of the mean do not overlap.
Source: `pytest_benchmark.utils.PercentageRegressionCheck` and `parse_compare_fail`, version 5.3.1
https://github.com/ionelmc/pytest-benchmark/blob/v5.3.1/src/pytest_benchmark/utils.py
`pytest_benchmark.fixture.BenchmarkFixture._run_until_precise`
https://github.com/ionelmc/pytest-benchmark/blob/v5.3.1/src/pytest_benchmark/fixture.py
"""

import functools
import statistics
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studies.other_tools.rule import pooled, sign_where
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.rule import Judgement, LadderRule, Seats
from timelift.analyse.stats.robust_mean import HALF, mean_and_variance, trimmed_mean

MEAN, MEDIAN = "mean", "median"
#: pytest-benchmark's default of `--benchmark-min-rounds`.
MIN_ROUNDS = 5


def threshold(field: str, percent: int, seats: Seats) -> LadderRule:
    """Make the rule for a `field` of pytest-benchmark's and a whole number of per cent."""
    name = f"pytest-benchmark, {field}:{percent}%"
    return LadderRule(name, seats, functools.partial(_fails, field, percent), says_faster=False)


def _fails(field: str, percent: int, recording: Recording, seats: Seats) -> Judgement:
    seen = seats.look(recording.sides)
    compared, current = _location(field, pooled(seen)).T
    with np.errstate(invalid="ignore"):
        fails = current / compared * 100 - 100 > percent
    return Judgement(sign_where(fails, compared, current), np.isfinite(seen))


def _location(field: str, values: Samples) -> Samples:
    return trimmed_mean(values, HALF) if field == MEDIAN else mean_and_variance(values)[0]


@dataclass(frozen=True)
class _Interval:
    """Means with their half-widths, and the rounds they rest on: (..., rounds) for `used`."""

    mean: Samples
    half_width: Samples
    used: NDArray[np.bool_]


def precise(precision: float, confidence: float, seats: Seats) -> LadderRule:
    """Make the rule for shares of precision and confidence; 0.99 is pytest-benchmark's default."""
    name = f"pytest-benchmark, ±{100 * precision:.0f} % at {100 * confidence:.0f} %"
    return LadderRule(name, seats, functools.partial(_apart, precision, confidence))


def _apart(precision: float, confidence: float, recording: Recording, seats: Seats) -> Judgement:
    seen = seats.look(recording.sides)
    found = _stop(pooled(seen), precision, confidence)
    first, second = found.mean.T
    with np.errstate(invalid="ignore"):
        apart = np.abs(second - first) > found.half_width.sum(-1)
    return Judgement(sign_where(apart, first, second), found.used.reshape(seen.shape))


def _stop(values: Samples, precision: float, confidence: float) -> _Interval:
    """Play the last axis round by round and stop when it is precise enough, or over."""
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
    return _Interval(mean, margin, used)


def _running(played: Samples, confidence: float) -> tuple[Samples, Samples]:
    """Return the mean after each round and its z-interval's half-width, NaN after the first."""
    number = np.arange(1, played.shape[-1] + 1)
    shifted = played - played[..., :1]
    total, squares = shifted.cumsum(-1), (shifted**2).cumsum(-1)
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.maximum(squares - total**2 / number, 0.0) / (number - 1)
    return played[..., :1] + total / number, z * np.sqrt(variance / number)
