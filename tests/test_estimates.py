"""Effects of launches, robust to what a round suffers, and estimates: variances and Student's t."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from studies import noise
from tests.support import journals
from tests.support.simulated import QUIET, pair
from timelift.analyse import effects, estimates, variances
from timelift.measurement import CaseInLaunch, Facts, fact, merge


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


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30),
    st.floats(0, 0.5) | st.just(effects.HALF),
)
def test_the_trimmed_mean_averages_what_is_left_after_cutting(values, trim):
    cut = min(math.floor(trim * len(values)), (len(values) - 1) // 2)
    kept = sorted(values)[cut : len(values) - cut]
    trimmed = effects.trimmed_mean(np.array([*values, np.nan]), trim)
    assert trimmed == pytest.approx(statistics.fmean(kept), abs=1e-9)


def slow_batch_error(values):
    played = [value for value in values if not math.isnan(value)]
    cut = math.floor(effects.TRIM * len(played))
    low, high = sorted(played)[cut], sorted(played)[len(played) - cut - 1]
    batches = [[] for _ in range(effects.BATCHES)]
    for place, value in enumerate(played):
        batches[place * effects.BATCHES // len(played)].append(min(max(value, low), high))
    spread = statistics.stdev(statistics.fmean(batch) for batch in batches)
    return spread / effects.BATCHES**0.5 / (1 - 2 * effects.TRIM)


@given(st.lists(st.floats(-1, 1, width=32) | st.just(math.nan), max_size=40))
@example([])
def test_batches_hold_the_rounds_played_in_their_order(values):
    error = float(effects.batch_error(np.array(values)))
    if sum(not math.isnan(value) for value in values) < effects.BATCHES:
        assert math.isnan(error)
    else:
        assert error == pytest.approx(slow_batch_error(values), abs=1e-9)


def test_rounds_that_remember_have_a_larger_error_than_their_number_says():
    scenario = noise.Scenario("sticky", launch_sd=1e-9, memory=0.8)
    shape = noise.Shape(settings=200, rivals=2, launches=1, rounds=120)
    times = noise.seconds(scenario, shape, np.zeros(2), np.random.default_rng(1))
    estimated = effects.launch_effects(times[:, 0], times[:, 1])
    naive = np.std(np.log(times[:, 1] / times[:, 0]), axis=-1) / 120**0.5
    true = np.std(estimated.effect)
    assert np.mean(estimated.standard_error) == pytest.approx(true, rel=0.25)
    assert np.mean(naive) < 0.6 * true


def test_a_round_that_was_sat_out_or_that_no_clock_can_show_is_no_round():
    a, b = pair(1.3, launches=1)
    whole = effects.launch_effects(a[:, 2:30], b[:, 2:30]).effect
    a[:, :2], a[:, 30:35], b[:, 35:] = (0.0, -1.0), np.nan, np.nan
    assert effects.launch_effects(a, b).effect == pytest.approx(whole)


def test_bursts_on_one_side_hardly_move_the_effect():
    a, b = pair(1.1, launches=1)
    calm = effects.launch_effects(a, b).effect
    b[:, ::6] *= 4
    assert effects.launch_effects(a, b).effect == pytest.approx(calm, abs=0.015)


@given(st.integers(0, 10_000), st.integers(3, 6))
@settings(max_examples=20)
def test_effects_add_up_among_those_who_played_and_are_absent_elsewhere(seed, rivals):
    shape = noise.Shape(settings=1, rivals=rivals, launches=3, rounds=9)
    random = np.random.default_rng(seed)
    times = noise.seconds(QUIET, shape, random.normal(0, 1, rivals), random)[0]
    times[2:, 1] = times[-1, 2] = np.nan
    first, second = np.triu_indices(rivals, 1)
    table = np.zeros((rivals, rivals, 3))
    table[first, second] = effects.all_pairs(times).effect
    for launch, players in enumerate((rivals, 2, rivals - 1)):
        by_first = table[0, 1:players, launch]
        assert by_first == pytest.approx(by_first[0] + table[1, 1:players, launch])
        assert np.isnan(table[first, second, launch]).tolist() == (second >= players).tolist()
    assert table[0, 1, 1] == pytest.approx(effects.launch_effects(times[0], times[1]).effect[1])


def test_the_weights_are_those_of_least_squares_over_rivals_and_rounds():
    dice = np.random.default_rng(6)
    played = dice.random((4, 9)) < 0.6
    played[:, 0] = True
    logs = np.where(played, dice.normal(0, 0.1, (4, 9)), np.nan)
    rival, number = np.nonzero(played)
    design = np.hstack([np.eye(4)[rival], np.eye(9)[number]])
    level = np.linalg.lstsq(design, logs[played], rcond=None)[0][:4]
    by_round = effects.shared_rounds(np.exp(logs).T[:, :, None, None])[:, 0]
    first, second = np.triu_indices(4, 1)
    weights = by_round[:, first, second]
    single = np.nan_to_num((logs[second] - logs[first]).T)
    raw = (weights * single).sum(0) / weights.sum(0)
    fitted = effects.fit_scores(raw, weights.sum(0), 4)
    assert fitted == pytest.approx(level - level.mean())
    together = effects.shared_rounds(np.exp(logs)[:, None])[0][first, second]
    assert together == pytest.approx(weights.sum(0))


def test_rivals_that_a_chain_of_weak_pairs_joins_are_joined():
    dice = np.random.default_rng(1)
    level = dice.normal(0, 0.3, 100)
    first, second = np.triu_indices(100, 1)
    weights = np.where(second == first + 1, dice.choice([0.5, 50.0], len(first)), 0.0)
    fitted = effects.fit_scores(level[second] - level[first], weights, 100)
    assert fitted == pytest.approx(level - level.mean())
