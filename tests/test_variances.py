"""Variances: shrunk towards what those of the run foretell."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special

from studies import noise
from tests.support.simulated import QUIET
from timelift.analyse import effects, estimates, variances


def spread_of(variance, df, covariate=None):
    variance = np.asarray(variance, dtype=float)
    nothing = np.full_like(variance, np.nan) if covariate is None else covariate
    return variances.Spread(variance, np.full_like(variance, df), nothing, np.ones_like(variance))


def slow_prior(variance, df):
    """Smyth's moments, one variance at a time, solved by scipy."""
    logs = [math.log(one) - special.digamma(df / 2) + math.log(df / 2) for one in variance]
    count = len(logs)
    seen = statistics.variance(logs) * (1 + variances.DOUBT * math.sqrt(2 / (count - 1)))
    excess = max(seen - special.polygamma(1, df / 2), special.polygamma(1, 15))
    half = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e6)
    scale = math.exp(statistics.fmean(logs) + special.digamma(half) - math.log(half))
    return max(2 * half - variances.CAUTION, 0), scale


@given(st.lists(st.floats(1e-6, 1), min_size=4, max_size=25), st.sampled_from([2, 4, 7, 11]))
def test_the_prior_is_fitted_by_moments_of_the_log_variances(variance, df):
    degrees, scale = slow_prior(variance, df)
    prior = variances.fit_prior(spread_of(variance, df))
    assert prior.df == pytest.approx(degrees, rel=1e-5, abs=1e-6)
    assert prior.variance == pytest.approx(scale, rel=1e-6)
    mixed, total = variances.shrink_variances(spread_of(variance, df))
    expected = [(df * own + degrees * scale) / (df + degrees) for own in variance]
    assert mixed == pytest.approx(expected, rel=1e-5)
    assert total == pytest.approx(min(df + degrees, df * len(variance)), rel=1e-5)


def test_a_prior_follows_a_covariate_that_variances_follow():
    random = np.random.default_rng(4)
    covariate = random.uniform(0, np.log(100), 400)
    variance = 1e-4 * np.exp(covariate) * random.chisquare(4, 400) / 4
    follows = variances.fit_prior(spread_of(variance, 4, covariate))
    level = variances.fit_prior(spread_of(variance, 4))
    assert follows.variance == pytest.approx(1e-4 * np.exp(covariate), rel=0.25)
    assert follows.df[0] > 4 * level.df[0]


def test_a_comparison_of_one_launch_receives_the_variance_of_the_prior():
    variance = 0.01 * np.random.default_rng(3).chisquare(4, 50) / 4
    spread = spread_of([math.nan, *variance], [0, *[4] * 50])
    prior = variances.fit_prior(spread)
    mixed, total = variances.shrink_variances(spread)
    assert (mixed[0], total[0]) == pytest.approx((prior.variance[0], prior.df[0]))


@pytest.mark.parametrize("comparisons", [1, 2])
def test_too_few_comparisons_are_left_as_they_are(comparisons):
    variance = [0.01, 0.04][:comparisons]
    mixed, total = variances.shrink_variances(spread_of(variance, 3))
    assert mixed.tolist() == variance
    assert total.tolist() == [3] * comparisons


def test_pairs_of_one_setting_lend_each_other_no_degrees_they_do_not_have():
    times = noise.seconds(QUIET, noise.Shape(1, 5, 3), np.zeros(5), np.random.default_rng(5))[0]
    one = effects.all_pairs(times)
    family = np.zeros(10, dtype=int)
    assert (2 / variances.rivals_in(family)).sum() == pytest.approx(4)
    assert estimates.estimate(one, family).df.max() <= 8 + 1e-9


def slow_log_variance_of_others(variance, numbers):
    """The mean log variance of the pairs apart from each, row by row."""
    means = []
    for row, number in enumerate(numbers):
        mine = [at for at, one in enumerate(numbers) if one == number]
        rivals = next(n for n in range(2, 20) if n * (n - 1) // 2 == len(mine))
        sides = dict(zip(mine, itertools.combinations(range(rivals), 2), strict=True))
        apart = [variance[at] for at in mine if not {*sides[at]} & {*sides[row]}]
        logs = [math.log(one) + np.euler_gamma for one in apart if math.isfinite(one)]
        means.append(statistics.fmean(logs) if logs else math.nan)
    return means


#: Families of five rivals, two, three, four and five, one after the other; three of five in turns.
NUMBERS = {"blocks": [4] * 10 + [1] + [7] * 3 + [0] * 6 + [3] * 10, "turns": [0, 1, 2] * 10}


@pytest.mark.parametrize("order", NUMBERS)
def test_the_log_variance_of_others_is_that_of_the_pairs_of_other_rivals(order):
    numbers = np.array(NUMBERS[order])
    variance = np.random.default_rng(8).chisquare(2, len(numbers))
    variance[[2, 5, 25]] = np.nan
    means = variances.others_log_variance(variance, np.full(len(numbers), 2.0), numbers)
    assert means == pytest.approx(slow_log_variance_of_others(variance, [*numbers]), nan_ok=True)
    few = np.isin(variances.rivals_in(numbers), (2, 3))
    assert np.isnan(means).tolist() == few.tolist()


def test_a_setting_of_many_rivals_needs_no_more_room_than_its_pairs():
    family = np.zeros(300 * 299 // 2, int)
    means = variances.others_log_variance(np.ones(len(family)), np.full(len(family), 2.0), family)
    assert means == pytest.approx(np.euler_gamma)


def test_families_that_are_not_all_pairs_are_refused():
    with pytest.raises(ValueError, match=r"all pairs of rivals, received \[1, 2\]"):
        variances.rivals_in(np.array([5, 6, 6]))


def settings_of(scale, random, loudness=1):
    """Variances of all pairs of five rivals in settings of these variances, with their families."""
    errors = random.normal(0, np.sqrt(scale)[:, None, None] / 2**0.5, (len(scale), 5, 3)) * loudness
    first, second = np.triu_indices(5, 1)
    variance = (errors[:, second] - errors[:, first]).var(-1, ddof=1)
    return variance.ravel(), np.repeat(np.arange(len(scale)), 10)


def priors_of_pairs(variance, numbers):
    """The priors of all pairs, with the variance of the others of their setting and without."""
    share, df = 2 / variances.rivals_in(numbers), np.full_like(variance, 2)
    nothing = np.full_like(variance, np.nan)
    spreads = (variances.Spread(variance, df, nothing, share, one) for one in (numbers, None))
    return map(variances.fit_prior, spreads)


def test_a_prior_follows_the_other_pairs_of_a_setting():
    random = np.random.default_rng(9)
    scale = 1e-4 * 10 ** random.uniform(-1, 1, 300)
    variance, numbers = settings_of(scale, random)
    near, far = priors_of_pairs(variance, numbers)
    assert near.df.min() > 2 * far.df.max()
    error = [np.abs(np.log(one.variance / np.repeat(scale, 10))).mean() for one in (near, far)]
    assert error[0] < 0.6 * error[1]
    variance, numbers = settings_of(np.full(300, 1e-4), random)
    near, far = priors_of_pairs(variance, numbers)
    assert near.df.min() > 0.8 * far.df.max()


def test_a_prior_does_not_follow_pairs_that_are_quiet_because_others_are_loud():
    random = np.random.default_rng(10)
    loudness = np.array([1, 1, 1, 8, 8])[:, None]
    variance, numbers = settings_of(np.full(300, 2e-4), random, loudness)
    near, far = priors_of_pairs(variance, numbers)
    assert near.df.tolist() == far.df.tolist()
    assert near.variance.tolist() == far.variance.tolist()


@pytest.mark.parametrize("rivals", [2, 3, 5, 8])
def test_what_each_rival_brings_to_the_variances_of_its_pairs_is_told_apart(rivals):
    brought = np.random.default_rng(12).uniform(0.1, 9, (3, rivals))
    brought[:, 0] = brought[:, 1] if rivals == 2 else brought[:, 0]
    sides = [brought[:, side] for side in np.triu_indices(rivals, 1)]
    numbers = np.repeat([2, 0, 1], sides[0].shape[1])
    louder = variances.of_louder_rival(np.mean(sides, axis=0).ravel(), numbers)
    assert louder == pytest.approx(np.maximum(*sides).ravel())
