"""`report.py compare`: what is printed, how it ends, and what it refuses."""

import re
from pathlib import Path

import pytest

import report
from tests import journals
from tests.stored import NEW_COMMIT, STRATEGIES, other_machine, stored
from timelift import cli
from timelift.analyse import results
from timelift.history import case_changes, compare_words


@pytest.fixture
def runs(tmp_path):
    """An old run, and one in which `native` became slower at 3 steps."""
    old = stored(tmp_path / "old.jsonl", 1, sizes=3)
    slow = {("native", 3): 1.25}
    new = stored(tmp_path / "new.jsonl", 2, sizes=3, slower=slow, commit={"id": NEW_COMMIT})
    return str(old), str(new)


def test_strict_alone_ends_with_2_where_something_is_suspect(runs):
    for words, code in ([], 0), (["--strict"], 2), (["--strict", "--gate", "50%"], 0):
        assert report.main(["compare", *runs, *words]) == code
    assert report.main(["compare", runs[0], runs[0], "--strict"]) == 0


def test_a_hostile_drift_is_cut(runs, tmp_path, capsys):
    machine = other_machine()
    machine["drift"] = {f"drift{number}": "x" * 1000 for number in range(1000)}
    new = str(stored(tmp_path / "hostile.jsonl", 2, sizes=3, machine=machine))
    assert report.main(["compare", runs[0], new]) == 0
    printed = capsys.readouterr().out
    assert "more" in printed
    assert len(printed) < 5000


def test_long_lists_are_cut_and_all_shows_them(tmp_path, capsys):
    nodes = {strategy: {"graph_nodes": 50} for strategy in STRATEGIES}
    old, new = (
        str(stored(tmp_path / f"{len(facts)}.jsonl", 1, launches=3, sizes=8, facts=facts))
        for facts in ({}, nodes)
    )
    for words, times in (([], 20), (["--all"], 40)):
        assert report.main(["compare", old, new, *words]) == 0
        printed = capsys.readouterr().out
        assert printed.count("graph nodes 42 → 50") == printed.count("timelift bench") == times
        assert ("and 20 more cases" in printed) == (times == 20)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (other_machine(), other_machine(cores=8), "cores 2 → 8"),
        (other_machine(), other_machine(cpu="Other CPU"), "cpu Example CPU → Other CPU"),
        (other_machine(quota_cores=1.5), other_machine(quota_cores=2.0), "quota_cores 1.5 → 2.0"),
        (other_machine(), {}, "system Linux → unknown"),
        ({}, {}, "machine unknown → unknown"),
    ],
)
def test_another_or_an_unknown_machine_is_refused_in_a_sentence(tmp_path, capsys, old, new, said):
    paths = [stored(tmp_path / "old", 1, sizes=1, machine=old), tmp_path / "new"]
    stored(paths[1], 1, sizes=1, machine=new)
    assert report.main(["compare", *map(str, paths)]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert "--across-machines" in printed.err
    assert printed.err.count("\n") == 1


def test_across_machines_there_are_ranks_and_no_suspects(runs, tmp_path, capsys):
    slow, machine = {("native", 3): 2.0}, other_machine(cores=8)
    new = str(stored(tmp_path / "other.jsonl", 3, sizes=3, slower=slow, machine=machine))
    assert report.main(["compare", runs[0], new, "--across-machines", "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "slower there" in printed
    assert not re.search(r"suspect:|--against|\(ms\)", printed)


def test_one_commit_measured_twice_accuses_no_revision(runs, tmp_path, capsys):
    again = str(stored(tmp_path / "again.jsonl", 2, sizes=3, slower={("native", 3): 1.3}))
    assert report.main(["compare", runs[0], again]) == 0
    printed = capsys.readouterr().out
    assert "both measured commit aaaa1111bbbb, so it was not the code" in printed
    assert "--against" not in printed


def test_everything_slower_together_ends_in_commands_that_decide(runs, tmp_path, capsys):
    head = {"commit": {"id": NEW_COMMIT}}
    slow = str(stored(tmp_path / "slow.jsonl", 4, sizes=3, machine_speed=2.0, **head))
    assert report.main(["compare", runs[0], slow, "--strict"]) == 2
    printed = capsys.readouterr().out
    assert "suspect: 3 of 3 settings moved together" in printed
    assert "3 settings as a whole" in printed
    commands = printed.splitlines()[-3:]
    assert all(line.startswith("  timelift bench --against aaaa1111bbbb") for line in commands)
    assert not any("--strategies" in line for line in commands)


def test_what_slows_with_the_canary_is_the_machine_and_no_suspect(runs, tmp_path, capsys):
    slow = str(stored(tmp_path / "slow.jsonl", 4, sizes=3, machine_speed=2.0, canary=1.2))
    assert report.main(["compare", runs[0], slow, "--strict"]) == 0
    printed = capsys.readouterr().out
    assert "machine: 3 of 3 settings moved together" in printed
    assert "--against" not in printed


def test_a_suspect_s_command_selects_that_case_alone():
    case = journals.case("-fold[k=2]", dtype="bfloat16", threads=2)
    command = compare_words._deciding_command(case.setting, "", case.strategy)
    for words in ("'--strategies=-fold[k=2]'", "--dtypes bfloat16", "--threads 2"):
        assert words in command
    assert "--lengths" not in command
    assert "--threads" not in compare_words._deciding_command(journals.case().setting, "")


@pytest.mark.parametrize("commit", [None, "; rm -rf ~", ""])
def test_a_commit_that_is_none_is_not_put_into_a_command(runs, tmp_path, capsys, commit):
    old = str(stored(tmp_path / "x.jsonl", 1, sizes=3, commit={"id": commit}))
    assert report.main(["compare", old, runs[1]]) == 0
    printed = capsys.readouterr().out
    assert "rm -rf" not in printed
    assert "no commit to race against" in printed


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_run_without_samples_is_refused(runs, tmp_path, capsys, name):
    empty = str(journals.write(tmp_path / "empty.jsonl", journals.header()))
    pair = [empty, runs[1]] if name == "old" else [runs[0], empty]
    assert report.main(["compare", *pair]) == 1
    assert "expected measurements in" in capsys.readouterr().err


def test_runs_that_measured_nothing_teach_nothing(runs, tmp_path):
    old, new = (results.load(Path(path)) for path in runs)
    for day in range(1, 5):
        header = journals.header(id=f"{day}", started=f"2026-02-0{day}T00:00:00+00:00")
        journals.write(tmp_path / f"empty{day}.jsonl", header)
    learnt = case_changes.learn_sessions(tmp_path, old, new)
    assert learnt.common_bound(0.05) == case_changes.ASSUMED_SESSIONS.common_bound(0.05)


def test_what_sessions_add_is_learnt_from_the_machine_s_other_runs(tmp_path, monkeypatch):
    folder = tmp_path / "results" / journals.MACHINE["name"]
    folder.mkdir(parents=True)
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
    words = [str(folder / "run1.jsonl"), str(folder / "run3.jsonl")]
    assert cli.main(["compare", *words], tmp_path) == 0
    assert [run.day[8:] for run in seen] == ["02", "04", "05"]
