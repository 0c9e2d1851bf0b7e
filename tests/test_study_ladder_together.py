"""Beside the shown best: the rows of a setting hold at once, and are no wider than that takes."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import integrate, stats

from studies import noise
from studies.ladder import UNEQUAL, all_launches, campaign, mark_rows
from studies.noise import SCENARIOS, TWO_LOUD
from tests.simulated import run
from timelift.analyse.ranking import rank
from timelift.analyse.verdicts import PairLevels, simultaneous_levels

ALPHA = 0.05
#: How far simulated quantiles may lie beside exact ones.
CLOSE = 0.006


def reach(chance):
    """The normal quantile that is exceeded with `chance`."""
    return float(stats.norm.isf(chance))


@pytest.mark.parametrize("rivals", [3, 5, 8, 12, 20])
def test_where_any_rival_may_be_the_best_the_level_is_tukeys(rivals):
    expected = stats.studentized_range.ppf(1 - ALPHA, rivals, 1e6) / math.sqrt(2)
    found = simultaneous_levels(rivals, rivals, ALPHA)
    assert reach(found.below) == pytest.approx(expected, rel=CLOSE)


def dunnett(c, others):
    """The chance that none of so many others is further than `c` from a best that is known."""

    def inside(z):
        low, high = z - c * math.sqrt(2), z + c * math.sqrt(2)
        return stats.norm.pdf(z) * (stats.norm.cdf(high) - stats.norm.cdf(low)) ** others

    return integrate.quad(inside, -8, 8)[0]


@pytest.mark.parametrize("rivals", [3, 5, 8, 12, 20])
def test_where_one_rival_alone_may_be_the_best_the_level_is_dunnetts(rivals):
    found = simultaneous_levels(rivals, 1, ALPHA)
    assert found.below == found.above
    assert dunnett(reach(found.above), rivals - 1) == pytest.approx(1 - ALPHA, abs=0.003)


@pytest.mark.parametrize(("rivals", "candidates"), [(5, 2), (8, 3), (12, 6)])
def test_where_some_may_be_the_best_all_their_pairs_count(rivals, candidates):
    error = np.random.default_rng(99).standard_normal((40_000, rivals))
    pairs = [(i, j) for i in range(candidates) for j in range(i + 1, rivals)]
    largest = np.max([np.abs(error[:, i] - error[:, j]) for i, j in pairs], axis=0)
    found = simultaneous_levels(rivals, candidates, ALPHA)
    assert np.mean(largest <= reach(found.below) * math.sqrt(2)) == pytest.approx(0.95, abs=0.004)


def test_more_candidates_ask_for_more_and_upper_ends_pay_for_none():
    found = [simultaneous_levels(8, some, ALPHA) for some in range(1, 9)]
    below = [one.below for one in found]
    assert below == sorted(below, reverse=True)
    assert len({one.above for one in found}) == 1
    assert simultaneous_levels(2, 2, ALPHA) == PairLevels(ALPHA / 2, ALPHA / 2)


def _reaches(row):
    ratio = row.ratio
    return math.log(ratio.high / ratio.value), math.log(ratio.value / ratio.low)


def test_rows_of_two_rivals_have_the_interval_of_their_pair():
    second = rank(run([1, 1.02], sizes=4))[0].rows[1]
    assert _reaches(second) == pytest.approx([second.half_width] * 2)


def test_rivals_that_are_surely_slower_make_lower_ends_no_longer():
    clear = rank(run([1, 1.3, 1.4, 1.5, 1.6, 1.7], sizes=4))[0].rows[1]
    equal = rank(run([1] * 6, sizes=4))[0].rows[1]
    up, down = _reaches(clear)
    assert up == pytest.approx(down)
    assert 1.2 < up / clear.half_width < 1.5
    up, down = _reaches(equal)
    assert down > 1.1 * up
    assert up > 1.2 * equal.half_width


def test_a_rival_of_one_launch_is_no_row_that_others_pay_for():
    found = run([1, 1.01, 1.5], sizes=4)
    found[2] = dataclasses.replace(found[2], launches=found[2].launches[:1])
    rows = {row.case.strategy: row for row in rank(found)[0].rows}
    once = rows["rival2"]
    assert np.isnan([once.ratio.low, once.seconds_per_call.low, once.half_width]).all()
    second = max((rows["rival0"], rows["rival1"]), key=lambda row: row.ratio.value)
    assert _reaches(second)[0] == pytest.approx(second.half_width)


FIVE, CAMPAIGN = (5, all_launches), (12, campaign)
EVERY = range(len(SCENARIOS))


def marked(costs, plan=FIVE, places=(1, 2), runs=2):
    """The marks of some scenarios, by what is marked."""
    found = [
        mark_rows(SCENARIOS[place], costs, runs, np.random.default_rng([21, place]), plan)
        for place in places
    ]
    parts = ("together", "alone", "prices", "width")
    return {part: np.concatenate([getattr(one, part) for one in found]) for part in parts}


def equal_and_unequal(rivals):
    """What so many rivals cost, without and with differences."""
    return np.zeros(rivals), UNEQUAL[:rivals]


@pytest.mark.parametrize(
    "rivals", [5, *(pytest.param(some, marks=pytest.mark.whole) for some in (2, 8, 12))]
)
def test_all_intervals_of_a_setting_hold_at_once(rivals):
    for costs in equal_and_unequal(rivals):
        found = marked(costs, places=EVERY)
        assert found["together"].mean() >= 0.94
        assert found["prices"].mean() >= 0.94


@pytest.mark.parametrize("launches", [3, 8])
@pytest.mark.whole
@pytest.mark.parametrize("rivals", [5, 12])
def test_few_launches_and_many_hold_as_well(rivals, launches):
    found = marked(UNEQUAL[:rivals], (launches, all_launches), [1, 4, 8, 11])
    assert found["together"].mean() >= 0.94


@pytest.mark.whole
@pytest.mark.parametrize("rivals", [5, 8])
def test_a_campaign_that_looks_and_stops_holds_as_well(rivals):
    for costs in equal_and_unequal(rivals):
        assert marked(costs, CAMPAIGN, [1, 5, 11], runs=3)["together"].mean() >= 0.94


def test_a_campaign_that_ends_by_price_seldom_tells_one_too_low():
    costs = np.log1p([0.0, *[0.025] * 4])
    found = [
        mark_rows(SCENARIOS[place], costs, 3, np.random.default_rng([5, place]), CAMPAIGN)
        for place in (1, 2, 8)
    ]
    assert np.mean([one.cheap.mean() for one in found]) > 0.7
    assert np.mean([one.wrongly.mean() for one in found]) <= 0.02


@pytest.mark.parametrize(
    ("rivals", "widest"),
    [(2, 1.001), (5, 1.5), (8, 1.7), pytest.param(12, 1.8, marks=pytest.mark.whole)],
)
def test_they_are_little_wider_than_that_takes(rivals, widest):
    assert np.median(marked(np.zeros(rivals))["width"]) < widest
    clear = np.log1p(np.linspace(0, 5, rivals))
    assert np.median(marked(clear)["width"]) < 1 + 0.85 * (widest - 1)


def test_intervals_that_hold_one_by_one_do_not_hold_at_once():
    found = marked(np.zeros(12), runs=4)
    assert found["alone"].mean() < 0.6
    assert found["together"].mean() > 0.94


def ranked(scenario, costs, runs, dice, **shape):
    """Rank so many simulated runs, setting by setting."""
    shaped = noise.Shape(rivals=len(costs), **shape)
    for _ in range(runs):
        yield from rank(noise.measurements(noise.seconds(scenario, shaped, costs, dice)))


@pytest.mark.parametrize("rivals", [5, pytest.param(12, marks=pytest.mark.whole)])
def test_a_run_of_one_setting_holds_as_well(rivals):
    dice = np.random.default_rng(rivals)
    every = ranked(TWO_LOUD, np.zeros(rivals), 150, dice, settings=1, launches=3)
    held = [all(row.ratio.low <= 1 <= row.ratio.high for row in one.rows) for one in every]
    assert np.mean(held) >= 0.93


def test_the_price_of_the_first_is_that_of_the_one_that_looked_fastest():
    costs = np.log1p(np.r_[0.0, np.full(11, 0.015)])
    every = ranked(SCENARIOS[1], costs, 8, np.random.default_rng(1), settings=40, launches=5)
    first = [one.rows[0] for one in every]
    best = np.array([row.case.strategy == "rival0" for row in first])
    paid = np.array([row.cost_over_best.high >= 1.015 for row in first])
    assert best.mean() < 0.9
    assert (best | paid).mean() > 0.96
