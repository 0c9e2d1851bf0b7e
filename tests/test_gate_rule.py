"""The gate's rule: screening makes suspects, fresh launches decide; both err as seldom as said."""

import numpy as np
import pytest

from studies.gate_rule import play
from timelift.analyse.effects import Effects
from timelift.analyse.verdicts import Verdict
from timelift.gate.rule import CONFIRM, FRESH_PARTS, GateRule, judge
from timelift.gate.sides import MOST_FRESH

RULE = GateRule()
LAUNCHES = RULE.decision_points[-1]
WITHIN = 0.008


def effects(rows):
    """Rows of launch effects of any length, padded with launches that were not played."""
    table = np.full((len(rows), LAUNCHES), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    return with_errors(table)


def with_errors(table):
    return Effects(table, np.where(np.isfinite(table), WITHIN, np.nan))


def judged(rows, rule=RULE):
    """What the rule finds of pairs whose launches are numbered from 1."""
    return judge(rows, range(1, 1 + rows.effect.shape[1]), rule)


def found(change, runs=60):
    """The findings of so many runs of 20 cases, each truly changed by this share."""
    dice, truth = np.random.default_rng(11), np.full((20, LAUNCHES), np.log1p(change))
    noise = np.hypot(0.01, WITHIN)
    trials = (play(with_errors(dice.normal(truth, noise)), RULE) for _ in range(runs))
    return [one for trial in trials for one in trial.findings]


def share(verdict, change):
    verdicts = [one.verdict for one in found(change)]
    return verdicts.count(verdict) / len(verdicts)


def test_identical_code_is_hardly_ever_called_different_in_spite_of_the_looks():
    changes = found(0.0, runs=100)
    assert 0.05 < np.mean([one.suspected for one in changes]) < 0.25
    assert sum(one.verdict in {Verdict.SLOWER, Verdict.FASTER} for one in changes) <= 1


def test_five_per_cent_is_found_in_nineteen_of_twenty():
    assert share(Verdict.SLOWER, 0.05) > 0.95
    assert share(Verdict.SLOWER, 0.10) > 0.999
    assert share(Verdict.FASTER, -0.05) > 0.93
    assert share(Verdict.SLOWER, 0.015) < 0.05  # what is just ignored


def among_calm(row, rule=RULE):
    calm = [[0.0, 0.001, -0.001]] * 9
    return judged(effects([row, *calm]), rule)[0]


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        pytest.param([0.5], Verdict.UNDECIDED, id="one launch"),
        pytest.param([0.5] * 3, Verdict.UNDECIDED, id="screening alone confirms nothing"),
        pytest.param([0.06] * 3 + [0.001, -0.001] * 4, Verdict.SAME, id="slow by chance"),
        pytest.param([-0.06] * 3 + [0.06, 0.061] * 4, Verdict.UNDECIDED, id="faster, then slower"),
        pytest.param([0.06] * 8, Verdict.SLOWER, id="slow in both"),
        pytest.param([0.5] * 4, Verdict.UNDECIDED, id="one fresh launch"),
        pytest.param([0.1] * 3 + [0.2] * 11 + [-0.001], Verdict.SLOWER, id="one is contrary"),
        pytest.param([0.1] * 3 + [0.2] * 10 + [-0.001] * 2, Verdict.UNDECIDED, id="two are"),
        pytest.param([0.06] * 3 + [0.1, -0.1] * 2, Verdict.UNDECIDED, id="equal, and not known"),
    ],
)
def test_a_suspect_is_decided_on_fresh_launches_that_agree(row, verdict):
    change = among_calm(row)
    assert change.suspected
    assert change.verdict is verdict
    assert change.settled == (verdict is not Verdict.UNDECIDED)
    assert change.launches == (len(row) - 3 if len(row) > 3 else len(row))


def test_the_interval_is_that_of_the_fresh_launches():
    change = among_calm([0.2, 0.2, 0.2, *([0.061, 0.059] * 2), 0.06])
    assert change.verdict is Verdict.SLOWER
    assert change.value == pytest.approx(0.06)
    assert change.low < 0.06 < change.high < 0.1


def test_what_is_ignored_is_no_failure_however_sure():
    assert among_calm([0.014] * 8).verdict is not Verdict.SLOWER
    assert among_calm([0.02] * 8).verdict is Verdict.SLOWER
    assert among_calm([0.014] * 8, GateRule(ignored_part=0.3)).verdict is Verdict.SLOWER
    assert among_calm([0.02] * 8, GateRule(ignored_part=0.7)).verdict is not Verdict.SLOWER
    perhaps_beyond = [0.02] * 3 + [0.014, 0.017, 0.013, 0.018, 0.0145]
    assert among_calm(perhaps_beyond).verdict is not Verdict.SLOWER
    assert [among_calm([size] * 3).suspected for size in (0.007, 0.008)] == [False, True]


@pytest.mark.parametrize(("launches", "between"), [(3, 0.03), (7, 0.01), (7, 0.03)])
def test_what_is_called_detectable_is_found_nine_times_in_ten(launches, between):
    moves = np.random.default_rng(4).normal(0, between, (2000, launches))
    size = np.median([one.detectable for one in judged(with_errors(moves))])
    changes = judged(with_errors(moves + size))
    hits = [one.verdict is Verdict.SLOWER if one.tried else one.suspected for one in changes]
    assert 0.85 < np.mean(hits) < 0.95


def test_the_evidence_of_a_trial_is_machines_and_its_looks_count_launches():
    moves = np.random.default_rng(6).normal(0, 0.01, (20, 7))
    moves[0] += 0.1
    numbers, marks = range(1, 8), np.broadcast_to([*"abcaabc"], moves.shape)
    (slow, *_) = judge(with_errors(moves), numbers, RULE, marks=marks)
    (by_launch, *_) = judge(with_errors(moves), numbers, RULE)
    assert (slow.verdict, slow.launches) == (Verdict.SLOWER, 4)
    assert slow.value == pytest.approx(np.mean([moves[0, [3, 4]].mean(), *moves[0, [5, 6]]]))
    assert slow.value != by_launch.value
    two = judge(with_errors(moves), numbers, RULE, marks=np.broadcast_to([*"abaabab"], moves.shape))
    assert two[0] == by_launch


def test_the_looks_share_the_level_of_the_trial():
    assert sum(RULE.levels.values()) == pytest.approx(CONFIRM)
    assert RULE.decision_points == (3, 7, 11, 15)  # as docs/gate.md says: after 4, 8 and 12 fresh
    assert max(FRESH_PARTS) == MOST_FRESH


def test_a_regression_that_was_suspected_can_fail_whatever_other_trials_show():
    slow, wild = [0.024, 0.04, 0.056], [0.1, 0.101, 0.099]
    calm = [[0.0, 0.002 * (1 + turn % 3), -0.002 * (1 + turn % 3)] for turn in range(9)]
    screened = judged(effects([slow, wild, *calm]))
    assert [one.suspected for one in screened[:2]] == [True, True]
    slow_again, wilder = [0.06, 0.062, 0.061, 0.059, 0.06], [0.3, -0.3, 0.36, -0.24, 0.27]
    tried = judged(effects([slow + slow_again, wild + wilder, *calm]))
    assert [one.suspected for one in tried] == [one.suspected for one in screened]
    assert tried[0].verdict is Verdict.SLOWER
