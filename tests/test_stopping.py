"""When to stop: who plays on after a launch, by looks that share one chance to err."""

from functools import partial

import numpy as np
import pytest
from scipy import special, stats

from tests.support import journals
from tests.support.simulated import LOUD, QUIET, TD, plain, raced, run, without_launches
from timelift.analyse import stopping
from timelift.analyse.effects import aligned_samples
from timelift.analyse.estimates import estimate
from timelift.analyse.evidence import pairs_by_setting
from timelift.axis_values import Status
from timelift.measurement import CaseInLaunch
from timelift.rounds import CLEARLY_SLOWER


def playing(measurements, plan=None):
    """The strategies that every setting should play on, by its length."""
    doubtful = stopping.unsettled(measurements, plan)
    return {setting.seq_len: [one.strategy for one in cases] for setting, cases in doubtful.items()}


def test_a_look_is_told_by_the_last_launch_whatever_was_sat_out():
    measured = [without_launches(one, 4, 5) for one in run([1, 1.3, 3], 8)]
    assert stopping.unsettled(measured) == {}


SHARE = np.array(stopping.LOOKS) / stopping.LOOKS[-1]


def crossing(levels, sides):
    """The chance that a random walk has crossed the bounds of its levels, up to each look."""
    bounds = -special.ndtri(np.array(levels) / sides)
    correlation = np.sqrt(np.minimum.outer(SHARE, SHARE) / np.maximum.outer(SHARE, SHARE))
    below = -bounds if sides == 2 else np.full_like(bounds, -np.inf)
    return [
        1
        - stats.multivariate_normal.cdf(bounds[:n], cov=correlation[:n, :n], lower_limit=below[:n])
        for n in range(1, len(bounds) + 1)
    ]


def o_brien_fleming(sides):
    """What their function spends up to each look."""
    return sides * special.ndtr(special.ndtri(0.05 / sides) / SHARE**0.5)


@pytest.mark.parametrize(
    ("levels", "sides", "allowed"),
    [
        (stopping.DIFFERENT_LEVELS, 2, o_brien_fleming(2)),
        (stopping.SAME_LEVELS, 1, o_brien_fleming(1)),
        (stopping.PRICE_LEVELS, 1, 0.05 * np.log(1 + (np.e - 1) * SHARE)),
    ],
    ids=["different", "same", "price"],
)
def test_the_levels_spend_what_lan_and_demets_allow(levels, sides, allowed):
    assert crossing(levels, sides) == pytest.approx(allowed, rel=0.05, abs=1e-5)
    assert allowed[-1] == pytest.approx(0.05)


def test_the_same_level_at_every_look_would_spend_more():
    assert crossing((0.05,) * 4, 2)[-1] > 0.1


TWO = ["rival0", "rival1"]


@pytest.mark.parametrize(
    ("costs", "launches", "noise", "rivals"),
    [
        pytest.param([1, 1.5, 3], [stopping.LOOKS[0]], QUIET, [], id="a clear order"),
        pytest.param([1, 1], stopping.LOOKS[:-1], LOUD, TWO, id="too close for the noise"),
        pytest.param([1, 1], [stopping.LOOKS[-1]], LOUD, [], id="no further than the last look"),
        pytest.param([1, 1, 40], [stopping.LOOKS[1]], LOUD, TWO, id="but for a clear loser"),
        pytest.param([1, 9], [1, 2, 4, 6, 11], QUIET, TWO, id="all between looks"),
        pytest.param([1], [2], QUIET, ["rival0"], id="a lone rival before the first look"),
        pytest.param([1], [stopping.LOOKS[0]], QUIET, [], id="a lone rival after it"),
    ],
)
def test_those_play_on_that_another_launch_could_teach_about(costs, launches, noise, rivals):
    for number in launches:
        strategies = playing(run(costs, number, sizes=3, scenario=noise))
        assert strategies == (dict.fromkeys((1, 2, 3), rivals) if rivals else {})
    assert stopping.unsettled([]) == {}


@pytest.mark.parametrize(
    ("effects", "precision", "done"),
    [
        pytest.param([0.08, 0.1, 0.12], 0.0, False, id="a bare p under 5 %"),
        pytest.param([0.0999, 0.1, 0.1001], 0.0, True, id="a p that the look may spend"),
        pytest.param([0.0945, 0.1, 0.1055], 0.0, False, id="a p that the next look may spend"),
        pytest.param([0.63, 0.7, 0.77], 0.0, True, id="a clear loser needs no such care"),
        pytest.param([0.306, 0.34, 0.374], 0.0, False, id="40 % is not clear"),
        pytest.param([0.1, 0.7, 1.9], 0.0, False, id="nor what is not sure"),
        pytest.param([0.013, 0.018, 0.023, 0.016, 0.02], 0.02, True, id="known to 2 %"),
        pytest.param([0.013, 0.018, 0.023, 0.016, 0.02], 0.001, False, id="not to 0.1 %"),
        pytest.param([0.013, 0.018, 0.023, 0.016, 0.02], 0.0, False, id="no precision asked for"),
        pytest.param([0.5], 0.02, False, id="one launch"),
    ],
)
def test_in_a_self_test_a_comparison_is_settled_by_verdict_or_precision(effects, precision, done):
    assert settled(partial(stopping.by_verdict, precision=precision), [effects]) == [done]


def settled(rule, rows, families=None):
    """Which of these comparisons with an anchor are, by launches of a log ratio to it."""
    families = np.arange(len(rows)) if families is None else np.array(families)
    estimates = estimate(plain(rows), families)
    return rule(estimates, families, estimates.effect).tolist()


@pytest.mark.parametrize(
    ("effects", "precision", "done"),
    [
        pytest.param([0.015, 0.03, 0.045], 0.02, True, id="surely no more than 2 % faster"),
        pytest.param([-0.001, 0.0, 0.001], 0.02, True, id="an equal that is known"),
        pytest.param([-0.01, 0.0, 0.01], 0.02, False, id="an equal that may be 2 % faster"),
        pytest.param([0.0, 0.018, 0.036], 0.02, False, id="a p that a single look would spend"),
        pytest.param([-0.031, -0.03, -0.029], 0.02, False, id="one that is 3 % faster"),
        pytest.param([0.30, 0.34, 0.38], 0.02, False, id="slower by too little known a ratio"),
        pytest.param([0.2, 0.7, 0.9], 0.02, False, id="a loser that is not sure"),
        pytest.param([0.63, 0.7, 0.77], 0.02, True, id="a clear loser"),
    ],
)
def test_a_ranking_is_settled_where_its_fastest_is_known_to_cost_little(effects, precision, done):
    assert settled(partial(stopping.by_price, precision=precision), [effects]) == [done]


@pytest.mark.parametrize(
    ("effects", "done"),
    [
        pytest.param([-0.01, 0.0, 0.01], True, id="surely less than 5 % faster"),
        pytest.param([-0.04, -0.03, -0.02], False, id="which may be 5 % faster"),
        pytest.param(
            [-0.061, -0.06, -0.059], False, id="p under 0.4 %, that a look does not spend"
        ),
        pytest.param([-0.0601, -0.06, -0.0599], True, id="shown at its look"),
        pytest.param([-0.51, -0.50, -0.49], True, id="shown, and clear"),
        pytest.param([-0.8, -0.6, -0.45], False, id="clear, and not shown"),
    ],
)
def test_beside_what_is_written_a_rival_plays_until_it_is_shown_or_gains_little(effects, done):
    assert settled(stopping.by_gain, [effects]) == [done]


@pytest.mark.parametrize(
    ("costs", "plays"),
    [
        ({"native": 1, TD: 1.06}, {"native", TD}),  # choosing native costs nothing, which is known
        ({"native": 1, TD: 1.06, "other": 1.01}, {"native", TD}),
        ({"native": 1, "other": 1.06}, set()),
        ({"native": 1.0, TD: 1.0}, set()),
        ({"native": 1, TD: 1.3}, set()),
    ],
)
def test_a_setting_goes_on_until_what_is_gained_over_the_baseline_is_shown(costs, plays):
    doubtful = stopping.unsettled(raced(costs, launches=3, seed=2))
    assert {case.strategy for cases in doubtful.values() for case in cases} == plays


@pytest.mark.parametrize(("precision", "done"), [(0.02, True), (0.001, False)])
def test_both_rules_of_a_ranking_have_the_precision_asked_for(precision, done):
    plan = stopping.ranking_plan(precision)
    assert settled(plan.settled, [[0.013, 0.018, 0.023, 0.016, 0.02]]) == [done]
    assert settled(plan.ends, [[0.015, 0.03, 0.045]]) == [done]


def test_a_rule_sees_how_much_slower_the_others_are_than_the_fastest():
    def rule(estimates, _, slower):
        seen.append((estimates.df, slower))
        return np.zeros(len(slower), bool)

    seen = []
    measured = run([1.2, 1, 1.3, 1.4, 1.5], stopping.LOOKS[0])
    stopping.unsettled(measured, stopping.Plan(rule))
    [(df, slower)] = seen
    first_beside_second, second_beside_third = slower[[0, 4]]
    assert first_beside_second == pytest.approx(np.log(1.2), abs=0.02)
    assert second_beside_third == pytest.approx(np.log(1.3), abs=0.02)
    pairs, families = pairs_by_setting(aligned_samples(measured))
    assert df == pytest.approx(estimate(pairs, families).df)  # fewer than of unrelated pairs
    assert df.max() < estimate(pairs).df.min()


def by_places(*places):
    """A rule that settles the pairs at these places, whatever they are."""
    return lambda estimates, *_: np.isin(np.arange(len(estimates.effect)), places)


@pytest.mark.parametrize(
    ("settled_ones", "cheap", "rivals"),
    [
        pytest.param([], [0], ["rival0", "rival1", "rival2"], id="one price is known"),
        pytest.param([0], [0], ["rival0", "rival2"], id="and its verdict"),
        pytest.param([], [0, 1], [], id="both prices are known"),
        pytest.param([], [0, 2], ["rival0", "rival1", "rival2"], id="one is not the fastest's"),
    ],
)
def test_a_setting_ends_as_a_whole_when_its_price_is_known(settled_ones, cheap, rivals):
    plan = stopping.Plan(by_places(*settled_ones), ends=by_places(*cheap))
    assert playing(run([1, 1.2, 1.3], stopping.LOOKS[0]), plan) == ({1: rivals} if rivals else {})


def test_the_price_of_one_among_many_is_known_later():
    launches = [0.0, 0.02, 0.02, 0.02, 0.04]
    many = [launches, *([np.nan] * 5 for _ in range(65))]
    assert settled(stopping.by_price, [launches]) == [True]
    assert settled(stopping.by_price, many, [0] * 66)[0] is False


def referee_of(costs, launches, spread=0.003, **how):
    """A referee that has read so many launches of these rivals, by name."""
    referee, noise = stopping.Referee(**how), np.random.default_rng(11)
    for launch in range(1, launches + 1):
        for name, cost in costs.items():
            moved = cost * np.exp(noise.normal(0, spread) + noise.normal(0, 0.01, 20))
            referee.take(CaseInLaunch(journals.case(name), launch, seconds_per_call=1e-3 * moved))
    return referee


def names(cases):
    return {case.strategy for case in cases}


@pytest.mark.parametrize(("precision", "more"), [(0.2, False), (0.002, True)])
def test_the_precision_asked_for_decides(precision, more):
    plan = stopping.ranking_plan(precision)
    seen = referee_of({"a": 1, "b": 1.03}, stopping.LOOKS[0], spread=0.01, plan=plan)
    assert bool(seen.to_play()) is more


def test_what_was_not_measured_teaches_nothing():
    referee = referee_of({"a": 1, "b": 1.5}, stopping.LOOKS[0])
    referee.take(CaseInLaunch(journals.case("c"), 1, status=Status.REFUSED))
    referee.take(CaseInLaunch(journals.case("d"), 1))
    assert referee.to_play() == frozenset()
    assert names(one.case for one in referee.measurements()) == {"a", "b", "c"}


def test_in_a_self_test_twins_are_compared_with_their_strategy():
    costs = {"native": 1.0, "native@other": 0.5, "native@copy": 1.0}
    twins = stopping.plan_of_twins()
    playing = referee_of(costs, stopping.LOOKS[0], spread=0.03, plan=twins).to_play()
    assert names(playing) >= {"native", "native@copy"}
    usual = referee_of(costs, stopping.LOOKS[0], spread=0.01).to_play()
    assert "native@copy" not in names(usual)


def test_a_clear_loser_is_one_thing_in_a_launch_and_between_launches():
    assert pytest.approx(np.log(CLEARLY_SLOWER)) == stopping.CLEAR
