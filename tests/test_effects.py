"""Effects of launches, robust to what a round suffers."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studies import noise
from tests.support.simulated import QUIET, pair
from timelift.analyse import effects


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
