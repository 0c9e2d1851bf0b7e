"""pyperf's rule in `pyperf compare_to`: Student's t at 95 % over the values of all processes.

Values of one process count as independent. pyperf takes 3 values of 100 ms in each of 20 processes
by default; here it has all rounds of 2 ms of all launches. It refuses two rivals with different
numbers of values and then calls them different; here the pooled variance is used instead.
Source: `pyperf._utils.is_significant`, `pyperf._compare.is_significant_benchs`
https://github.com/psf/pyperf/blob/main/pyperf/_utils.py
https://github.com/psf/pyperf/blob/main/doc/runner.rst (the defaults)
"""

import numpy as np

from studies.other_tools.rule import pooled, sign_where
from timelift.analyse.runs.measurement import Samples
from timelift.analyse.selftest.recording import Recording
from timelift.analyse.selftest.rule import Judgement, LadderRule, Seats
from timelift.analyse.stats.estimates import t_quantile
from timelift.analyse.stats.robust_mean import mean_and_variance

#: The chance of a false alarm on each side.
_CHANCE = 0.025


def t_test(seats: Seats) -> LadderRule:
    """Make the rule."""
    return LadderRule("pyperf compare_to", seats, _judge)


def _judge(recording: Recording, seats: Seats) -> Judgement:
    seen = seats.look(recording.sides)
    values = pooled(seen)
    count = np.isfinite(values).sum(-1)
    mean, variance = mean_and_variance(values)
    first, second = np.where(count > 1, mean, np.nan).T
    critical = t_quantile(_CHANCE, np.maximum(count.sum(-1) - 2.0, 1.0))
    difference = np.abs(second - first)
    differs = (difference > 0) & (difference >= critical * _error(variance, count))
    return Judgement(sign_where(differs, first, second), np.isfinite(seen))


def _error(variance: Samples, count: Samples) -> Samples:
    """Return the standard error of a difference of means, from both sides' pooled variance."""
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled_variance = (variance * (count - 1)).sum(-1) / (count.sum(-1) - 2)
        return np.asarray(np.sqrt(pooled_variance * (1 / count).sum(-1)))
