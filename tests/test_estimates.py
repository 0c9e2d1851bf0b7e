"""Estimates: Student's t, and the seconds of first calls."""

import math

import numpy as np
import pytest
from scipy import stats

from studies import noise
from tests.support import journals
from timelift.analyse import effects, estimates
from timelift.measurement import CaseInLaunch, Facts, fact, merge

DEGREES = np.array([1, 1.5, 2, 3.3, 7, 30, 100, 1000, 10_000])


@pytest.mark.parametrize("chance", [0.4, 0.05, 0.025, 0.001, 1e-6])
def test_the_quantile_of_student_is_exceeded_with_its_chance(chance):
    quantiles = estimates.half_width(1.0, DEGREES.reshape(3, 3), chance)
    assert quantiles.ravel() == pytest.approx(stats.t.isf(chance, DEGREES), rel=1e-7)
    assert estimates.chance_beyond(quantiles.ravel(), 1.0, DEGREES) == pytest.approx(
        chance, rel=1e-7
    )
    assert estimates.chance_beyond(-quantiles.ravel(), 1.0, DEGREES) == pytest.approx(
        1 - chance, rel=1e-7
    )


def test_a_row_without_launches_has_no_error_among_others_that_have():
    effect = np.random.default_rng(0).normal(0, 0.01, (6, 4))
    effect[0] = np.nan
    estimated = estimates.estimate(effects.Effects(effect, np.zeros_like(effect)))
    assert np.isnan(estimated.standard_error[0])
    assert estimated.df[0] == 0


def measured(*launches):
    """The measurements of launches, each a strategy, a number and the seconds of its first call."""
    return merge(
        CaseInLaunch(journals.case(name), number, facts=Facts(first_call_seconds=seconds))
        for name, number, seconds in launches
    )


def test_the_interval_of_a_first_call_is_students_where_all_cases_vary_alike():
    seconds = [0.8, 1.0, 1.3]
    (measurement,) = measured(*(("native", n, one) for n, one in enumerate(seconds, 1)))
    (interval,) = estimates.first_calls([measurement]).values()
    logs = np.log(seconds)
    reach = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    assert interval.value == pytest.approx(math.exp(logs.mean()))
    assert interval.value == pytest.approx(fact(measurement, "first_call_seconds"))
    assert (interval.low, interval.high) == pytest.approx(
        (math.exp(logs.mean() - reach), math.exp(logs.mean() + reach))
    )


def test_a_single_launch_has_no_interval_and_no_launch_no_first_call():
    (interval,) = estimates.first_calls(measured(("a", 1, 0.5), ("b", 1, None))).values()
    assert interval.value == pytest.approx(0.5)
    assert np.isnan([interval.low, interval.high]).all()


def first_calls_of(logs):
    """The half-widths, as logs, and whether the intervals hold 1, of rows of first calls."""
    rows = ((f"s{row}", n, math.exp(x)) for row, own in enumerate(logs) for n, x in enumerate(own))
    intervals = [*estimates.first_calls(measured(*rows)).values()]
    return [(math.log(one.high / one.value), one.low <= 1 <= one.high) for one in intervals]


@pytest.mark.parametrize("stolen", [0.0, 0.03])
def test_first_calls_that_vary_alike_are_known_alike_and_their_intervals_hold(stolen):
    random = np.random.default_rng(6)
    logs = 0.08 * noise.heavy_tailed((60, 40, 2), random)
    logs += 0.8 * (random.random(logs.shape) < stolen)
    wide, holds = np.moveaxis([first_calls_of(one) for one in logs], -1, 0)
    assert 0.93 <= holds.mean() <= 0.99
    assert ((np.median(wide, -1) > 0.07) & (np.median(wide, -1) < 0.2)).all()
    assert np.median(np.divide(*np.quantile(wide, [0.9, 0.1], -1))) < 2


def test_an_outlier_among_first_calls_is_wide_and_two_launches_alone_know_little():
    alike = np.random.default_rng(7).normal(0, 0.05, (30, 2))
    assert first_calls_of([*alike, [0.0, 2.0]])[-1][0] > 1
    assert first_calls_of([[0.0, 0.1]])[0][0] > 0.6
