"""pytest-benchmark's `--benchmark-compare-fail`: a fixed percentage on one statistic.

It fails where `current / compared * 100 - 100` exceeds the threshold, and knows no "faster".
Source: `pytest_benchmark.utils.PercentageRegressionCheck` and `parse_compare_fail`, version 5.3.1
https://github.com/ionelmc/pytest-benchmark/blob/v5.3.1/src/pytest_benchmark/utils.py
"""

import functools

import numpy as np

from studies.other_tools.rule import pooled, sign_where
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.rule import Judgement, Rule, Seats
from timelift.analyse.stats.location import HALF, mean_and_variance, trimmed_mean

MEAN, MEDIAN = "mean", "median"


def threshold(field: str, percent: int, seats: Seats) -> Rule:
    """Make the rule for a `field` of pytest-benchmark's and a whole number of per cent."""
    name = f"pytest-benchmark, {field}:{percent}%"
    return Rule(name, seats, functools.partial(_judge, field, percent), says_faster=False)


def _judge(field: str, percent: int, recording: Recording, seats: Seats) -> Judgement:
    seen = seats.look(recording.sides)
    compared, current = _location(field, pooled(seen)).T
    with np.errstate(invalid="ignore"):
        fails = current / compared * 100 - 100 > percent
    return Judgement(sign_where(fails, compared, current), np.isfinite(seen))


def _location(field: str, values: Samples) -> Samples:
    return trimmed_mean(values, HALF) if field == MEDIAN else mean_and_variance(values)[0]
