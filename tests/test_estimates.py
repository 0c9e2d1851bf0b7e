"""Estimates: variances moderated by Smyth's moments, and Student's t."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special, stats

from studies import noise
from tests.simulated import QUIET
from timelift.analyse.stats import effects, estimates, shrink_variances, verdicts


def spread_of(variance, df, covariate=None):
    """Variances of independent comparisons."""
    variance = np.asarray(variance, dtype=float)
    nothing = np.full_like(variance, np.nan) if covariate is None else covariate
    return shrink_variances.Spread(
        variance, np.full_like(variance, df), nothing, np.ones_like(variance)
    )


def slow_prior(variance, df):
    """Smyth's moments, one variance at a time, solved by scipy."""
    logs = [math.log(one) - special.digamma(df / 2) + math.log(df / 2) for one in variance]
    count = len(logs)
    seen = statistics.variance(logs) * (1 + shrink_variances.DOUBT * math.sqrt(2 / (count - 1)))
    excess = max(seen - special.polygamma(1, df / 2), special.polygamma(1, 15))
    half = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e6)
    scale = math.exp(statistics.fmean(logs) + special.digamma(half) - math.log(half))
    return max(2 * half - shrink_variances.CAUTION, 0), scale


@given(st.lists(st.floats(1e-6, 1), min_size=4, max_size=25), st.sampled_from([2, 4, 7, 11]))
def test_the_prior_is_fitted_by_moments_of_the_log_variances(variance, df):
    """Against a slow oracle, and so is the average that it is used for."""
    degrees, scale = slow_prior(variance, df)
    prior = shrink_variances.fit_prior(spread_of(variance, df))
    assert prior.df == pytest.approx(degrees, rel=1e-5, abs=1e-6)
    assert prior.variance == pytest.approx(scale, rel=1e-6)
    mixed, total = shrink_variances.shrink_variances(spread_of(variance, df))
    expected = [(df * own + degrees * scale) / (df + degrees) for own in variance]
    assert mixed == pytest.approx(expected, rel=1e-5)
    assert total == pytest.approx(min(df + degrees, df * len(variance)), rel=1e-5)


def test_a_prior_recovers_what_variances_are_drawn_from():
    """3,000 variances of 4 degrees around a prior worth 8."""
    random = np.random.default_rng(3)
    true = 0.01 * 8 / random.chisquare(8, 3000)
    prior = shrink_variances.fit_prior(spread_of(true * random.chisquare(4, 3000) / 4, 4))
    assert prior.df + shrink_variances.CAUTION == pytest.approx(8, rel=0.2)
    assert prior.variance == pytest.approx(0.01, rel=0.1)


def test_a_prior_follows_a_covariate_that_variances_follow():
    """Where variances rise with it a hundredfold, so does the prior, and it is then worth more."""
    random = np.random.default_rng(4)
    covariate = random.uniform(0, np.log(100), 400)
    variance = 1e-4 * np.exp(covariate) * random.chisquare(4, 400) / 4
    follows = shrink_variances.fit_prior(spread_of(variance, 4, covariate))
    level = shrink_variances.fit_prior(spread_of(variance, 4))
    assert follows.variance == pytest.approx(1e-4 * np.exp(covariate), rel=0.25)
    assert follows.df > 4 * level.df


@pytest.mark.parametrize("comparisons", [1, 2])
def test_too_few_comparisons_are_left_as_they_are(comparisons):
    """Two variances do not say what variances look like."""
    variance = [0.01, 0.04][:comparisons]
    mixed, total = shrink_variances.shrink_variances(spread_of(variance, 3))
    assert mixed.tolist() == variance
    assert total.tolist() == [3] * comparisons


def test_pairs_of_one_setting_lend_each_other_no_degrees_they_do_not_have():
    """Ten pairs of five rivals in three launches have eight degrees, however alike they look."""
    times = noise.seconds(QUIET, noise.Shape(1, 5, 3), np.zeros(5), np.random.default_rng(5))[0]
    one = effects.all_pairs(times)
    share = verdicts.independence(np.zeros(10, dtype=int))
    assert share.sum() == pytest.approx(4)
    assert estimates.estimate(one, share).df.max() <= 8 + 1e-9


@pytest.mark.parametrize("x", [0.05, 0.5, 4, 700])
def test_the_inverse_of_trigamma_undoes_it(x):
    """There and back."""
    there = float(special.polygamma(1, x))
    assert shrink_variances.trigamma_inverse(there) == pytest.approx(x, rel=1e-8)


# Student's t --------------------------------------------------------------------------------------

DEGREES = np.array([1, 1.5, 2, 3.3, 7, 30, 100, 1000, 10_000])


@pytest.mark.parametrize("chance", [0.4, 0.05, 0.025, 0.001, 1e-6])
def test_the_quantile_of_student_is_exceeded_with_its_chance(chance):
    """It keeps the shape of its argument, and the tail undoes it, far out and near."""
    found = estimates.t_quantile(chance, DEGREES.reshape(3, 3))
    assert found.ravel() == pytest.approx(stats.t.isf(chance, DEGREES), rel=1e-7)
    assert estimates.t_tail(found.ravel(), DEGREES) == pytest.approx(chance, rel=1e-7)
    assert estimates.t_tail(-found.ravel(), DEGREES) == pytest.approx(1 - chance, rel=1e-7)


def test_a_row_without_launches_has_no_error_among_others_that_have():
    """Whatever the others' errors say."""
    effect = np.random.default_rng(0).normal(0, 0.01, (6, 4))
    effect[0] = np.nan
    found = estimates.estimate(effects.Effects(effect, np.zeros_like(effect)))
    assert np.isnan(found.standard_error[0])
    assert found.df[0] == 0
