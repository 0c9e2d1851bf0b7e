"""Real noise dealt out as settings of known truth: what it is made of, and how it is marked."""

import math

import numpy as np
import pytest

from studies import noise
from studies.ladder import GRADES
from studies.real_noise import LADDERS, deal, dealt, equal_rivals, mark
from tests import journals
from tests.simulated import LOUD, QUIET
from timelift.analyse import results
from timelift.selftest.trust import twin_groups


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


def marked(noises, costs, launches, settings):
    runs = dealt(noises, costs, launches, settings, np.random.default_rng(1))
    return mark(runs, costs)


def test_noise_that_favours_a_rival_is_seen_to_fail():
    biased = simulated()
    for group in biased:
        group[3] *= 1.1
    marks = marked(biased, LADDERS["equal rivals"], None, 120)
    assert marks.pairs.coverage < 0.85
    assert marks.pairs.wrong.mean() > 0.5
    assert marks.right.mean() < 0.5


def test_noise_that_hides_a_loser_keeps_it():
    marks = marked(simulated(LOUD), GRADES, 3, 120)
    assert marks.best_kept.mean() >= 0.95
    assert marks.losers_out.mean() < 0.7
    assert (marks.right == (marks.best_kept & marks.losers_out)).all()


def test_a_comparison_without_an_interval_is_not_counted_as_a_miss():
    times = deal(simulated(groups=8), np.zeros(5), None, np.random.default_rng(2))
    times[0, 0, ::2] = times[0, 1, 1::2] = np.nan
    marks = mark([times], np.zeros(5)).pairs
    assert np.isnan(marks.covered).sum() == 1
    assert math.isnan(marks.covered[0, 0])
