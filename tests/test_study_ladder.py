"""What figures promise on simulated noise, beyond `studies.ladder --quick`, and on real noise."""

import math

import numpy as np
import pytest

from studies import ladder, noise
from studies.ladder import GRADES, all_launches, campaign, mark_rows
from studies.noise import RARE_LOUD, SCENARIOS, TWO_LOUD, Shape
from studies.real_noise import LADDERS, deal, dealt, equal_rivals, mark
from tests import journals
from tests.simulated import LOUD, QUIET
from timelift.analyse import effects, results, variances
from timelift.analyse.effects import AlignedSamples
from timelift.analyse.estimates import estimate
from timelift.analyse.ranking import rank
from timelift.analyse.verdicts import Verdict
from timelift.selftest.trust import twin_groups

RUNS = 4
#: The shares in which a rival 3 % and one 5 % slower than the best are found in each kind of noise.
FOUND = {
    "launch effects of 0.5 %": (0.85, 0.98),
    "launch effects of 1 %": (0.65, 0.98),
    "launch effects of 2 %": (0.3, 0.82),
    "bursts of stolen time": (0.5, 0.97),
}


@pytest.mark.parametrize("name", FOUND)
def test_differences_of_3_and_5_per_cent_are_found_in_five_launches(name):
    (place,) = (place for place, one in enumerate(SCENARIOS) if one.name == name)
    dice = np.random.default_rng([7, place])
    marks = ladder.mark(SCENARIOS[place], Shape(settings=40, launches=5), RUNS, dice)
    assert all(marks.beaten(rival) >= least for rival, least in enumerate(FOUND[name], 1))


@pytest.mark.parametrize("place", [5, *(pytest.param(n, marks=pytest.mark.whole) for n in (1, 11))])
def test_a_campaign_that_looks_and_stops_keeps_its_promises(place):
    shape = Shape(settings=40, rivals=5, launches=12)
    marks = ladder.mark(SCENARIOS[place], shape, RUNS, np.random.default_rng(place), campaign)
    assert marks.launches < 9
    assert marks.equal.coverage >= 0.93
    assert marks.equal.wrong.mean() <= 0.08


@pytest.mark.parametrize("rivals", [2, 5])
def test_a_run_of_one_setting_keeps_its_promises(rivals):
    shape = Shape(settings=1, rivals=rivals, launches=3)
    marks = ladder.mark(TWO_LOUD, shape, 150, np.random.default_rng(rivals))
    assert marks.equal.coverage >= 0.92
    assert marks.equal.wrong.mean() <= 0.1


def test_rivals_a_margin_apart_are_rarely_called_the_same():
    for launches, play in ((5, all_launches), (12, campaign)):
        shape = Shape(settings=300, rivals=2, launches=launches)
        random = np.random.default_rng(8)
        times = play(noise.seconds(SCENARIOS[1], shape, np.log([1, 1.02]), random))
        words = [one.verdict for one in ladder.compared(times).ravel()]
        assert words.count(Verdict.SAME) <= 0.08 * len(words)


def test_loud_rivals_cost_the_others_little_where_there_are_none(monkeypatch):
    scenario, shape = next(one for one in RARE_LOUD if one[0].name == "34 x 7, none")
    times = noise.seconds(scenario, shape, np.zeros(7), np.random.default_rng(4))
    pairs = effects.pairs_by_setting(
        [AlignedSamples(tuple(range(7)), setting) for setting in times]
    )
    cautious = estimate(*pairs).half_width(0.025)
    monkeypatch.setattr(variances, "LOUD_CHANCE", 1e-99)
    ratio = cautious / estimate(*pairs).half_width(0.025)
    assert 1.02 < ratio.mean() < 1.08
    assert np.median(ratio) == pytest.approx(1)


FIVE, CAMPAIGN = (5, all_launches), (12, campaign)


def marked(costs, plan=FIVE, places=(1, 2), runs=2, seed=21):
    by_scenario = [
        mark_rows(SCENARIOS[place], costs, runs, np.random.default_rng([seed, place]), plan)
        for place in places
    ]
    return {part: np.concatenate([one[part] for one in by_scenario]) for part in by_scenario[0]}


def test_a_campaign_that_ends_by_price_seldom_tells_one_too_low():
    costs = np.log1p([0.0, *[0.025] * 4])
    marks = marked(costs, CAMPAIGN, [1, 2, 8], runs=3, seed=5)
    assert marks["cheap"].mean() > 0.7
    assert marks["wrongly"].mean() <= 0.02


def test_intervals_that_hold_one_by_one_do_not_hold_at_once():
    marks = marked(np.zeros(12), runs=4)
    assert marks["alone"].mean() < 0.6
    assert marks["together"].mean() > 0.94


def ranked(scenario, costs, runs, dice, **shape):
    shaped = noise.Shape(rivals=len(costs), **shape)
    for _ in range(runs):
        yield from rank(noise.measurements(noise.seconds(scenario, shaped, costs, dice)))


@pytest.mark.whole
@pytest.mark.parametrize("rivals", [5, 12])
def test_the_intervals_of_a_run_of_one_setting_hold_as_well(rivals):
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


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A self-test of eight groups of seven rivals, five launches."""
    path = tmp_path_factory.mktemp("run") / "selftest.jsonl"
    return journals.selftest(path, sizes=4, launches=5, rounds=20)


def simulated(scenario=QUIET, groups=60, launches=5):
    shape = noise.Shape(groups, 8, launches, rounds=20)
    return list(noise.seconds(scenario, shape, np.zeros(8), np.random.default_rng(4)))


def test_what_was_planted_is_taken_out_of_the_noise(journal):
    groups = twin_groups(results.load(journal))
    seconds = np.array([equal_rivals(group) for group in groups])
    assert seconds.shape == (8, 7, 5, 20)
    logs = np.log(seconds).mean((0, 2, 3))
    assert logs.max() - logs.min() < 0.01


@pytest.mark.parametrize("launches", [2, 4, None])
def test_a_hand_is_the_contests_own_samples_times_the_grades(launches):
    group = np.arange(1, 6 * 4 * 3 + 1, dtype=float).reshape(6, 4, 3)
    times = deal([group] * 50, GRADES, launches, np.random.default_rng(0))
    assert times.shape == (50, 5, launches or 4, 3)
    hands = np.round(times / np.exp(GRADES)[:, None, None]).astype(int) - 1
    players, drawn, rounds = np.unravel_index(hands, group.shape)
    assert (rounds == np.arange(3)).all()
    assert (drawn == drawn[:, :1, :, :1]).all()
    assert all(len(set(hand)) == (launches or 4) for hand in drawn[:, 0, :, 0].tolist())
    assert all(len(set(hand)) == 5 for hand in players[:, :, 0, 0].tolist())
    assert {hand[0] for hand in players[:, :, 0, 0].tolist()} == set(range(6))


def marks_of(noises, costs, launches, settings):
    runs = dealt(noises, costs, launches, settings, np.random.default_rng(1))
    return mark(runs, costs)


def test_noise_that_favours_a_rival_is_seen_to_fail():
    biased = simulated()
    for group in biased:
        group[3] *= 1.1
    marks = marks_of(biased, LADDERS["equal rivals"], None, 120)
    assert marks.pairs.coverage < 0.85
    assert marks.pairs.wrong.mean() > 0.5
    assert marks.right.mean() < 0.5


def test_noise_that_hides_a_loser_keeps_it():
    marks = marks_of(simulated(LOUD), GRADES, 3, 120)
    assert marks.best_kept.mean() >= 0.95
    assert marks.losers_out.mean() < 0.7
    assert (marks.right == (marks.best_kept & marks.losers_out)).all()


def test_a_comparison_without_an_interval_is_not_counted_as_a_miss():
    times = deal(simulated(groups=8), np.zeros(5), None, np.random.default_rng(2))
    times[0, 0, ::2] = times[0, 1, 1::2] = np.nan
    marks = mark([times], np.zeros(5)).pairs
    assert np.isnan(marks.covered).sum() == 1
    assert math.isnan(marks.covered[0, 0])
