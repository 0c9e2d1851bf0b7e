"""From samples to verdicts: the laws of the ladder, and slow oracles for its rungs."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import optimize, special

from timelift import effects, estimates, location, moderate, noise, stats
from timelift.effects import Effects
from timelift.stats import Verdict

# Nothing here depends on how long it takes, so neither does hypothesis.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

QUIET = noise.Scenario("quiet", launch_sd=0.004, round_sd=0.02)

rows = arrays.arrays(
    float, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-0.5, 0.5, width=32)
)


def plain(effect):
    """Effects whose launches know no error of their own."""
    effect = np.asarray(effect, dtype=float)
    return Effects(effect, np.full_like(effect, np.nan))


def pair(ratio, launches=5, scenario=QUIET, seed=0):
    """Samples (launches, rounds) of two rivals, the second `ratio` times as slow."""
    shape = noise.Shape(settings=1, rivals=2, launches=launches)
    random = np.random.default_rng(seed)
    return noise.seconds(scenario, shape, np.log([1, ratio]), random)[0]


def verdict(a, b, **how):
    """The verdict of one comparison alone."""
    one = effects.launch_effects(a[None], b[None])
    return stats.compare(one, **how)[0].verdict


# Launch effects ----------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=30), st.floats(0, 0.5))
def test_the_trimmed_mean_averages_what_is_left_after_cutting(values, trim):
    """Against the definition, one value at a time."""
    cut = min(math.floor(trim * len(values)), (len(values) - 1) // 2)
    kept = sorted(values)[cut : len(values) - cut]
    found = location.trimmed_mean(np.array([*values, np.nan]), trim)
    assert found == pytest.approx(statistics.fmean(kept), abs=1e-9)


def test_cutting_half_leaves_the_median():
    """Of odd and of even numbers of values."""
    for values in ([3.0, 1.0, 2.0], [4.0, 1.0, 2.0, 3.0]):
        assert location.trimmed_mean(np.array(values), location.HALF) == np.median(values)


def slow_batch_error(values):
    """The error of a trimmed mean by batches, one value at a time."""
    played = [value for value in values if not math.isnan(value)]
    cut = math.floor(location.TRIM * len(played))
    low, high = sorted(played)[cut], sorted(played)[len(played) - cut - 1]
    batches = [[] for _ in range(location.BATCHES)]
    for place, value in enumerate(played):
        batches[place * location.BATCHES // len(played)].append(min(max(value, low), high))
    spread = statistics.stdev(statistics.fmean(batch) for batch in batches)
    return spread / location.BATCHES**0.5 / (1 - 2 * location.TRIM)


@given(st.lists(st.floats(-1, 1, width=32) | st.just(math.nan), max_size=40))
def test_batches_hold_the_rounds_played_in_their_order(values):
    """Against the definition; with fewer rounds than batches the error is not known."""
    found = float(location.batch_error(np.array([*values, math.nan])))
    if sum(not math.isnan(value) for value in values) < location.BATCHES:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(slow_batch_error(values), abs=1e-9)


def test_rounds_that_remember_have_a_larger_error_than_their_number_says():
    """At a correlation of 0.8 of neighbours, batches see it and single rounds do not."""
    scenario = noise.Scenario("sticky", launch_sd=1e-9, memory=0.8)
    shape = noise.Shape(settings=200, rivals=2, launches=1, rounds=120)
    times = noise.seconds(scenario, shape, np.zeros(2), np.random.default_rng(1))
    found = effects.launch_effects(times[:, 0], times[:, 1])
    naive = np.std(np.log(times[:, 1] / times[:, 0]), axis=-1) / 120**0.5
    true = np.std(found.effect)
    assert np.mean(found.error) == pytest.approx(true, rel=0.25)
    assert np.mean(naive) < 0.6 * true


def test_a_round_that_one_rival_sat_out_is_no_round():
    """It drops for the pair, whichever of the two it was."""
    a, b = pair(1.3, launches=1)
    whole = effects.launch_effects(a[:, :30], b[:, :30]).effect
    a[:, 30:35], b[:, 35:] = np.nan, np.nan
    assert effects.launch_effects(a, b).effect == pytest.approx(whole)


@pytest.mark.parametrize("impossible", [0.0, -1.0])
def test_a_time_that_no_clock_can_show_is_no_round(impossible):
    """A clock that did not tick tells nothing of a ratio."""
    a, b = pair(1.3, launches=1)
    whole = effects.launch_effects(a[:, 1:], b[:, 1:]).effect
    a[:, 0] = impossible
    assert effects.launch_effects(a, b).effect == pytest.approx(whole)


def test_bursts_on_one_side_hardly_move_the_effect():
    """A fifth of the rounds may be stolen from."""
    a, b = pair(1.1, launches=1)
    calm = effects.launch_effects(a, b).effect
    b[:, ::6] *= 4
    assert effects.launch_effects(a, b).effect == pytest.approx(calm, abs=0.015)


@given(st.integers(0, 10_000), st.integers(2, 6))
@settings(max_examples=20)
def test_effects_of_one_launch_add_up(seed, rivals):
    """From a to c is from a to b and from b to c, where all three played."""
    shape = noise.Shape(settings=1, rivals=rivals, launches=2, rounds=9)
    random = np.random.default_rng(seed)
    times = noise.seconds(QUIET, shape, random.normal(0, 1, rivals), random)[0]
    table = np.zeros((rivals, rivals, 2))
    table[np.triu_indices(rivals, 1)] = effects.all_pairs(times).effect
    assert table[0, 1:] == pytest.approx(table[0, 1] + table[1, 1:])


def test_effects_add_up_among_those_who_played_and_are_absent_elsewhere():
    """A rival that missed a launch has no effect there and bends no other."""
    times = noise.seconds(QUIET, noise.Shape(1, 3, 2), np.log([1, 2, 4]), np.random.default_rng(2))[
        0
    ]
    times[2, 1] = np.nan
    ab, ac, bc = effects.all_pairs(times).effect
    assert np.isnan([ac[1], bc[1]]).all()
    assert ab[1] == pytest.approx(effects.launch_effects(times[0], times[1]).effect[1])
    assert ac[0] == pytest.approx(ab[0] + bc[0])


# Moderated variances -----------------------------------------------------------------------------


def spread_of(variance, df, covariate=None):
    """Variances of independent comparisons."""
    variance = np.asarray(variance, dtype=float)
    nothing = np.full_like(variance, np.nan) if covariate is None else covariate
    return moderate.Spread(variance, np.full_like(variance, df), nothing, np.ones_like(variance))


def slow_prior(variance, df):
    """Smyth's moments, one variance at a time, solved by scipy."""
    logs = [math.log(one) - special.digamma(df / 2) + math.log(df / 2) for one in variance]
    count = len(logs)
    seen = statistics.variance(logs) * (1 + moderate.DOUBT * math.sqrt(2 / (count - 1)))
    excess = max(seen - special.polygamma(1, df / 2), special.polygamma(1, 15))
    half = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-6, 1e6)
    scale = math.exp(statistics.fmean(logs) + special.digamma(half) - math.log(half))
    return max(2 * half - moderate.CAUTION, 0), scale


@given(st.lists(st.floats(1e-6, 1), min_size=4, max_size=25), st.sampled_from([2, 4, 7, 11]))
def test_the_prior_is_fitted_by_moments_of_the_log_variances(variance, df):
    """Against a slow oracle, and so is the average that it is used for."""
    degrees, scale = slow_prior(variance, df)
    prior = moderate.fit_prior(spread_of(variance, df))
    assert prior.df == pytest.approx(degrees, rel=1e-5, abs=1e-6)
    assert prior.variance == pytest.approx(scale, rel=1e-6)
    mixed, total = moderate.moderate(spread_of(variance, df))
    expected = [(df * own + degrees * scale) / (df + degrees) for own in variance]
    assert mixed == pytest.approx(expected, rel=1e-5)
    assert total == pytest.approx(min(df + degrees, df * len(variance)), rel=1e-5)


def test_a_prior_recovers_what_variances_are_drawn_from():
    """3,000 variances of 4 degrees around a prior worth 8."""
    random = np.random.default_rng(3)
    true = 0.01 * 8 / random.chisquare(8, 3000)
    prior = moderate.fit_prior(spread_of(true * random.chisquare(4, 3000) / 4, 4))
    assert prior.df + moderate.CAUTION == pytest.approx(8, rel=0.2)
    assert prior.variance == pytest.approx(0.01, rel=0.1)


def test_a_prior_follows_a_covariate_that_variances_follow():
    """Where variances rise with it a hundredfold, so does the prior, and it is then worth more."""
    random = np.random.default_rng(4)
    covariate = random.uniform(0, np.log(100), 400)
    variance = 1e-4 * np.exp(covariate) * random.chisquare(4, 400) / 4
    follows = moderate.fit_prior(spread_of(variance, 4, covariate))
    level = moderate.fit_prior(spread_of(variance, 4))
    assert follows.variance == pytest.approx(1e-4 * np.exp(covariate), rel=0.25)
    assert follows.df > 4 * level.df


@pytest.mark.parametrize("comparisons", [1, 2])
def test_too_few_comparisons_are_left_as_they_are(comparisons):
    """Two variances do not say what variances look like."""
    variance = [0.01, 0.04][:comparisons]
    mixed, total = moderate.moderate(spread_of(variance, 3))
    assert mixed.tolist() == variance
    assert total.tolist() == [3] * comparisons


def test_pairs_of_one_setting_lend_each_other_no_degrees_they_do_not_have():
    """Ten pairs of five rivals in three launches have eight degrees, however alike they look."""
    times = noise.seconds(QUIET, noise.Shape(1, 5, 3), np.zeros(5), np.random.default_rng(5))[0]
    one = effects.all_pairs(times)
    share = stats.independence(np.zeros(10, dtype=int))
    assert share.sum() == pytest.approx(4)
    assert estimates.estimate(one, share).df.max() <= 8 + 1e-9


# Verdicts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (1.0, Verdict.SAME),
        (1.004, Verdict.SAME),
        (1.2, Verdict.SLOWER),
        (1 / 1.2, Verdict.FASTER),
        (3.0, Verdict.SLOWER),
    ],
)
def test_quiet_rivals_are_called_by_their_ratio(ratio, word):
    """Five launches of a quiet machine."""
    assert verdict(*pair(ratio)) is word


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_fifth_is_never_called_the_same(seed):
    """However loud the machine is."""
    for scenario in noise.SCENARIOS:
        assert verdict(*pair(1.2, scenario=scenario, seed=seed)) is not Verdict.SAME


@pytest.mark.parametrize("launches", [1, 2])
@pytest.mark.parametrize("ratio", [1.0, 1.2, 50.0])
def test_two_launches_are_no_verdict(launches, ratio):
    """Neither a huge difference nor none at all, also in a run that knows its variances."""
    assert verdict(*pair(ratio, launches)) is Verdict.UNDECIDED
    shape = noise.Shape(settings=30, rivals=2, launches=launches)
    times = noise.seconds(QUIET, shape, np.log([1, ratio]), np.random.default_rng(6))
    found = stats.compare(effects.launch_effects(times[:, 0], times[:, 1]))
    assert {one.verdict for one in found} == {Verdict.UNDECIDED}


def test_one_launch_gives_an_interval_that_admits_other_launches():
    """It is marked, has no p, and is wider than what rounds alone would say."""
    a, b = pair(1.1, launches=1)
    one = effects.launch_effects(a[None], b[None])
    (found,) = stats.compare(one)
    assert found.within_one_launch
    assert math.isnan(found.p)
    assert found.low < found.effect < found.high
    assert found.high - found.effect > estimates.ASSUMED_LAUNCH_SD
    assert found.high - found.effect > 2 * one.error[0, 0]


def test_no_shared_launch_is_no_comparison():
    """Nothing is known, and nothing is said."""
    (found,) = stats.compare(plain([[np.nan, np.nan]]))
    assert found.launches == 0
    assert np.isnan([found.effect, found.low, found.high, found.detectable]).all()
    assert found.verdict is Verdict.UNDECIDED


def test_equal_to_the_last_digit_is_the_same_and_no_division_by_zero():
    """A clock too coarse to show any noise still has one difference and one equality."""
    equal, apart = stats.compare(plain([[0.0] * 4, [0.2] * 4]))
    assert (equal.verdict, apart.verdict) == (Verdict.SAME, Verdict.SLOWER)


@pytest.mark.parametrize(
    ("launches", "contrary", "word"),
    [
        (5, 1, Verdict.SLOWER),
        (5, 2, Verdict.UNDECIDED),
        (12, 3, Verdict.SLOWER),
        (12, 4, Verdict.UNDECIDED),
    ],
)
def test_a_difference_needs_nearly_all_launches_on_its_side(launches, contrary, word):
    """However sure a run with quiet neighbours would be of the mean."""
    signs = np.ones(launches)
    signs[:contrary] = -0.01
    calm = 0.001 * np.random.default_rng(7).normal(size=(200, launches))
    quiet_neighbours = Effects(
        np.vstack([0.3 * signs, 0.3 * signs + calm]), np.full((201, launches), np.nan)
    )
    found = stats.compare(quiet_neighbours, families=[0, *range(1, 201)])[0]
    assert found.p < 0.05
    assert found.verdict is word


def test_a_difference_under_the_margin_is_not_called_one():
    """However sure it is."""
    effect = 0.01 + 0.0005 * np.random.default_rng(8).normal(size=(1, 8))
    (found,) = stats.compare(plain(effect), theta=0.02)
    assert found.p < 0.001
    assert found.verdict is Verdict.SAME
    assert stats.compare(plain(effect), theta=0.005)[0].verdict is Verdict.SLOWER


def test_what_is_called_detectable_is_found_nine_times_in_ten():
    """Planted exactly as large as it says, among comparisons as noisy as it assumes."""
    shape = noise.Shape(settings=400, rivals=2, launches=5)
    normal = noise.Scenario("plain", launch_sd=0.0, round_sd=0.06)
    at_rest = noise.seconds(normal, shape, np.zeros(2), np.random.default_rng(9))
    claims = stats.compare(effects.launch_effects(at_rest[:, 0], at_rest[:, 1]))
    size = statistics.median(one.detectable for one in claims)
    moved = noise.seconds(normal, shape, np.array([0, size]), np.random.default_rng(10))
    found = stats.compare(effects.launch_effects(moved[:, 0], moved[:, 1]))
    assert 0.85 < np.mean([one.verdict is Verdict.SLOWER for one in found]) < 0.95


# Laws --------------------------------------------------------------------------------------------


def as_tuple(comparison):
    """All numbers of a comparison."""
    one = comparison
    return (one.effect, one.low, one.high, one.family_low, one.family_high, one.p, one.detectable)


@given(rows)
@settings(max_examples=60)
def test_swapping_a_pair_changes_the_sign_and_nothing_else(effect):
    """Every number, and faster for slower."""
    there, back = stats.compare(plain(effect)), stats.compare(plain(-effect))
    for one, other in zip(there, back, strict=True):
        assert as_tuple(other.swapped()) == pytest.approx(as_tuple(one), nan_ok=True)
        assert other.swapped().verdict is one.verdict


def test_swapping_turns_faster_into_slower():
    """And back."""
    a, b = pair(1.2)
    assert (verdict(a, b), verdict(b, a)) == (Verdict.SLOWER, Verdict.FASTER)


@given(st.floats(1e-6, 1e6), st.integers(0, 1000))
@settings(max_examples=20)
def test_the_unit_of_time_does_not_matter(unit, seed):
    """Seconds or hours, the ratio is the ratio."""
    a, b = pair(1.05, seed=seed)
    seconds = stats.compare(effects.launch_effects(a[None], b[None]))[0]
    hours = stats.compare(effects.launch_effects(unit * a[None], unit * b[None]))[0]
    assert as_tuple(hours) == pytest.approx(as_tuple(seconds), rel=1e-6, abs=1e-9)
    assert hours.verdict is seconds.verdict


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_launches_and_of_comparisons_does_not_matter(effect, random):
    """Each comparison keeps its numbers, wherever it stands."""
    rows_order = random.sample(range(len(effect)), len(effect))
    launch_order = random.sample(range(effect.shape[1]), effect.shape[1])
    expected = [stats.compare(plain(effect))[row] for row in rows_order]
    found = stats.compare(plain(effect[rows_order][:, launch_order]))
    for one, other in zip(found, expected, strict=True):
        assert as_tuple(one) == pytest.approx(as_tuple(other), rel=1e-6, nan_ok=True)


@given(rows, st.floats(0.001, 0.3), st.floats(1, 5))
@settings(max_examples=60)
def test_a_wider_margin_calls_more_the_same_and_less_different(effect, theta, factor):
    """As the margin grows, nothing that was the same stops being so, and no difference appears."""
    different = (Verdict.FASTER, Verdict.SLOWER)
    narrow = stats.compare(plain(effect), theta=theta)
    wide = stats.compare(plain(effect), theta=theta * factor)
    for before, after in zip(narrow, wide, strict=True):
        assert before.verdict is not Verdict.SAME or after.verdict is Verdict.SAME
        assert after.verdict not in different or before.verdict is after.verdict


def slow_holm(p):
    """Holm's step-down as in the paper: the smallest p against all, the next against the rest."""
    adjusted, worst = {}, 0.0
    for place, (value, index) in enumerate(sorted((value, i) for i, value in enumerate(p))):
        worst = max(worst, min(1.0, value * (len(p) - place)))
        adjusted[index] = worst
    return [adjusted[i] for i in range(len(p))]


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=6), min_size=1, max_size=5))
def test_p_values_are_adjusted_within_their_family_alone(families):
    """Against a slow oracle, with one family's rows between another's and an untested row."""
    tagged = [(p, name) for name, group in enumerate(families) for p in group]
    tagged = tagged[::2] + tagged[1::2] + [(math.nan, 0)]
    found = stats.holm(np.array([p for p, _ in tagged]), np.array([name for _, name in tagged]))
    for name in range(len(families)):
        mine = [(p, q) for (p, tag), q in zip(tagged[:-1], found, strict=False) if tag == name]
        assert [q for _, q in mine] == pytest.approx(slow_holm([p for p, _ in mine]))
    assert math.isnan(found[-1])
