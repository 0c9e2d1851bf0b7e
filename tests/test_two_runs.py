"""Two stored runs: what becomes a suspect, and what must not."""

import math

import numpy as np
import pytest

from tests.support import histories, journals
from timelift.analyse import results
from timelift.axis_values import Status
from timelift.history import ChangeState, case_changes, compare_words
from timelift.history.levels import largest
from timelift.history.many_runs import changes_over_runs
from timelift.history.noise import ASSUMED, session_noise
from timelift.history.two_runs import compare_runs


@pytest.fixture
def write(tmp_path):
    number = iter(range(1000))

    def written(seed, **how):
        return results.load(histories.stored(tmp_path / f"{next(number)}.jsonl", seed, **how))

    return written


def suspects(findings):
    """The strategy and length of every case that became suspect by its time."""
    return {
        (row.case.strategy, row.case.setting.seq_len)
        for row in findings.cases
        if row.state is ChangeState.SUSPECT
    }


def test_a_case_that_became_slower_is_the_only_suspect(write):
    slow = {("native", 3): 1.15}
    findings = compare_runs(write(1), write(2, slower=slow))
    assert suspects(findings) == {("native", 3)}
    (worst, *_) = findings.cases
    assert worst.change.value == pytest.approx(math.log(1.15), abs=0.03)
    assert worst.change.low < math.log(1.15) < worst.change.high
    rivals = [row for row in findings.cases if row.case.setting.seq_len == 3][1:]
    assert max(abs(row.change.value) for row in rivals) < 0.04


@pytest.mark.parametrize("seed", [50, 60])
def test_most_strategies_slower_under_a_steady_canary_are_suspects(write, seed):
    slow = {(strategy, size): 1.25 for strategy in histories.STRATEGIES[:3] for size in range(1, 9)}
    findings = compare_runs(write(seed), write(seed + 1, slower=slow))
    assert sum(row.state is ChangeState.FASTER for row in findings.cases) <= 2
    assert suspects(findings) <= slow.keys()
    assert len(suspects(findings)) >= 20


@pytest.mark.parametrize("faster", [2, 3])
def test_strategies_that_became_faster_make_no_rival_a_suspect(write, faster):
    fast = {(name, size): 0.7 for name in histories.STRATEGIES[:faster] for size in range(1, 9)}
    findings = compare_runs(write(54), write(55, slower=fast))
    assert not suspects(findings)
    assert sum(row.state is ChangeState.FASTER for row in findings.cases) >= 6 * faster


def test_what_slows_all_rivals_of_a_setting_is_seen_beside_the_canary(write):
    slow = {(strategy, 2): 1.6 for strategy in histories.STRATEGIES}
    findings = compare_runs(write(5), write(6, slower=slow))
    assert not suspects(findings)
    assert [setting.seq_len for setting in findings.suspect_settings] == [2]


def test_old_and_new_exchanged_turn_every_change_around(write):
    old, new = write(9), write(10, slower={("native", 1): 1.2})
    there, back = case_changes.case_changes(old, new), case_changes.case_changes(new, old)
    assert there.cases == back.cases
    assert there.effect == pytest.approx(-back.effect)
    assert there.noise.variance == pytest.approx(back.noise.variance)


def test_too_few_launches_make_no_suspect(write):
    findings = compare_runs(write(13), write(14, slower={("native", 1): 2.0}, launches=2))
    assert not suspects(findings)
    assert {row.state for row in findings.cases} == {ChangeState.UNKNOWN}
    assert math.isnan(findings.usually_visible)
    answer = compare_words.document(findings, compare_words.ROWS).answer
    assert "too few launches to see any slow-down" in answer


def test_of_two_rivals_the_slower_one_is_named(write):
    how = {"strategies": histories.STRATEGIES[:2]}
    findings = compare_runs(write(15, **how), write(16, slower={("native", 1): 1.3}, **how))
    assert suspects(findings) == {("native", 1)}


def test_strategies_alone_in_their_settings_have_no_ratio(write):
    how = {"strategies": histories.STRATEGIES[:1]}
    findings = compare_runs(write(17, **how), write(18, machine_speed=1.5, **how))
    assert findings.cases == ()
    assert len(findings.suspect_settings) == 8


@pytest.mark.parametrize(
    ("name", "before", "after", "worse"),
    [
        ("graph_nodes", 42, 43, {True}),
        ("graph_nodes", 43, 42, {False}),
        ("weights", 96, 95, {True}),
        ("first_call_seconds", 0.5, 0.9, {True}),
        ("first_call_seconds", 0.9, 0.5, {False}),
        ("first_call_seconds", 0.01, 0.09, set()),
        ("peak_bytes", 8 << 20, 12 << 20, {True}),
        ("peak_bytes", 8, 80, set()),
    ],
)
def test_a_fact_that_changed_is_named(write, name, before, after, worse):
    old = write(21, facts={"native": {name: before}}, launches=3)
    new = write(21, facts={"native": {name: after}}, launches=3)
    changes = compare_runs(old, new).facts
    assert {(change.case.strategy, change.name) for change in changes} <= {("native", name)}
    assert {change.worse for change in changes} == worse


def test_a_slower_machine_makes_no_first_call_suspect(write):
    twice = {strategy: {"first_call_seconds": 1.0} for strategy in histories.STRATEGIES}
    assert compare_runs(write(23, launches=3), write(23, facts=twice, launches=3)).facts == ()


def test_a_case_that_fails_now_is_lost_and_a_suspect(tmp_path):
    names = ("native", "fold_time", "loop_slice", "vectorized_map", "tf_scan")
    cases = journals.grid(names, seq_lens=(16,), phases=("forward",))
    old = results.load(journals.synthetic(tmp_path / "old.jsonl", cases))
    lost = [
        journals.ended(cases[0], Status.CRASHED, "signal 11"),
        journals.ended(cases[1], Status.REFUSED, "no gradient"),
        journals.ended(cases[2], Status.TRACING_LIMIT, "still tracing after 60 s"),
        journals.ended(cases[4], Status.NOT_CONVERTED, "no rule"),
    ]
    path = journals.write(tmp_path / "new.jsonl", journals.header(), *lost, journals.END)
    findings = compare_runs(old, results.load(path))
    assert {case: (end.status, end.reason) for case, end in findings.failing_now.items()} == {
        cases[0]: ("crashed", "signal 11"),
        cases[2]: ("not run: tracing limit", "still tracing after 60 s"),
        cases[4]: ("does not convert", "no rule"),
    }
    assert findings.suspects == (cases[0], cases[2], cases[4])
    assert set(findings.removed) == {cases[1], cases[3]}


def test_an_option_that_may_change_times_is_drift_and_no_package(write):
    old, new = (write(70, launches=3, options={"launches": text}) for text in ("3", "8"))
    findings = compare_runs(old, new)
    assert [(one.name, one.old, one.new) for one in findings.drift] == [("--launches", "3", "8")]
    assert not findings.packages_drifted
    assert compare_runs(old, write(70, launches=3)).drift == ()


def test_three_runs_or_more_teach_what_sessions_add():
    random = np.random.default_rng(1)
    loud, quiet = (random.normal(0, sd, (20, 6)) for sd in (0.05, 0.0))
    variances = [np.median(session_noise(levels, 0 * levels).variance) for levels in (loud, quiet)]
    assert variances[0] > 2 * ASSUMED.variance > 2 * variances[1]
    assert np.median(session_noise(loud, 0 * loud + 0.05**2).variance) < variances[0] / 2
    few = session_noise(loud[:, :2], 0 * loud[:, :2])
    assert (few.variance == ASSUMED.variance).all()


def test_exact_facts_are_followed_over_runs_that_miss_some_of_them():
    case = journals.case("native")
    runs = [{case: (96.0, 44.0, 1.0)}, {}, {case: (96.0, None, 1.0)}, {case: (96.0, 45.0, 1.0)}]
    (change,) = changes_over_runs([*runs, runs[-1]])
    assert (change.before, change.after) == (0, 3)
    assert (change.name, change.old, change.new) == ("graph_nodes", 44, 45)
    assert change.worse
    assert not change.breaks


def test_of_two_launches_the_larger_exact_fact_counts():
    assert largest((96.0, None, 1.0), (96.0, 44.0, 2.0)) == (96.0, 44.0, 2.0)
    assert largest((None, None, None), (None, None, None)) == (None, None, None)
