"""Rankings: the order of rivals, and what choosing another costs."""

import dataclasses
import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import journals
from tests.support.simulated import (
    LOUD,
    QUIET,
    TD,
    of_lengths,
    raced,
    run,
    scaled,
    without_launches,
)
from timelift.analyse.estimates import Interval
from timelift.analyse.ranking import rank
from timelift.analyse.recommend import recommend
from timelift.analyse.verdicts import Verdict
from timelift.axis_values import Status
from timelift.case import Case
from timelift.errors import UserError
from timelift.measurement import CaseInLaunch, merge


def only(measurements):
    (ranking,) = rank(measurements)
    return ranking


def names(ranking):
    return [row.case.strategy for row in ranking.rows]


def test_rivals_are_ranked_by_time_with_ratios_to_the_first():
    ranking = only(run([4, 1, 2, 1.3]))
    assert names(ranking) == ["rival1", "rival3", "rival2", "rival0"]
    assert [row.ratio.value for row in ranking.rows] == pytest.approx([1, 1.3, 2, 4], rel=0.02)
    assert [row.verdict for row in ranking.rows] == [Verdict.SAME, *[Verdict.SLOWER] * 3]
    assert [(row.rank_low, row.rank_high) for row in ranking.rows] == [(n, n) for n in (1, 2, 3, 4)]
    assert ranking.not_shown_slower == ("rival1",)


@pytest.mark.parametrize(("launches", "noise"), [(2, LOUD), (3, QUIET), (8, LOUD)])
def test_ratios_and_times_agree_and_lie_in_their_intervals(launches, noise):
    for ranking in rank(run([1, 1.01, 1.5, 3], launches, sizes=5, scenario=noise)):
        first = ranking.rows[0]
        assert first.ratio == Interval(1, 1, 1)
        for row in ranking.rows:
            seconds, ratio = row.seconds_per_call, row.ratio
            assert seconds.value / first.seconds_per_call.value == pytest.approx(ratio.value)
            assert ratio.low <= ratio.value <= ratio.high
            assert row.cost_over_best.is_known
            assert seconds.low < seconds.value < seconds.high


def test_seconds_per_call_are_the_medians_of_launches():
    measurements = run([1, 2])
    for row in only(measurements).rows:
        (mine,) = (one for one in measurements if one.case == row.case)
        medians = [np.median(launch.seconds_per_call) for launch in mine.launches]
        mean = np.exp(np.mean(np.log(medians)))
        assert row.seconds_per_call.value == pytest.approx(mean, rel=0.005)
        assert row.launches == 5


def test_one_launch_gives_an_order_and_nothing_more():
    ranking = only(raced({"native": 1, TD: 3}, launches=1))
    assert names(ranking) == ["native", TD]
    first, second = ranking.rows
    assert second.ratio.value == pytest.approx(3, rel=0.05)
    assert first.speed_up.value == pytest.approx(3, rel=0.05)
    for interval in (second.ratio, second.seconds_per_call, first.speed_up):
        assert np.isnan([interval.low, interval.high]).all()
    assert second.verdict is Verdict.UNDECIDED
    assert ranking.not_shown_slower == ("native", TD)
    assert np.isnan([second.cost_over_best.low, second.cost_over_best.high]).all()


def test_settings_come_in_their_order_and_unmeasured_cases_not_at_all():
    measurements = run([1, 2], sizes=3)
    refused = replace(measurements[0], status=Status.REFUSED, launches=())
    silent = scaled(measurements[1], math.nan)
    lost = [refused, silent, *reversed(measurements[2:])]
    lost[2] = replace(lost[2], status=Status.CRASHED)
    by_length = {ranking.setting.seq_len: names(ranking) for ranking in rank(lost)}
    assert list(by_length.items()) == [(2, ["rival0", "rival1"]), (3, ["rival0"])]
    assert rank([]) == []


def test_a_case_measured_twice_is_refused():
    measurements = run([1, 2])
    with pytest.raises(UserError, match=r"rank one run at a time"):
        rank([*measurements, measurements[0]])


def test_only_launches_that_both_have_are_compared():
    measurements = run([1, 1, 1.3], launches=6)
    slow = [scaled(scaled(one, 3, only_launch=5), 3, only_launch=6) for one in measurements]
    slow[0] = without_launches(slow[0], 5, 6)
    ranking = only(slow)
    assert [ranking.row(f"rival{n}").launches for n in range(3)] == [4, 6, 6]
    assert ranking.row("rival0").verdict in (Verdict.SAME, Verdict.UNDECIDED)
    assert ranking.row("rival1").verdict in (Verdict.SAME, Verdict.UNDECIDED)
    assert ranking.not_shown_slower[:2] == tuple(names(ranking)[:2])
    assert ranking.row("rival2").ratio.value == pytest.approx(1.3, rel=0.03)


def test_rivals_that_never_met_are_undecided():
    early, late = run([1, 5], launches=6)
    ranking = only([without_launches(early, 4, 5, 6), without_launches(late, 1, 2, 3)])
    second = ranking.rows[1]
    assert second.ratio.value == pytest.approx(5, rel=0.5)
    assert math.isnan(second.ratio.low)
    assert second.verdict is Verdict.UNDECIDED


def test_lists_of_different_lengths_pair_by_position():
    first, second = run([1, 2])
    launches = tuple(
        replace(it, seconds_per_call=it.seconds_per_call[:15]) for it in second.launches
    )
    ranking = only([first, replace(second, launches=launches)])
    assert ranking.rows[1].ratio.value == pytest.approx(2, rel=0.02)
    assert ranking.rows[1].verdict is Verdict.SLOWER


def test_the_price_says_the_least_and_the_most_that_a_choice_costs():
    ranking = only(run([1, 1.01, 1.5]))
    assert ranking.row(names(ranking)[0]).cost_over_best.low == 1
    cost = ranking.row("rival2").cost_over_best
    assert cost.value == ranking.row("rival2").ratio.value
    assert 1.4 < cost.low < 1.5 < cost.high < 1.6
    for row in ranking.rows[1:]:
        assert ranking.row(row.case.strategy).cost_over_best.high > row.ratio.high - 1e-9


def test_what_could_have_been_detected_is_said_beside_the_first():
    few, many = (only(run([1, 1.01], launches, scenario=LOUD)) for launches in (3, 12))
    assert math.isnan(few.rows[0].detectable)
    quiet = only(run([1, 1.01], 12, scenario=QUIET))
    assert few.rows[1].detectable > many.rows[1].detectable > quiet.rows[1].detectable > 1.02


def test_the_intervals_of_a_setting_hold_at_once():
    names = {name: 1 + place / 4 for place, name in enumerate([TD, *"abcd"])}
    places = of_lengths(*range(1, 201))
    truth = {name: names[TD] / cost for name, cost in names.items()}
    rows = [one.rows for one in rank(raced(names, places))]
    held, narrow = (
        sum(all(_holds(row, truth, share) for row in one) for one in rows) / len(rows)
        for share in (1, 0.4)
    )
    assert held >= 0.93
    assert narrow < 0.8


def _holds(row, truth, share):
    seen = row.speed_up
    low, high = (seen.value * (end / seen.value) ** share for end in (seen.low, seen.high))
    return low <= truth[row.case.strategy] <= high


@given(st.permutations(range(8)))
@settings(max_examples=10)
def test_the_order_of_measurements_does_not_matter(order):
    measurements = run([1, 1, 1.1, 2], sizes=2)
    assert rank(measurements[place] for place in order) == rank(measurements)


@given(st.floats(1e-3, 1e3))
@settings(max_examples=10)
def test_the_unit_of_time_moves_the_seconds_and_nothing_else(unit):
    before = only(run([1, 1.02, 1.1, 2]))
    after = only(scaled(one, unit) for one in run([1, 1.02, 1.1, 2]))
    for one, other in zip(before.rows, after.rows, strict=True):
        seconds = one.seconds_per_call.times(unit)
        assert other.seconds_per_call.value == pytest.approx(seconds.value)
        assert dataclasses.astuple(other.ratio) == pytest.approx(dataclasses.astuple(one.ratio))
        assert (other.case, other.verdict) == (one.case, one.verdict)


def test_exact_ties_are_ordered_by_name():
    (one,) = run([1])
    twins = [replace(one, case=Case(one.case.setting, name)) for name in ("b", "c", "a")]
    assert names(only(twins)) == ["a", "b", "c"]
    assert {row.verdict for row in only(twins).rows} == {Verdict.SAME}


def never_slower(rankings):
    return sorted(recommend(rankings).never_shown_slower)


def test_only_what_was_tested_everywhere_is_called_never_slower():
    measurements = run([1, 1, 1], sizes=4)
    measurements[1] = without_launches(measurements[1], 1, 2, 3)
    assert never_slower(rank(measurements[:2] + measurements[3:])) == ["rival0"]
    assert never_slower(rank(run([1, 1], launches=2, sizes=4))) == []


def test_the_cost_of_a_ranking_grows_with_its_settings_and_no_faster():
    small, large = run([1] * 5, launches=3, sizes=20), run([1] * 5, launches=3, sizes=160)

    def cost(measurements):
        started = time.thread_time()  # of a processor, whatever else runs on it
        rank(measurements)
        return time.thread_time() - started

    cost(small)
    assert min(cost(large) for _ in range(3)) < 20 * min(cost(small) for _ in range(3))


def test_intervals_beyond_any_float_stay_ratios():
    times = [(1, [1e-6] * 4), (2, [1.0] * 4)]
    rivals = merge(
        CaseInLaunch(journals.case(name), number, seconds_per_call=seconds)
        for name, (number, seconds) in itertools.product("abcdef", times)
    )
    ranking = only([one if one.case.strategy != "f" else scaled(one, 3.0) for one in rivals])
    known = [row for row in ranking.rows if row.ratio.is_known]
    assert known
    assert all(math.isfinite(row.ratio.high / row.ratio.low) for row in known)
    assert recommend([ranking])


def test_a_rival_seen_in_one_launch_bounds_no_price():
    first, second, third = run([1, 1.5, 0.9])
    once = replace(third, launches=third.launches[:1])
    ranking = only([first, second, once])
    assert not any(row.cost_over_best.is_known for row in ranking.rows)


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
    measurements = run([1, 1.01, 1.5], sizes=4)
    measurements[2] = replace(measurements[2], launches=measurements[2].launches[:1])
    rows = {row.case.strategy: row for row in rank(measurements)[0].rows}
    once = rows["rival2"]
    assert np.isnan([once.ratio.low, once.seconds_per_call.low, once.half_width]).all()
    second = max((rows["rival0"], rows["rival1"]), key=lambda row: row.ratio.value)
    assert _reaches(second)[0] == pytest.approx(second.half_width)


def test_what_the_first_costs_over_every_row_is_its_price():
    for costs in ([1, 1.01, 1.02], [1, 1.5]):
        for one in rank(run(costs, sizes=3)):
            parts = [row.first_costs for row in one.rows[1:]]
            assert one.rows[0].cost_over_best.high == pytest.approx(max(1.0, *parts))
