"""Each replayed rule against the code of its tool, where installed, or against its definition."""

import math
import statistics
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.utils import PercentageRegressionCheck
from scipy import stats

from studies import noise
from studies.ladder import compared
from studies.other_tools.asv import intervals, median_interval, p_value, u_test
from studies.other_tools.pyperf import t_test
from studies.other_tools.pytest_benchmark import precise, threshold
from tests.recorded import recorded, says, simulated
from timelift.analyse.selftest.ladder import ladder
from timelift.analyse.selftest.rule import LadderRule, Seats

ONE = Seats(1)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), ratio=st.sampled_from([1.0, 1.03, 1.05, 1.1]))
@pytest.mark.parametrize("field", ["mean", "median"])
@pytest.mark.parametrize("percent", [5, 10])
def test_the_threshold_is_the_tools_own(field, percent, seed, ratio):
    """Against `PercentageRegressionCheck` of the installed pytest-benchmark."""
    seconds = simulated([1, ratio], settings=1, launches=1, rounds=9, seed=seed)
    compared_, current = (
        {"mean": statistics.fmean(side), "median": statistics.median(side)}
        for side in seconds[0, :, 0].tolist()
    )
    fails = PercentageRegressionCheck(field, percent).fails(current, compared_)
    assert says(threshold(field, percent, ONE), seconds) == [1 if fails else 0]


def tool_rounds(seconds, precision, confidence):
    """How many rounds the installed pytest-benchmark plays until it is precise."""
    played = []
    fixture = types.SimpleNamespace(
        _confidence=confidence,
        _precision=precision,
        _min_rounds=5,
        _logger=types.SimpleNamespace(debug=lambda *_, **__: None),
    )
    stats_ = types.SimpleNamespace(update=played.append)
    rounds = iter(seconds)
    BenchmarkFixture._run_until_precise(fixture, lambda _: next(rounds), None, stats_, len(seconds))
    return played


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([1e-3, 0.03, 0.06, 0.3]),
    confidence=st.sampled_from([0.95, 0.99]),
)
def test_rounds_stop_where_the_tool_stops(seed, spread, confidence):
    """Against `_run_until_precise` of the installed pytest-benchmark, with noise it never ends."""
    scenario = noise.Scenario("some", round_sd=spread)
    seconds = simulated([1, 1.03], settings=1, launches=1, seed=seed, scenario=scenario)
    rule = precise(0.02, confidence, ONE)
    judged = rule.judge(recorded(seconds), ONE)
    played = [tool_rounds(side, 0.02, confidence) for side in seconds[0, :, 0].tolist()]
    assert judged.used.sum(-1).tolist() == [[[len(side)] for side in played]]
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    means = [statistics.fmean(side) for side in played]
    reach = sum(z * statistics.stdev(side) / len(side) ** 0.5 for side in played)
    want = math.copysign(1, means[1] - means[0]) if abs(means[1] - means[0]) > reach else 0
    assert judged.says.tolist() == [want]


def slow_u_p(first, second):
    """The two-sided p of asv's U test, counting every pair; few samples by all their orders."""
    u = sum(a > b for a in first for b in second)
    m, n = len(first), len(second)
    if max(m, n) <= 20:
        return stats.mannwhitneyu(first, second, method="exact").pvalue
    z = (min(u, m * n - u) - m * n / 2) / math.sqrt(m * n * (m + n + 1) / 12)
    return math.erfc(-z / math.sqrt(2))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    ratio=st.sampled_from([1.0, 1.08, 1.12, 0.88, 0.92]),
    rounds=st.sampled_from([4, 8, 20]),
)
def test_the_u_test_and_the_factor_are_asvs(seed, ratio, rounds):
    """Against the definition, at both sides of 20 samples and of the factor."""
    scenario = noise.Scenario("some", round_sd=0.08)
    shape = {"settings": 1, "launches": 2, "rounds": rounds}
    seconds = simulated([1, ratio], seed=seed, scenario=scenario, **shape)
    first, second = (side.ravel().tolist() for side in seconds[0])
    a, b = statistics.median(first), statistics.median(second)
    beyond = 1 if a < b / 1.1 else -1 if b < a / 1.1 else 0
    assert says(u_test(Seats(2)), seconds) == [beyond if slow_u_p(first, second) < 0.002 else 0]


@pytest.mark.parametrize("rounds", [8, 20, 21])
def test_the_p_of_the_u_test_is_asvs(rounds):
    """The normal approximation has no correction, and begins beyond 20 samples."""
    first, second = simulated([1, 1.02], settings=1, launches=1, rounds=rounds)[0, :, 0]
    assert p_value(first, second) == pytest.approx(slow_u_p(first, second), rel=1e-9)


def test_too_few_samples_for_a_u_test_are_not_tried():
    """Four against four cannot reach p < 0.002, however far apart; seven against seven can.

    For six asv takes the test, whose least p is 0.00216: it never says anything.
    """
    found = {n: says(u_test(ONE), simulated([1, 9], settings=1, rounds=n)) for n in (4, 6, 7)}
    assert math.isnan(found[4][0])
    assert (found[6], found[7]) == ([0], [1])


def slow_interval(values):
    """The interval of the median as the loop of asv over the sorted values finds it."""
    low, high, below = -math.inf, math.inf, 0.0
    for place, value in enumerate(sorted(values)):
        below += stats.binom.pmf(place, len(values), 0.5)
        low = value if below <= 0.005 else low
        if below >= 0.995:
            high = value
            break
    return low, high


@pytest.mark.parametrize("count", [*range(8, 30), 57, 100])
def test_the_interval_of_a_median_is_asvs(count):
    """Order statistics; of fewer than 8 values there are none so sure."""
    values = np.random.default_rng(count).normal(size=count)
    assert median_interval(values) == slow_interval(values.tolist())
    assert np.isnan(median_interval(values[:7])).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), ratio=st.sampled_from([1.0, 1.08, 1.12, 0.88, 0.92]))
def test_medians_differ_where_their_intervals_are_apart_and_the_factor_is_passed(seed, ratio):
    """Against the definition."""
    scenario = noise.Scenario("some", round_sd=0.08)
    seconds = simulated([1, ratio], seed=seed, scenario=scenario, settings=1, launches=2)
    first, second = (side.ravel() for side in seconds[0])
    a, b = slow_interval(first.tolist()), slow_interval(second.tolist())
    overlap = a[1] >= b[0] and a[0] <= b[1]
    ratio_seen = np.median(second) / np.median(first)
    beyond = 1 if ratio_seen > 1.1 else -1 if ratio_seen < 1 / 1.1 else 0
    assert says(intervals(Seats(2)), seconds) == [0 if overlap else beyond]
    few = simulated([1, 9], settings=1, launches=1, rounds=7)
    assert math.isnan(says(intervals(ONE), few)[0])


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), ratio=st.sampled_from([1.0, 1.02, 0.98]))
def test_the_t_test_pools_all_values(seed, ratio):
    """Against scipy's, all launches being one sample."""
    seconds = simulated([1, ratio], settings=1, launches=3, rounds=10, seed=seed)
    first, second = (side.ravel() for side in seconds[0])
    found = stats.ttest_ind(second, first)
    want = math.copysign(1, found.statistic) if found.pvalue <= 0.05 else 0
    assert says(t_test(Seats(None)), seconds) == [want]


def test_the_ladder_says_what_a_ranking_says():
    """The same verdicts as comparing all pairs of all contests, with their families."""
    seconds = simulated([1, 1.02, 1.05, 1, 0.97], settings=12)
    found = compared(seconds)[:, :4].ravel()
    words = {"slower": 1, "faster": -1, "same": 0, "undecided": 0}
    want = [words[comparison.verdict] for comparison in found]
    assert set(want) == {1, 0, -1}
    assert says(LadderRule("ours", Seats(None), ladder), seconds) == want


def test_the_price_is_of_what_was_used():
    """Two rivals, building for 3 s in each launch used, 7 calls a sample of 1 ms a call."""
    recording = recorded(np.full((1, 2, 4, 10), 1e-3), calls=7, setup=3.0)
    prices = {
        label: recording.price(rule.judge(recording, rule.seats).used).tolist()
        for label, rule in (
            ("all", LadderRule("ours", Seats(None), ladder)),
            ("one each", threshold("mean", 5, Seats(1, apart=True))),
            ("five rounds", precise(0.02, 0.95, ONE)),
        )
    }
    sample = 7e-3
    assert prices["all"] == pytest.approx([2 * 4 * (3 + 10 * sample)])
    assert prices["one each"] == pytest.approx([2 * (3 + 10 * sample)])
    assert prices["five rounds"] == pytest.approx([2 * (3 + 5 * sample)])
