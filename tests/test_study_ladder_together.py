"""Beside the shown best: the rows of a setting hold at once, and are no wider than that takes."""

import numpy as np
import pytest

from studies import noise
from studies.ladder import UNEQUAL, all_launches, campaign, mark_rows
from studies.noise import SCENARIOS, TWO_LOUD
from timelift.analyse.ranking import rank

FIVE, CAMPAIGN = (5, all_launches), (12, campaign)
EVERY = range(len(SCENARIOS))


def marked(costs, plan=FIVE, places=(1, 2), runs=2):
    """The marks of some scenarios, by what is marked."""
    by_scenario = [
        mark_rows(SCENARIOS[place], costs, runs, np.random.default_rng([21, place]), plan)
        for place in places
    ]
    parts = ("together", "alone", "prices", "width")
    return {part: np.concatenate([getattr(one, part) for one in by_scenario]) for part in parts}


def equal_and_unequal(rivals):
    """What so many rivals cost, without and with differences."""
    return np.zeros(rivals), UNEQUAL[:rivals]


@pytest.mark.parametrize(
    "rivals", [5, *(pytest.param(some, marks=pytest.mark.whole) for some in (2, 8, 12))]
)
def test_all_intervals_of_a_setting_hold_at_once(rivals):
    for costs in equal_and_unequal(rivals):
        marks = marked(costs, places=EVERY)
        assert marks["together"].mean() >= 0.94
        assert marks["prices"].mean() >= 0.94


@pytest.mark.parametrize("launches", [3, 8])
@pytest.mark.whole
@pytest.mark.parametrize("rivals", [5, 12])
def test_few_launches_and_many_hold_as_well(rivals, launches):
    marks = marked(UNEQUAL[:rivals], (launches, all_launches), [1, 4, 8, 11])
    assert marks["together"].mean() >= 0.94


@pytest.mark.whole
@pytest.mark.parametrize("rivals", [5, 8])
def test_a_campaign_that_looks_and_stops_holds_as_well(rivals):
    for costs in equal_and_unequal(rivals):
        assert marked(costs, CAMPAIGN, [1, 5, 11], runs=3)["together"].mean() >= 0.94


def test_a_campaign_that_ends_by_price_seldom_tells_one_too_low():
    costs = np.log1p([0.0, *[0.025] * 4])
    by_scenario = [
        mark_rows(SCENARIOS[place], costs, 3, np.random.default_rng([5, place]), CAMPAIGN)
        for place in (1, 2, 8)
    ]
    assert np.mean([one.cheap.mean() for one in by_scenario]) > 0.7
    assert np.mean([one.wrongly.mean() for one in by_scenario]) <= 0.02


@pytest.mark.parametrize(
    ("rivals", "widest"),
    [(2, 1.001), (5, 1.5), (8, 1.7), pytest.param(12, 1.8, marks=pytest.mark.whole)],
)
def test_they_are_little_wider_than_that_takes(rivals, widest):
    assert np.median(marked(np.zeros(rivals))["width"]) < widest
    clear = np.log1p(np.linspace(0, 5, rivals))
    assert np.median(marked(clear)["width"]) < 1 + 0.85 * (widest - 1)


def test_intervals_that_hold_one_by_one_do_not_hold_at_once():
    marks = marked(np.zeros(12), runs=4)
    assert marks["alone"].mean() < 0.6
    assert marks["together"].mean() > 0.94


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
