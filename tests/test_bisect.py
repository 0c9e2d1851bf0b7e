"""`timelift bisect`: the commit since which a case is slower, and what a step says."""

import itertools
import json
import sys

import pytest

import report
from studies.gate import change
from tests.support import gates, journals
from tests.support.gates import NATIVE
from tests.support.projects import ROOT, commit, git, project, write
from timelift.analyse import results
from timelift.case import Case
from timelift.commands import bisect, bisect_step
from timelift.measure.request import Question, RunRequest
from timelift.project import Project

CASE = "sensor-T3-B2-forward-graph-fold_time"
#: A step that takes its exit code from the commit.
SCRIPTED = (
    "import pathlib, sys; code = int(pathlib.Path(sys.argv[1], 'code').read_text()); "
    "print('good' if code == 0 else 'bad ' if code == 1 else 'skip', code); sys.exit(code)"
)


def run(folder, monkeypatch, *words):
    """The exit code of the command in a project that measured the case; nothing else is left."""
    case = journals.case("fold_time", "sensor", seq_len=3, batch=2)
    journals.write(folder / "results" / "run.jsonl", journals.header(), journals.line(case))
    monkeypatch.setattr(report, "ROOT", folder)
    monkeypatch.setenv("TMPDIR", str(folder.parent))  # a lock that no other run holds
    before = git(folder, "status", "--porcelain"), git(folder, "log", "--format=%H %D")
    code = report.main(["bisect", "--case", CASE, *words])
    assert (git(folder, "status", "--porcelain"), git(folder, "log", "--format=%H %D")) == before
    assert git(folder, "worktree", "list").count("\n") == 1
    return code


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        ((0, 1, 125, 1, 1), 1),
        ((0, 125, 0, 1, 1), 3),
        ((0, 0, 0, 0, 1), 4),
        ((0, 0, 125, 1, 1), "one of:\n"),
        ((0, 0, 143, 1, 1), "(git bisect: exit code "),
        ((0, 0, 0, 1, 0), "is not shown to be slower"),
        ((0, 0, 0, 1, 125), "was not decided"),
    ],
)
def test_the_first_slow_commit_is_named_or_why_none_is(tmp_path, monkeypatch, capfd, codes, first):
    folder = tmp_path / "project"
    for number, of_commit in enumerate(codes):
        commit(write(folder, {"sub/code": f"{of_commit}", "sub/number": f"{number}"}))
    words = [sys.executable, "-c", SCRIPTED]
    monkeypatch.setattr(bisect, "STEP", words)
    code, sentence = 2, first
    if first == "one of:\n":
        sentence += git(folder, "log", "-2", "--format=%h %s", "HEAD~1")
    if first in range(len(codes)):
        code, slowed = 0, git(folder, "rev-parse", f"HEAD~{4 - first}").strip()
        sentence = f"first slower commit: {slowed}"
    assert run(folder / "sub", monkeypatch, "HEAD~4", "HEAD") == code
    assert sentence in capfd.readouterr().out


def test_a_race_that_is_killed_is_no_verdict(tmp_path, monkeypatch, capfd):
    folder = tmp_path / "project"
    for of_commit in (0, 143):
        commit(write(folder, {"sub/code": f"{of_commit}"}))
    monkeypatch.setattr(bisect, "STEP", [sys.executable, "-c", SCRIPTED])
    assert run(folder / "sub", monkeypatch, "HEAD~1", "HEAD") == 1
    assert "the race ended before its verdict (exit code 143)" in capfd.readouterr().err


def of_sides(slow=1.0, end=journals.END, **facts):
    """The lines of a run of eight launches, in which the new side takes `slow` times as long."""
    sides = [gates.both("native", n, slow, gates.FACTS | facts) for n in range(1, 9)]
    return [*itertools.chain.from_iterable(sides), *([end] if end else [])]


FAILED = journals.ended(NATIVE, "failed", "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("lines", "code", "reason"),
    [
        (of_sides(1.2), bisect.SLOWER, " slower than main ["),
        (of_sides(1.2, traces=3), bisect.SLOWER, " slower than main ["),
        (of_sides(peak_bytes=80 << 20), bisect.UNKNOWN, "more peak memory than main"),
        (of_sides(1.2, end=None), bisect.UNKNOWN, " slower than main ["),
        ([gates.THERE, FAILED], bisect.UNKNOWN, "failed: ZeroDivisionError"),
        ([gates.HERE, gates.NO_SUCH, journals.END], bisect.UNKNOWN, "main has no figures"),
        ([gates.THERE, gates.HERE, journals.END], bisect.UNKNOWN, "too few launches"),
        (of_sides(), bisect.PASSED, "the gate passes it"),
    ],
)
def test_a_step_is_bad_only_where_its_case_is_slower(tmp_path, lines, code, reason):
    path = gates.alone(tmp_path, *lines, against=gates.FAILS)
    run = results.load(path)
    judged, told = bisect_step.verdict(run, NATIVE)
    assert (judged, reason in told) == (code, True), told


def asked(**texts):
    """What a step is asked: a case of a project that has the strategy native."""
    usual = "strategies=native workloads=sensor phases=forward seq_lens=3 batch_sizes=2"
    return json.dumps(dict(one.split("=") for one in usual.split()) | {"against": "HEAD"} | texts)


@pytest.mark.parametrize(
    "axes",
    [
        {"strategy": "fold_chunks[k=8]"},
        {"phase": "backward", "gradients": "weights", "threads": 1},
        {"phase": "train", "time_axis": "buckets", "mode": "eager"},
    ],
)
def test_a_step_is_asked_for_the_very_case(axes):
    case = Case.from_fields(journals.case("native", "tokens").fields() | axes)
    texts = json.loads(bisect.asked(case, "", 0.03))
    request = RunRequest(Project(ROOT), texts)
    assert request.cases(Question({"time_axes": ""})) == [case]


@pytest.mark.parametrize(
    ("texts", "code", "reason"),
    [
        ({}, bisect.PASSED, "unchanged since HEAD"),
        ({"strategies": "natve"}, bisect.UNKNOWN, "unknown strategy 'natve'"),
        ({"time_axes": "buckets"}, bisect.UNKNOWN, "varying lengths have one sample a launch"),
        ({"launches": "-"}, bisect.UNKNOWN, "--launches: "),
    ],
)
def test_a_step_that_races_nothing_says_why(tmp_path, capsys, texts, code, reason):
    folder = commit(project(tmp_path, ["native"]))
    assert bisect_step.step(str(folder), asked(**texts)) == code
    said = capsys.readouterr().out
    assert said.startswith(bisect.WORDS[code])
    assert reason in said


def test_an_error_in_a_step_is_no_verdict(monkeypatch, capsys):
    monkeypatch.setattr(bisect_step, "RunRequest", lambda *_: 1 / 0)
    assert bisect_step.step(str(ROOT), "{}") == 125
    assert capsys.readouterr().out.endswith(": ZeroDivisionError: division by zero\n")


def test_a_commit_without_the_project_s_folder_is_skipped(tmp_path, capsys):
    folder = commit(write(tmp_path, {"a": ""})) / "sub"
    assert bisect_step.step(str(folder), "{}") == 125
    assert capsys.readouterr().out.endswith(": it has no folder sub\n")


@pytest.mark.alone  # what runs beside a race of two sides makes its verdict undecided
@pytest.mark.whole  # it measures three commits of five
def test_commits_are_measured(tmp_path, monkeypatch, capfd):
    folder = commit(project(tmp_path / "project", ("native", "fold_time")))
    path = folder / "strategies" / "fold_time.py"
    change(path, "eager fall-back")
    path.write_text(path.read_text().replace("1.0 * t", gates.SLEEPS))
    commit(folder)
    good = path.read_text()
    path.write_text(good.replace("\ndef build(", "\nraise ValueError\n\n\ndef build("))
    commit(folder)
    path.write_text(good)
    change(path)
    commit(folder)
    change(folder / "strategies" / "native.py")
    commit(folder)
    assert run(folder, monkeypatch, "HEAD~4", "HEAD") == 0
    said = capfd.readouterr().out
    assert f"first slower commit: {git(folder, 'rev-parse', 'HEAD~3').strip()}" in said
    assert "ValueError" in said
