"""What to write, and the speed-up over what everybody writes."""

import math
from dataclasses import replace

import pytest

from tests.simulated import LOOP, TD, of_lengths, raced
from timelift.analyse.ranking import rank
from timelift.analyse.recommend import answer
from timelift.analyse.verdicts import Verdict
from timelift.case import Gradients, Mode, Phase


def speed_ups(measurements, **how):
    """The speed-up of every strategy in the one setting, and its baseline."""
    (ranking,) = rank(measurements, **how)
    return {row.case.strategy: row.speed_up for row in ranking.rows}, ranking.baseline


def test_a_speed_up_is_times_as_fast_as_the_baseline_with_its_interval():
    found, baseline = speed_ups(raced({"fold_time": 1, TD: 3, LOOP: 6}))
    assert baseline == TD
    assert {name: one.value for name, one in found.items()} == pytest.approx(
        {"fold_time": 3, TD: 1, LOOP: 0.5}, rel=0.03
    )
    assert found["fold_time"].low < found["fold_time"].value < found["fold_time"].high
    assert [found[name].verdict for name in ("fold_time", TD, LOOP)] == [
        Verdict.FASTER,
        Verdict.SAME,
        Verdict.SLOWER,
    ]


def test_where_the_baseline_was_not_measured_the_next_in_order_stands_for_it():
    assert speed_ups(raced({"native": 1, LOOP: 2}))[1] == LOOP
    found, baseline = speed_ups(raced({"native": 1, TD: 2}), relative_to=["native"])
    assert baseline == "native"
    assert found[TD].value == pytest.approx(0.5, rel=0.03)
    assert speed_ups(raced({"native": 1, "gru": 2})) == ({"native": None, "gru": None}, "")


def test_one_launch_is_a_speed_up_without_an_interval():
    found, _ = speed_ups(raced({"native": 1, TD: 2}, launches=1))
    assert found["native"].value == pytest.approx(2, rel=0.05)
    assert math.isnan(found["native"].low)


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


EAGER, GRAPH = (of_lengths(8, 16, mode=mode) for mode in (Mode.EAGER, Mode.GRAPH))


def test_one_strategy_that_is_never_shown_slower_is_the_advice():
    found = answer(rank(raced({"native": 1, TD: [2, 3, 4, 5]}, [*EAGER, *GRAPH])))
    assert (found.axis, found.strategies) == ("", ("native",))
    assert found.is_never_shown_slower
    (gain,) = found.gains
    assert (gain.baseline, gain.settings, gain.faster) == (TD, 4, 4)
    assert (gain.least, gain.most) == pytest.approx((2, 5), rel=0.05)
    assert found.lost is None


def test_where_no_strategy_wins_everywhere_the_axis_that_decides_is_found():
    costs = {"native": [1, 1, 2, 2], "fold_time": [2, 2, 1, 1], TD: 4}
    found = answer(rank(raced(costs, [*EAGER, *GRAPH])))
    assert found.axis == "mode"
    assert {part.strategy: part.values for part in found.parts} == {
        "native": (Mode.EAGER,),
        "fold_time": (Mode.GRAPH,),
    }
    assert found.is_never_shown_slower
    assert found.gains[0].least == pytest.approx(4, rel=0.05)


def test_a_rule_of_many_parts_is_not_told():
    lengths = of_lengths(8, 16, 32, 64)
    costs = {"native": [1, 1.1, 1, 1.2], "fold_time": [2, 1, 2, 1], TD: 4}
    found = answer(rank(raced(costs, lengths)))
    assert (found.axis, found.strategies) == ("", ("native",))
    assert found.lost.settings == 2
    assert found.lost.dearest.case.setting.seq_len == 64
    assert found.price == pytest.approx(1.2, rel=0.03)
    two = answer(rank(raced({"native": [1, 1.1], "fold_time": [2, 1], TD: 4}, lengths[:2])))
    assert (two.axis, two.parts[0].values) == ("seq_len", (8,))


@pytest.mark.parametrize(("dearest", "axis"), [(1.2, "seq_len"), (1.06, "")])
def test_a_rule_that_is_slower_somewhere_is_told_if_it_costs_at_most_half(dearest, axis):
    """It costs 5 % beside `single`, which costs so many times the best where it is longer."""
    settings = [replace(one, batch=n) for one in of_lengths(8, 16) for n in (1, 2)]
    costs = {
        "single": [1, 1.05, dearest, dearest],
        "other": [1.05, 1, 2, 2],
        "long": [2, 2, 1, 1],
    }
    found = answer(rank(raced(costs, settings)))
    assert found.axis == axis
    assert found.lost
    assert found.price == pytest.approx(1.05 if axis else dearest, abs=0.02)


def test_few_parts_are_told_before_many_and_workloads_however_many():
    lengths = zip(of_lengths(8, 16, 32), (1, 2, 1), strict=True)
    settings = [replace(setting, batch=batch) for setting, batch in lengths]
    two = answer(rank(raced({"native": [1, 2, 1], "fold_time": [2, 1, 2]}, settings)))
    assert (two.axis, len(two.parts)) == ("batch", 2)
    workloads = [replace(settings[0], workload=name) for name in "abcd"]
    costs = {name: [1 + (name != one.workload) for one in workloads] for name in "abcd"}
    four = answer(rank(raced(costs, workloads)))
    assert {part.values: part.strategy for part in four.parts} == {(name,): name for name in "abcd"}


def test_a_condition_covers_every_setting():
    places = of_lengths(8, 16)
    for gradients in (Gradients.WEIGHTS, Gradients.INPUTS_AND_WEIGHTS):
        places += of_lengths(8, 16, phase=Phase.BACKWARD, gradients=gradients)
    costs = {"native": [2, 2, 1, 1, 2, 2], "fold_time": [1, 1, 2, 2, 1, 1], TD: 4}
    found = answer(rank(raced(costs, places)))
    assert (found.axis, found.settings) == ("gradients", 6)
    assert found.is_never_shown_slower
    assert {part.strategy for part in found.parts if Gradients.NONE in part.values} == {"fold_time"}


def test_settings_without_the_common_baseline_are_summed_up_apart():
    both = raced({"native": 1, LOOP: 3, TD: 2}, [*EAGER, *GRAPH])
    for kept, gains in ((EAGER, [(TD, 2), (LOOP, 2)]), (EAGER[:1], [(LOOP, 3), (TD, 1)])):
        left = [one for one in both if one.case.strategy != TD or one.case.setting in kept]
        found = answer(rank(left))
        assert [(one.baseline, one.settings) for one in found.gains] == gains
