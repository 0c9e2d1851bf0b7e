"""What a history says of a case: a change, where it was, whether the machine moved instead."""

import copy
import dataclasses
import warnings

import numpy as np
import pytest

from studies.history import first_runs
from tests.support import histories
from timelift.axis_values import Phase
from timelift.case import Case, Setting
from timelift.history import WORSE, Cause, ChangeState, noise, segments, shifts
from timelift.history.levels import ratios
from timelift.history.many_runs import find_changes

ALL = slice(None)


def _states(findings):
    return {history.state for history in findings.cases}


def _worse(findings):
    return [row for row, history in enumerate(findings.cases) if history.state in WORSE]


def _slower(share, rows=7, nights=slice(31, None), levels=None):
    """A history in which the cases of some rows are slower by a share for some nights."""
    levels = levels or histories.levels()
    levels.log_seconds[rows, nights] += np.log1p(share)
    return levels


@pytest.mark.parametrize("share", [0.2, 5.0])
def test_a_lone_spike_is_never_a_change(share):
    levels = histories.levels()
    spikes = (slice(31, 32), slice(40, 42), slice(-1, None), slice(-2, None))
    for row, nights in enumerate(spikes, start=7):
        _slower(share, row, nights, levels)
    assert not any(history.changes for history in find_changes(levels).cases)


def test_a_change_is_told_from_its_third_run_on_and_not_before():
    levels = _slower(0.08, nights=slice(40, None))
    worse = [_worse(find_changes(first_runs(levels, runs))) for runs in (41, 42, 43)]
    assert worse == [[], [], [7]]


def test_what_is_smaller_than_the_gate_is_no_change_however_certain():
    levels = _slower(0.02)
    assert find_changes(levels).cases[7].state is ChangeState.SAME
    assert find_changes(levels, gate=0.01).cases[7].state is ChangeState.SLOWER


def test_a_creep_is_found_although_no_step_of_it_is_large_enough():
    levels = histories.levels(nights=120)
    levels.log_seconds[7] += np.linspace(0, np.log(1.06), 120)
    creep = find_changes(levels).cases[7]
    assert creep.state in WORSE
    assert creep.change.value >= np.log(1.03)
    assert all(creep.change.value > change.value for change in creep.changes)


def test_a_short_dip_is_nothing_that_later_runs_are_held_to():
    findings = find_changes(_slower(-0.1, nights=slice(20, 24)))
    assert findings.cases[7].state is ChangeState.SAME


def test_of_two_rivals_the_one_that_changed_is_named():
    for slower in (2, 3):
        levels = histories.levels(slower - 2, rivals=2)
        assert _worse(find_changes(_slower(0.2, slower, levels=levels))) == [slower]


def test_a_case_without_rivals_is_held_to_the_canary():
    levels = histories.levels(rivals=1)
    moment = levels.log_seconds.mean(0)
    drifting = dataclasses.replace(levels, log_canary=levels.log_canary + moment)
    assert _worse(find_changes(_slower(0.1, 2, levels=drifting))) == [2]


@pytest.mark.parametrize("beat", [0, 1])
def test_when_most_cases_and_a_beat_of_the_canary_move_it_is_the_machine(beat):
    random = np.random.default_rng(3)
    levels = histories.levels()
    levels.log_seconds[:, 31:] += random.normal(0, 0.03, (20, 1))
    levels.log_canary[beat, 31:] += np.log(1.1)
    findings = find_changes(_slower(0.18, ALL, levels=levels))
    (shift,) = findings.common_shifts
    assert (shift.before, shift.after, shift.cause) == (30, 31, Cause.MACHINE)
    assert shift.share > 0.8
    assert np.exp(shift.value) == pytest.approx(1.18 / (1.1 if beat == 0 else 1.0), abs=0.06)
    assert not findings.fails


TWO_CAUSES = {
    "one strategy, another kernel": (0.2, slice(0, None, 5), 0.0, 31),
    "all, another kernel": (0.2, ALL, 0.0, 31),
    "one strategy, a canary slower by a fifth": (0.2, slice(0, None, 5), 0.04, 31),
    "one strategy, a faster canary": (0.2, slice(0, None, 5), -0.04, 31),
    "all, a faster canary": (0.2, ALL, -0.06, 31),
    "all, a canary slower by a fourth": (0.4, ALL, 0.1, 31),
    "all, a canary slower three nights later": (0.2, ALL, 0.1, 34),
}


@pytest.mark.parametrize("happened", TWO_CAUSES)
def test_what_the_canary_cannot_have_caused_is_not_forgiven(happened):
    share, rows, canary, night = TWO_CAUSES[happened]
    levels = _slower(share, rows)
    levels.log_canary[:, night:] += np.log1p(canary)
    levels.description[31:] = 1
    findings = find_changes(levels)
    assert findings.slower_together if rows == ALL else _worse(findings) == [0, 5, 10, 15]


@pytest.mark.parametrize("worse", [[], [0, 5, 10, 15]])
def test_a_machine_slower_with_its_canary_is_forgiven_and_no_strategy_s_own_part(worse):
    levels = histories.levels(moves=31)
    assert _worse(find_changes(_slower(0.2, worse, levels=levels))) == worse


def test_a_canary_that_moves_later_excuses_no_slow_down_before():
    levels = _slower(0.2, ALL, slice(20, None))
    for table in (levels.log_seconds, levels.log_canary):
        table[:, 40:] -= 0.1
    assert find_changes(levels).slower_together.after == 20


def test_a_shift_is_placed_where_the_machine_is_described_otherwise():
    levels = _slower(0.2, ALL)
    assert [shift.after for shift in find_changes(levels).common_shifts] == [30]
    levels.description[31:] = 1
    assert [shift.after for shift in find_changes(levels).common_shifts] == [31]


def test_cases_that_were_slower_together_and_are_no_more_fail_nothing():
    findings = find_changes(_slower(0.3, ALL, slice(20, 40)))
    assert [np.sign(shift.value) for shift in findings.common_shifts] == [1, -1]
    assert not findings.fails


def test_of_most_cases_without_a_canary_it_is_not_known_what_moved_them():
    levels = _slower(0.3, ALL)
    levels.log_canary[:] = np.nan
    findings = find_changes(levels)
    assert [shift.cause for shift in findings.common_shifts] == [Cause.UNKNOWN]
    assert not findings.fails


def test_a_case_is_faster_only_if_it_fell_beside_the_canary_too():
    early = find_changes(_slower(0.2, [0, 1, 2], levels=histories.levels()))
    assert ChangeState.FASTER not in _states(early)
    assert early.common_shifts == ()
    fell = find_changes(_slower(-0.2, [3], levels=histories.levels()))
    assert fell.cases[3].state is ChangeState.FASTER
    assert fell.worse == []


@pytest.mark.parametrize("rivals", [2, 5])
def test_one_strategy_that_is_slower_everywhere_is_the_code(rivals):
    levels = histories.levels(rivals=rivals)
    findings = find_changes(_slower(0.25, slice(0, None, rivals), levels=levels))
    assert findings.common_shifts == ()
    assert len(findings.worse) == 4


@pytest.mark.parametrize(
    ("slow", "moved", "worse"),
    [
        (slice(45, 60), slice(31, None), [7]),
        (slice(20, 60), slice(35, None), [7]),
        (slice(20, 45), slice(35, None), []),
    ],
    ids=["after", "before", "mended after"],
)
def test_a_slow_down_is_told_from_a_move_of_the_machine(slow, moved, worse):
    levels = _slower(0.1, nights=slow)
    findings = find_changes(_slower(0.25, ALL, moved, levels))
    assert len(findings.common_shifts) == 1
    assert _worse(findings) == worse
    for row in worse:
        worst = findings.cases[row].change
        assert worst.value == pytest.approx(np.log(1.10), abs=0.015)
        assert worst.low < np.log(1.10) < worst.high
        assert (worst.before, worst.after) == (slow.start - 1, slow.start)


def test_few_runs_and_vanished_cases_get_no_verdict():
    levels = histories.levels()
    assert _states(find_changes(first_runs(levels, 5))) == {ChangeState.UNKNOWN}
    _slower(0.2, levels=levels).log_seconds[7, 50:] = np.nan
    vanished = find_changes(levels).cases[7]
    assert vanished.state is ChangeState.GONE
    assert len(vanished.changes) == 1


def test_a_case_whose_rivals_are_no_longer_measured_is_not_known():
    levels = histories.levels()
    levels.log_seconds[1:5, -3:] = np.nan
    states = [row.state for row in find_changes(levels).cases[:5]]
    assert states == [ChangeState.UNKNOWN] + [ChangeState.GONE] * 4


def test_a_slower_case_that_is_measured_alone_stays_so_and_makes_no_common_shift():
    levels = _slower(0.2, slice(0, None, 5), slice(40, None))
    levels.log_seconds[[row for row in range(20) if row % 5], -3:] = np.nan
    findings = find_changes(levels)
    assert findings.common_shifts == ()
    assert [row.case.strategy for row in findings.worse] == ["rival0"] * 4


def test_cases_that_are_measured_no_more_hide_no_common_shift():
    levels = _slower(0.2, ALL)
    levels.log_seconds[[row for row in range(20) if row % 5 > 1], 20:] = np.nan
    assert find_changes(levels).slower_together.cases == 8


def test_a_slow_down_is_found_where_each_run_lacks_two_rivals_of_five():
    levels = _slower(0.2)
    for run in range(60):
        levels.log_seconds[5 + (run + np.array([0, 2])) % 5, run] = np.nan
    assert _worse(find_changes(levels)) == [7]


@pytest.mark.parametrize("rivals", [1, 2, 5])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_missing_a_history_is_found_without_a_warning(rivals, seed):
    random = np.random.default_rng([rivals, seed])
    how = {"settings": 3, "rivals": rivals, "nights": int(random.integers(1, 50))}
    levels = histories.levels(random, sd=0.01, step=0.2, night=10, moves=20, **how)
    table = levels.log_seconds
    table[random.random(table.shape) < 0.3] = np.nan
    table[random.random(len(table)) < 0.3] = np.nan
    table[:, random.random(table.shape[1]) < 0.2] = np.nan
    levels.log_canary[random.random(levels.log_canary.shape) < seed / 5] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        findings = find_changes(levels)
    assert len(findings.cases) == len(table)


def test_the_place_of_a_change_is_paid_for():
    rows = np.random.default_rng(5).normal(0, 0.01, (200, 60))
    assert all(len(series.segments) == 1 for series in segments.fit_segments(rows, 0.0))


def test_a_change_that_begins_or_ends_an_excursion_pays_for_both_places():
    steps = [(step, 0.01) for step in (1.0, -1.0, -0.5, 0.0)]
    assert segments._paid_for_excursions(steps, 50).tolist() == [0.25, 0.25, 0.01, 0.01]


def test_cases_that_are_too_new_for_a_change_cost_the_others_nothing():
    levels = histories.levels()
    levels.log_seconds[5:, :-1] = np.nan
    few = histories.table(levels.cases[:5], levels.log_seconds[:5])
    for share in np.linspace(0.006, 0.009, 13):
        both = (_slower(share, 2, levels=copy.deepcopy(table)) for table in (levels, few))
        beside, alone = (find_changes(table, gate=0.001).cases for table in both)
        assert [old.changes for old in beside[:5]] == [old.changes for old in alone]


def test_runs_that_resemble_their_neighbours_count_less():
    for memory, inflation in ((0.0, 1.0), (0.5, 3.0)):
        levels = histories.levels(settings=8, nights=120, sd=0.01, memory=memory)
        rows = list(ratios(levels, np.ones(len(levels.cases), bool)))
        assert noise.variance_inflation(rows) == pytest.approx(inflation, rel=0.3)


def several_nights(*, apart, canary):
    """24 nights with a shift at the tenth, and six settings of eleven that came at the 18th."""
    random, nights, cases, rows = np.random.default_rng(0), np.arange(24), [], []
    for size in range(11):
        for place, name in enumerate("abcdef"):
            cases.append(Case(Setting("w", size + 1, 1, Phase.FORWARD), name))
            step = (0.3, -0.3, 0.2, -0.2, 0.25, -0.25)[(place + size) % 6] if apart else 0.18
            row = random.normal(0, 0.005, 24) + (nights >= 10) * step
            rows.append(np.where((size >= 5) & (nights < 18), np.nan, row))
    return histories.table(
        cases, np.array(rows), random.normal(-9, 0.003, (2, 24)) + canary * (nights >= 10)
    )


@pytest.mark.parametrize("apart", [False, True])
def test_settings_that_were_added_later_hide_no_shift_of_the_machine(apart):
    findings = find_changes(several_nights(apart=apart, canary=0.3 if apart else 0.1))
    assert [(shift.after, shift.cause) for shift in findings.common_shifts] == [(10, Cause.MACHINE)]
    assert not findings.fails


def test_cases_that_change_against_each_other_under_a_steady_canary_are_the_code_s():
    findings = find_changes(several_nights(apart=True, canary=0.0))
    assert findings.common_shifts == ()
    assert len(findings.worse) == 15


def test_a_place_that_is_named_is_not_named_again():
    changes = [[3]] * 90 + [[3, 6]] * 10
    cases = tuple(Case(Setting("w", size, 1, Phase.FORWARD), "a") for size in range(1, 101))
    levels = histories.table(cases, np.zeros((100, 9)))
    assert [run for run, _ in shifts._crowded(levels, changes)] == [3, 7]
