"""Verdicts: what they need, what they refuse, and the laws that they keep."""

import dataclasses
import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from tests.support.simulated import pair, plain
from timelift.analyse import effects, estimates, verdicts
from timelift.analyse.verdicts import Verdict

rows = arrays.arrays(
    float, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-0.5, 0.5, width=32)
)


def test_one_launch_gives_an_interval_that_admits_other_launches():
    a, b = pair(1.1, launches=1)
    one = effects.launch_effects(a[None], b[None])
    (comparison,) = verdicts.compare(one)
    assert not comparison.is_over_launches
    assert math.isnan(comparison.p)
    assert comparison.low < comparison.value < comparison.high
    assert comparison.high - comparison.value > estimates.ASSUMED_LAUNCH_SD
    assert comparison.high - comparison.value > 2 * one.standard_error[0, 0]


def test_equal_to_the_last_digit_is_the_same_and_no_division_by_zero():
    equal, apart = verdicts.compare(plain([[0.0] * 4, [0.2] * 4]))
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
    signs = np.ones(launches)
    signs[:contrary] = -0.01
    calm = 0.001 * np.random.default_rng(7).normal(size=(200, launches))
    comparison = verdicts.compare(plain([0.3 * signs, *(0.3 * signs + calm)]))[0]
    assert comparison.p < 0.05
    assert comparison.verdict is word


def test_a_pair_alone_is_different_only_where_its_chance_is_far_below_five_per_cent():
    for effect, word in (
        ([0.08, 0.1, 0.12], Verdict.UNDECIDED),
        ([0.096, 0.1, 0.104], Verdict.SLOWER),
    ):
        (comparison,) = verdicts.compare(plain([effect]))
        assert comparison.p < 0.05
        assert comparison.verdict is word


def test_a_difference_counts_from_the_margin_on():
    five, sure = np.array([5.0]), np.array([1e-9])
    exact = estimates.Estimates(np.array([0.02]), np.array([1e-4]), five, five, five)
    for margin, word in ((0.02, Verdict.SLOWER), (0.0201, Verdict.UNDECIDED)):
        assert verdicts.verdicts(exact, sure, margin, 0.05, 0.05) == [word]


def as_tuple(comparison):
    return tuple(number for number in dataclasses.astuple(comparison) if isinstance(number, float))


@given(rows)
@settings(max_examples=60)
def test_swapping_a_pair_changes_the_sign_and_nothing_else(effect):
    there, back = verdicts.compare(plain(effect)), verdicts.compare(plain(-effect))
    for one, other in zip(there, back, strict=True):
        assert as_tuple(other.swapped()) == pytest.approx(as_tuple(one), nan_ok=True)
        assert other.swapped().verdict is one.verdict


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_launches_and_of_comparisons_does_not_matter(effect, random):
    rows_order = random.sample(range(len(effect)), len(effect))
    launch_order = random.sample(range(effect.shape[1]), effect.shape[1])
    expected = [verdicts.compare(plain(effect))[row] for row in rows_order]
    shuffled = verdicts.compare(plain(effect[rows_order][:, launch_order]))
    for one, other in zip(shuffled, expected, strict=True):
        assert as_tuple(one) == pytest.approx(as_tuple(other), rel=1e-6, nan_ok=True)


def slow_holm(p):
    """Holm's step-down as in the paper: the smallest p against all, the next against the rest."""
    adjusted, worst = {}, 0.0
    for place, (value, index) in enumerate(sorted((value, i) for i, value in enumerate(p))):
        worst = max(worst, min(1.0, value * (len(p) - place)))
        adjusted[index] = worst
    return [adjusted[i] for i in range(len(p))]


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=6), min_size=1, max_size=5))
def test_p_values_are_adjusted_within_their_family_alone(families):
    tagged = [(p, name) for name, group in enumerate(families) for p in group]
    tagged = tagged[::2] + tagged[1::2] + [(math.nan, 0)]
    adjusted = verdicts.holm(np.array([p for p, _ in tagged]), np.array([one for _, one in tagged]))
    for name in range(len(families)):
        mine = [(p, q) for (p, tag), q in zip(tagged[:-1], adjusted, strict=False) if tag == name]
        assert [q for _, q in mine] == pytest.approx(slow_holm([p for p, _ in mine]))
    assert math.isnan(adjusted[-1])


def test_intervals_of_a_family_miss_no_more_often_together_than_one_alone():
    """By Bonferroni: each of three pairs misses a third as often."""
    effect = np.random.default_rng(2).normal(0, 0.01, (4, 5))
    compared = verdicts.compare(plain(effect), families=[0, 0, 0, 1])
    for one, pairs in zip(compared, (3, 3, 3, 1), strict=True):
        assert one.family_half_width == pytest.approx(one.half_width(0.025 / pairs))
        assert one.high - one.value == pytest.approx(one.half_width(0.025))


@pytest.mark.parametrize(("launches", "sd"), [(3, 0.02), (5, 0.02), (5, 0.03), (8, 0.03)])
def test_what_is_called_detectable_is_found_where_noise_decides_and_not_the_margin(launches, sd):
    def compared(shift):
        shape = (400, launches)
        return verdicts.compare(plain(np.random.default_rng(3).normal(shift, sd, shape)))

    size = statistics.median(one.detectable for one in compared(0.0))
    share = np.mean([one.verdict is Verdict.SLOWER for one in compared(size)])
    assert 0.85 < share < 0.95


@pytest.mark.parametrize(
    ("rivals", "candidates"), [(5, 1), (20, 1), (5, 2), (8, 3), (12, 6), (3, 3), (12, 12)]
)
def test_where_some_may_be_the_best_all_their_pairs_count(rivals, candidates):
    """From Dunnett's level, where one alone may be the best, to Tukey's, where any may."""
    error = np.random.default_rng(99).standard_normal((40_000, rivals))
    pairs = [(i, j) for i in range(candidates) for j in range(i + 1, rivals)]
    largest = np.max([np.abs(error[:, i] - error[:, j]) for i, j in pairs], axis=0)
    levels = verdicts.simultaneous_levels(rivals, candidates, 0.05)
    reach = stats.norm.isf(levels.below) * math.sqrt(2)
    assert np.mean(largest <= reach) == pytest.approx(0.95, abs=0.004)
    assert (levels.below == levels.above) == (candidates == 1)


def test_more_candidates_ask_for_more_and_upper_ends_pay_for_none():
    levels = [verdicts.simultaneous_levels(8, some, 0.05) for some in range(1, 9)]
    below = [one.below for one in levels]
    assert below == sorted(below, reverse=True)
    assert len({one.above for one in levels}) == 1
    assert verdicts.simultaneous_levels(2, 2, 0.05) == verdicts.PairLevels(0.05 / 2, 0.05 / 2)
