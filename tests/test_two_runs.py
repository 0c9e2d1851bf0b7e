"""Two stored runs: what becomes a suspect, what must not, and what `compare` prints of them."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from studies import noise
from tests.support import journals
from timelift.analyse import results
from timelift.case import Status
from timelift.history import ChangeState, case_changes, compare_words
from timelift.history.levels import largest
from timelift.history.many_runs import changes_over_runs
from timelift.history.noise import ASSUMED, session_noise
from timelift.history.two_runs import compare_runs

STRATEGIES = ("native", "fold_time", "loop_slice", "time_distributed", "vectorized_map")
COSTS = np.log([1.0, 1.1, 2.0, 3.0, 1.5])
OLD_COMMIT, NEW_COMMIT = "aaaa1111bbbb2222cccc", "dddd3333eeee4444ffff"
FACTS = {"first_call_seconds": 0.5, "graph_nodes": 42, "peak_bytes": 8 << 20, "weights": 96}


def stored(  # noqa: PLR0913, PLR0917
    path,
    seed,
    slower=None,
    machine_speed=1.0,
    canary=1.0,
    launches=5,
    sizes=8,
    strategies=STRATEGIES,
    facts=None,
    **header,
):
    """Write a run of these strategies at so many lengths.

    `slower` maps (strategy, length) to the ratio that it became slower by, `facts` a strategy to
    facts of its own; everything takes `machine_speed` times as long, the canary `canary` times.
    """
    random = np.random.default_rng(seed)
    shape = noise.Shape(sizes, len(strategies), launches, rounds=30)
    times = noise.seconds(noise.SCENARIOS[1], shape, COSTS[: len(strategies)], random)
    times = noise.in_sessions(times * machine_speed, 0.005, random)
    lines = []
    every = itertools.product(range(launches), range(sizes), enumerate(strategies))
    for launch, size, (place, strategy) in every:
        ratio = (slower or {}).get((strategy, size + 1), 1.0)
        own = FACTS | {"canary_seconds": 5e-5 * canary} | (facts or {}).get(strategy, {})
        seconds = (times[size, place, launch] * ratio).tolist()
        case = journals.case(strategy, seq_len=size + 1)
        lines.append(journals.line(case, launch + 1, seconds, facts=own))
    head = {"commit": {"id": OLD_COMMIT, "dirty": False}, "cases": sizes * len(strategies)}
    return journals.write(path, journals.header(**(head | header)), *lines, journals.END)


def other_machine(**changes):
    return journals.MACHINE | {"identity": journals.MACHINE["identity"] | changes}


@pytest.fixture
def write(tmp_path):
    number = iter(range(1000))

    def written(seed, **how):
        return results.load(stored(tmp_path / f"{next(number)}.jsonl", seed, **how))

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
    slow = {(strategy, size): 1.25 for strategy in STRATEGIES[:3] for size in range(1, 9)}
    findings = compare_runs(write(seed), write(seed + 1, slower=slow))
    assert sum(row.state is ChangeState.FASTER for row in findings.cases) <= 2
    assert suspects(findings) <= slow.keys()
    assert len(suspects(findings)) >= 20


@pytest.mark.parametrize("faster", [2, 3])
def test_strategies_that_became_faster_make_no_rival_a_suspect(write, faster):
    fast = {(name, size): 0.7 for name in STRATEGIES[:faster] for size in range(1, 9)}
    findings = compare_runs(write(54), write(55, slower=fast))
    assert not suspects(findings)
    assert sum(row.state is ChangeState.FASTER for row in findings.cases) >= 6 * faster


def test_what_slows_all_rivals_of_a_setting_is_seen_beside_the_canary(write):
    slow = {(strategy, 2): 1.6 for strategy in STRATEGIES}
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
    how = {"strategies": STRATEGIES[:2]}
    findings = compare_runs(write(15, **how), write(16, slower={("native", 1): 1.3}, **how))
    assert suspects(findings) == {("native", 1)}


def test_strategies_alone_in_their_settings_have_no_ratio(write):
    how = {"strategies": STRATEGIES[:1]}
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
    twice = {strategy: {"first_call_seconds": 1.0} for strategy in STRATEGIES}
    assert compare_runs(write(23, launches=3), write(23, facts=twice, launches=3)).facts == ()


def test_a_case_that_fails_now_is_lost_and_a_suspect(tmp_path):
    names = ("native", "fold_time", "loop_slice", "vectorized_map")
    cases = journals.grid(names, seq_lens=(16,), phases=("forward",))
    old = results.load(journals.synthetic(tmp_path / "old.jsonl", cases))
    lost = [
        journals.ended(cases[0], Status.CRASHED, "signal 11"),
        journals.ended(cases[1], Status.REFUSED, "no gradient"),
        journals.ended(cases[2], Status.TRACING_LIMIT, "still tracing after 60 s"),
    ]
    path = journals.write(tmp_path / "new.jsonl", journals.header(), *lost, journals.END)
    findings = compare_runs(old, results.load(path))
    assert {case: (end.status, end.reason) for case, end in findings.failing_now.items()} == {
        cases[0]: ("crashed", "signal 11"),
        cases[2]: ("not run: tracing limit", "still tracing after 60 s"),
    }
    assert findings.suspects == (cases[0], cases[2])
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


@pytest.fixture
def runs(tmp_path):
    """An old run, and one in which `native` became slower at 3 steps."""
    old = stored(tmp_path / "old.jsonl", 1, sizes=3)
    slow = {("native", 3): 1.25}
    new = stored(tmp_path / "new.jsonl", 2, sizes=3, slower=slow, commit={"id": NEW_COMMIT})
    return old, new


def test_strict_alone_ends_with_2_where_something_is_suspect(runs, run_command):
    for words, code in ([], 0), (["--strict"], 2), (["--strict", "--gate", "50%"], 0):
        run_command(code, "compare", *runs, *words)
    run_command(0, "compare", runs[0], runs[0], "--strict")


def test_a_hostile_drift_is_cut(runs, tmp_path, run_command):
    machine = other_machine()
    machine["drift"] = {f"drift{number}": "x" * 1000 for number in range(1000)}
    new = stored(tmp_path / "hostile.jsonl", 2, sizes=3, machine=machine)
    printed = run_command(0, "compare", runs[0], new).out
    assert "more" in printed
    assert len(printed) < 5000


def test_long_lists_are_cut_and_all_shows_them(tmp_path, run_command):
    nodes = {strategy: {"graph_nodes": 50} for strategy in STRATEGIES}
    old, new = (
        str(stored(tmp_path / f"{len(facts)}.jsonl", 1, launches=3, sizes=8, facts=facts))
        for facts in ({}, nodes)
    )
    for words, times in (([], 20), (["--all"], 40)):
        printed = run_command(0, "compare", old, new, *words).out
        assert printed.count("graph nodes 42 → 50") == printed.count("timelift bench") == times
        assert ("and 20 more cases" in printed) == (times == 20)


def test_two_unknown_machines_are_not_taken_for_one(tmp_path, run_command):
    paths = [stored(tmp_path / name, 1, sizes=1, machine={}) for name in ("old", "new")]
    assert "machine unknown → unknown" in run_command(1, "compare", *paths).err


def test_one_commit_measured_twice_accuses_no_revision(runs, tmp_path, run_command):
    again = stored(tmp_path / "again.jsonl", 2, sizes=3, slower={("native", 3): 1.3})
    printed = run_command(0, "compare", runs[0], again).out
    assert "both measured commit aaaa1111bbbb, so it was not the code" in printed
    assert "--against" not in printed


@pytest.mark.parametrize("canary", [1.0, 0.94, 1.2], ids="steady faster slower-by-a-fifth".split())
def test_everything_slower_together_ends_in_commands(runs, tmp_path, run_command, canary):
    machine = journals.MACHINE | {"drift": journals.MACHINE["drift"] | {"kernel": "9.9"}}
    how = {"canary": canary, "commit": {"id": NEW_COMMIT}, "machine": machine}
    slow = stored(tmp_path / "slow.jsonl", 4, sizes=3, machine_speed=2.0, **how)
    printed = run_command(2, "compare", runs[0], slow, "--strict").out
    assert "suspect: 3 of 3 settings moved together" in printed
    assert "3 settings as a whole" in printed
    commands = printed.splitlines()[-3:]
    assert all(line.startswith("  timelift bench --against aaaa1111bbbb") for line in commands)
    assert not any("--strategies" in line for line in commands)


def test_what_slows_with_the_canary_is_the_machine_and_no_suspect(runs, tmp_path, run_command):
    slow = stored(tmp_path / "slow.jsonl", 4, sizes=3, machine_speed=2.0, canary=1.45)
    printed = run_command(0, "compare", runs[0], slow, "--strict").out
    assert "machine: 3 of 3 settings moved together" in printed
    assert "--against" not in printed


def test_a_run_beside_another_program_is_told(runs, tmp_path, run_command):
    disturbed = {name: {"missing_cores": 0.8} for name in STRATEGIES}
    new = stored(tmp_path / "new.jsonl", 4, sizes=3, facts=disturbed)
    words = " ".join(run_command(0, "compare", runs[0], new).out.split())
    old, _, new = words.partition(" new ")
    assert ["another program" in text for text in (old, new)] == [False, True]


def test_a_suspect_s_command_selects_that_case_alone():
    case = journals.case("-fold[k=2]", dtype="bfloat16", threads=2)
    command = compare_words._deciding_command(case.setting, "", case.strategy)
    for words in ("'--strategies=-fold[k=2]'", "--dtypes bfloat16", "--threads 2"):
        assert words in command
    assert "--lengths" not in command
    assert "--threads" not in compare_words._deciding_command(journals.case().setting, "")


@pytest.mark.parametrize("commit", [None, "; rm -rf ~", ""])
def test_a_commit_that_is_none_is_not_put_into_a_command(runs, tmp_path, run_command, commit):
    old = stored(tmp_path / "x.jsonl", 1, sizes=3, commit={"id": commit})
    printed = run_command(0, "compare", old, runs[1]).out
    assert "rm -rf" not in printed
    assert "no commit to race against" in printed


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_run_without_samples_is_refused(runs, tmp_path, run_command, name):
    empty = journals.write(tmp_path / "empty.jsonl", journals.header())
    pair = [empty, runs[1]] if name == "old" else [runs[0], empty]
    assert "expected measurements in" in run_command(1, "compare", *pair).err


def test_runs_that_measured_nothing_teach_nothing(runs, tmp_path):
    old, new = (results.load(Path(path)) for path in runs)
    for day in range(1, 5):
        header = journals.header(id=f"{day}", started=f"2026-02-0{day}T00:00:00+00:00")
        journals.write(tmp_path / f"empty{day}.jsonl", header)
    learnt = case_changes.learn_sessions(tmp_path, old, new)
    assert learnt.common_bound(0.05) == case_changes.ASSUMED_SESSIONS.common_bound(0.05)


def test_what_sessions_add_is_learnt_of_a_machine_s_other_runs(tmp_path, monkeypatch, run_command):
    folder = tmp_path / "results" / journals.MACHINE["name"]
    how = {"sizes": 1, "launches": 3}
    for day in range(1, 6):
        stored(folder / f"run{day}.jsonl", day, started=f"2026-01-0{day}T00:00:00+00:00", **how)
    for day in range(10, 20):
        later = {"schema": 9, "started": f"2026-01-{day}T00:00:00+00:00"}
        journals.write(folder / f"later{day}.jsonl", journals.header(**later))
    other = {"machine": other_machine(cores=8), "started": "2026-01-06T00:00:00+00:00"}
    stored(folder / "other.jsonl", 6, **how, **other)
    (folder / "broken.jsonl").write_text("{}\n")
    seen = []
    read = case_changes.run_levels
    monkeypatch.setattr(case_changes, "run_levels", lambda runs: seen.extend(runs) or read(runs))
    run_command(0, "compare", folder / "run1.jsonl", folder / "run3.jsonl", root=tmp_path)
    assert [run.day[8:] for run in seen] == ["02", "04", "05"]
