"""`timelift compare`: what it prints of two stored runs, and how it ends."""

from pathlib import Path

import pytest

from tests.support import histories, journals
from timelift.analyse import results
from timelift.history import case_changes, compare_words


@pytest.fixture
def runs(tmp_path):
    """An old run, and one in which `native` became slower at 3 steps."""
    old = histories.stored(tmp_path / "old.jsonl", 1, sizes=3)
    slow = {("native", 3): 1.25}
    new = histories.stored(
        tmp_path / "new.jsonl", 2, sizes=3, slower=slow, commit={"id": histories.NEW_COMMIT}
    )
    return old, new


def test_strict_alone_ends_with_2_where_something_is_suspect(runs, run_command):
    for words, code in ([], 0), (["--strict"], 2), (["--strict", "--gate", "50%"], 0):
        run_command(code, "compare", *runs, *words)
    run_command(0, "compare", runs[0], runs[0], "--strict")


def test_a_hostile_drift_is_cut(runs, tmp_path, run_command):
    machine = histories.other_machine()
    machine["drift"] = {f"drift{number}": "x" * 1000 for number in range(1000)}
    new = histories.stored(tmp_path / "hostile.jsonl", 2, sizes=3, machine=machine)
    printed = run_command(0, "compare", runs[0], new).out
    assert "more" in printed
    assert len(printed) < 5000


def test_long_lists_are_cut_and_all_shows_them(tmp_path, run_command):
    nodes = {strategy: {"graph_nodes": 50} for strategy in histories.STRATEGIES}
    old, new = (
        str(histories.stored(tmp_path / f"{len(facts)}.jsonl", 1, launches=3, sizes=8, facts=facts))
        for facts in ({}, nodes)
    )
    for words, times in (([], 20), (["--all"], 40)):
        printed = run_command(0, "compare", old, new, *words).out
        assert printed.count("graph nodes 42 → 50") == printed.count("timelift bench") == times
        assert ("and 20 more cases" in printed) == (times == 20)


def test_two_unknown_machines_are_not_taken_for_one(tmp_path, run_command):
    paths = [histories.stored(tmp_path / name, 1, sizes=1, machine={}) for name in ("old", "new")]
    assert "machine unknown → unknown" in run_command(1, "compare", *paths).err


def test_one_commit_measured_twice_accuses_no_revision(runs, tmp_path, run_command):
    again = histories.stored(tmp_path / "again.jsonl", 2, sizes=3, slower={("native", 3): 1.3})
    printed = run_command(0, "compare", runs[0], again).out
    assert "both measured commit aaaa1111bbbb, so it was not the code" in printed
    assert "--against" not in printed


@pytest.mark.parametrize("canary", [1.0, 0.94, 1.2], ids="steady faster slower-by-a-fifth".split())
def test_everything_slower_together_ends_in_commands(runs, tmp_path, run_command, canary):
    machine = journals.MACHINE | {"drift": journals.MACHINE["drift"] | {"kernel": "9.9"}}
    how = {"canary": canary, "commit": {"id": histories.NEW_COMMIT}, "machine": machine}
    slow = histories.stored(tmp_path / "slow.jsonl", 4, sizes=3, machine_speed=2.0, **how)
    printed = run_command(2, "compare", runs[0], slow, "--strict").out
    assert "suspect: 3 of 3 settings moved together" in printed
    assert "3 settings as a whole" in printed
    commands = printed.splitlines()[-3:]
    assert all(line.startswith("  timelift bench --against aaaa1111bbbb") for line in commands)
    assert not any("--strategies" in line for line in commands)


def test_what_slows_with_the_canary_is_the_machine_and_no_suspect(runs, tmp_path, run_command):
    slow = histories.stored(tmp_path / "slow.jsonl", 4, sizes=3, machine_speed=2.0, canary=1.45)
    printed = run_command(0, "compare", runs[0], slow, "--strict").out
    assert "machine: 3 of 3 settings moved together" in printed
    assert "--against" not in printed


def test_a_run_beside_another_program_is_told(runs, tmp_path, run_command):
    disturbed = {name: {"missing_cores": 0.8} for name in histories.STRATEGIES}
    new = histories.stored(tmp_path / "new.jsonl", 4, sizes=3, facts=disturbed)
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
    old = histories.stored(tmp_path / "x.jsonl", 1, sizes=3, commit={"id": commit})
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
        histories.stored(
            folder / f"run{day}.jsonl", day, started=f"2026-01-0{day}T00:00:00+00:00", **how
        )
    for day in range(10, 20):
        later = {"schema": 9, "started": f"2026-01-{day}T00:00:00+00:00"}
        journals.write(folder / f"later{day}.jsonl", journals.header(**later))
    other = {"machine": histories.other_machine(cores=8), "started": "2026-01-06T00:00:00+00:00"}
    histories.stored(folder / "other.jsonl", 6, **how, **other)
    (folder / "broken.jsonl").write_text("{}\n")
    seen = []
    read = case_changes.run_levels
    monkeypatch.setattr(case_changes, "run_levels", lambda runs: seen.extend(runs) or read(runs))
    run_command(0, "compare", folder / "run1.jsonl", folder / "run3.jsonl", root=tmp_path)
    assert [run.day[8:] for run in seen] == ["02", "04", "05"]
