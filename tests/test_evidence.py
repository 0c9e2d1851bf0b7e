"""What the evidence is: launches, or machines where three or more played a setting."""

import numpy as np
import pytest
from scipy import stats

from tests.support.simulated import (
    LOUD,
    of_lengths,
    played_on,
    raced,
    run,
    scaled,
    without_launches,
)
from timelift.analyse.effects import Effects, aligned_samples, all_pairs
from timelift.analyse.estimates import absolute_times, estimate, first_calls
from timelift.analyse.evidence import by_machine, pairs_by_setting
from timelift.analyse.findings import execution_pairs
from timelift.analyse.ranking import rank
from timelift.analyse.results import Run
from timelift.analyse.stopping import unsettled
from timelift.axis_values import Mode
from timelift.history import case_changes
from timelift.journal.lines import Header
from timelift.measurement import CaseInLaunch, Facts, merge


def test_launches_of_a_machine_are_averaged_first_and_their_errors_along():
    effect = np.array([[0.1, 0.2, 0.3, 0.6, 0.8], [np.nan, 0.2, np.nan, np.nan, 0.8]])
    error = np.array([[0.3, 0.1, 0.4, 0.1, 0.2], [np.nan, 0.1, np.nan, np.nan, 0.2]])
    means = by_machine([Effects(effect, error)], [["b", "a", "b", "c", ""]])
    expected = [[0.2, 0.2, 0.6, 0.8], [0.2, np.nan, np.nan, 0.8]]
    assert means.effect[:, :4] == pytest.approx(np.array(expected), nan_ok=True)
    assert np.isnan(means.effect[:, 4]).all()
    assert means.standard_error[0, :3] == pytest.approx([0.1, 0.25, 0.1])


@pytest.mark.parametrize(
    "marks", ["aaaaa", "ababa", ("", "", "a", "b", ""), ("a", "a-1", "a-2", "a-3", "b")]
)
def test_one_machine_or_two_leave_launches_the_evidence_to_the_last_bit(marks):
    measured = run([1, 1.02, 1.1], sizes=2)
    assert rank(played_on(measured, marks)) == rank(measured)


def test_of_three_machines_the_ratios_rest_on_three_means_however_many_launches():
    measured = run([1, 1.3], launches=8)
    (few,) = aligned_samples(played_on(measured, "abcabcab"))
    (many,) = aligned_samples(measured)
    by_three, _ = pairs_by_setting([few])
    assert np.isfinite(by_three.effect).sum() == 3
    assert by_three.effect[0, 0] == pytest.approx(all_pairs(many.seconds).effect[0, ::3].mean())
    (of_few, of_many) = (absolute_times([one])[0] for one in (few, many))
    assert of_few.df.tolist() == [2, 2]
    assert of_many.df.tolist() == [7, 7]
    (ranking,) = rank(played_on(measured, "abcabcab"))
    assert [row.launches for row in ranking.rows] == [8, 8]


def test_looks_and_verdicts_count_machines_and_the_last_look_launches():
    close = played_on(run([1, 1.05, 1.1], launches=8, sizes=2), "aabbccab")
    pairs, families = pairs_by_setting(aligned_samples(close))
    assert estimate(pairs, families).launches.tolist() == [3.0] * 6
    equal = run([1, 1], launches=12, sizes=2, scenario=LOUD)
    eight = [without_launches(one, 9, 10, 11, 12) for one in equal]
    assert unsettled(played_on(eight, "abcd" * 2)).keys() == {one.case.setting for one in equal}
    assert unsettled(played_on(equal, "abcd" * 3)) == {}


def test_a_first_call_of_several_machines_is_the_mean_of_their_means():
    case = run([1])[0].case
    seconds, marks = [1.0, 2.0, 4.0, 3.0], "abca"
    launches = [
        CaseInLaunch(case, n, seconds_per_call=[1], facts=Facts(first_call_seconds=one), mark=mark)
        for n, one, mark in zip((1, 2, 3, 4), seconds, marks, strict=True)
    ]
    (interval,) = first_calls(merge(launches)).values()
    means = np.log([3**0.5, 2, 4])
    half_width = stats.t.isf(0.025, 2) * means.std(ddof=1) / 3**0.5
    assert interval.value == pytest.approx(np.exp(means.mean()))
    assert interval.high == pytest.approx(np.exp(means.mean() + half_width))


def of_settings(alike, machines=4, settings=300):
    """Effects of one pair in many settings, a launch on each machine."""
    dice = np.random.default_rng(3)
    common = np.repeat(dice.normal(size=(1, machines)), settings, axis=0)
    effect = common if alike else dice.normal(size=(settings, machines))
    rows = [Effects(row[None], np.ones((1, machines))) for row in effect]
    return by_machine(rows, ["abcd"] * settings)


def test_settings_that_machines_treat_alike_know_no_more_of_machines_than_one():
    assert of_settings(alike=True).worth == pytest.approx(1 / 300)
    assert of_settings(alike=False).worth.min() > 0.9
    assert estimate(of_settings(alike=True)).df.max() == 3
    assert estimate(of_settings(alike=False)).df.min() > 20


@pytest.mark.parametrize("marks", ["", "abcde"])
def test_a_launch_or_machine_that_slows_all_rivals_leaves_few_degrees_to_their_times(marks):
    alike = run([1, 1.2, 1.3, 2], sizes=10)
    moved = [scaled(scaled(one, 3, only_launch=2), 0.4, only_launch=4) for one in alike]
    few, many = (
        absolute_times(aligned_samples(played_on(each, marks)))[0].df for each in (moved, alike)
    )
    assert few.max() < 5 < many.min()


def test_executions_are_compared_by_machine():
    usual, other = (
        raced({"native": cost}, of_lengths(8, mode=mode), launches=5, seed=cost)
        for cost, mode in ((1, Mode.EAGER), (2, Mode.GRAPH))
    )
    (pair,) = execution_pairs(played_on([*usual, *other], "abcab"))
    (by_launch,) = execution_pairs([*usual, *other])
    assert (pair.comparison.launches, by_launch.comparison.launches) == (3, 5)


def test_a_case_beside_the_canary_is_compared_by_machine():
    old = played_on(run([1, 1.2], launches=4), "abca")
    new = [scaled(scaled(one, 8, only_launch=1), 8, only_launch=4) for one in old]
    runs = [Run(Header(), tuple(measured), complete=True) for measured in (old, new)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(case_changes, "log_canary", lambda _: np.zeros(2))
        changes = case_changes.changes_over_canary(*runs)
    assert list(changes.values()) == pytest.approx([np.log(8) / 3] * 2)
