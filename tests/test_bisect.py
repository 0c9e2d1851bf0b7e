"""`timelift bisect`: among commits that change nothing, one that made a case slow is named."""

import subprocess
import sys

import pytest

import report
from studies.gate import change
from tests.projects import ROOT, project
from tests.repositories import commit, git, write
from tests.test_against import ALONE, SLEEPS
from timelift.commands import bisect

CASE = "sensor-T3-B2-forward-graph-fold_time"
AS_SHOWN = "fold_time, sensor, T3, B2, forward, graph"
#: A step that takes its exit code from the commit.
SCRIPTED = (
    "import pathlib, sys; code = int(pathlib.Path(sys.argv[1], 'code').read_text()); "
    "print('good' if code == 0 else 'bad ' if code == 1 else 'skip', code); sys.exit(code)"
)


def run(folder, monkeypatch, *words):
    """The exit code of the command in a project; nothing of it is left there."""
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
        ((0, 0, 0, 1, 0), "is not shown to be slower"),
        ((0, 0, 0, 1, 125), "was not decided"),
    ],
)
def test_the_first_slow_commit_is_named_or_why_none_can_be(
    tmp_path, monkeypatch, capfd, codes, first
):
    folder = tmp_path / "project"
    for number, of_commit in enumerate(codes):
        commit(write(folder, {"sub/code": f"{of_commit}", "sub/number": f"{number}"}))
    words = [sys.executable, "-c", SCRIPTED]
    monkeypatch.setattr(bisect, "STEP", words)
    monkeypatch.setattr(bisect, "judge", lambda *own: subprocess.call([*words, *own]))
    code, sentence = 2, first
    if first == "one of:\n":
        sentence += git(folder, "log", "-2", "--format=%h %s", "HEAD~1")
    if first in range(len(codes)):
        code, slowed = 0, git(folder, "rev-parse", f"HEAD~{4 - first}").strip()
        sentence = f"first slower commit: {slowed}"
    assert run(folder / "sub", monkeypatch, "HEAD~4", "HEAD", "--case", AS_SHOWN) == code
    assert sentence in capfd.readouterr().out


@pytest.mark.parametrize(
    ("ends", "printed", "code"),
    [
        (1, "FAILED x - fold_time: 6.2 % slower than 12ab [+5 %, +7 %], 4 launches", 1),
        (1, "FAILED x - fold_time: 70 % more peak memory than 12ab", 125),
        (1, "FAILED x - fold_time: failed: ZeroDivisionError: division by zero", 125),
        (2, "FAILED x - so far, fold_time: 6.2 % slower than 12ab", 125),
        (4, "ERROR: --strategies: unknown strategy 'fold_time'", 125),
        (0, "SKIPPED [1] x: unchanged since 12ab: its files are the same", 0),
        (0, "SKIPPED [1] x: new: 12ab has no strategy 'fold_time'", 125),
        (0, "1 passed", 0),
        (3, "ModuleNotFoundError: No module named 'keras'", 125),
        (-9, "", 125),
    ],
)
def test_a_step_is_bad_only_where_its_case_is_slower(monkeypatch, capsys, ends, printed, code):
    done = subprocess.CompletedProcess([], ends, f"timelift\n{printed}\n", "")
    real = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda words, **how: done if "bench" in words else real(words, **how)
    )
    assert bisect.judge(str(ROOT)) == code
    said = capsys.readouterr().out
    assert said.startswith(bisect.WORDS[code])
    assert ("the gate passes it" in said) == (printed == "1 passed")


def test_an_error_in_a_step_is_no_verdict(monkeypatch, capsys):
    monkeypatch.setattr(bisect, "environment", lambda: 1 / 0)
    assert bisect.step(str(ROOT)) == 125
    assert capsys.readouterr().out == "skip ZeroDivisionError: division by zero\n"


def test_a_commit_without_the_project_s_folder_is_skipped(tmp_path, capsys):
    folder = commit(write(tmp_path, {"a": ""})) / "sub"
    assert bisect.judge(str(folder)) == 125
    assert capsys.readouterr().out.endswith(": it has no folder sub\n")


def test_a_step_may_print_bytes_that_are_no_text(tmp_path, monkeypatch):
    script = "import sys; sys.stdout.buffer.write(b'\\xff'); sys.exit(3)"
    monkeypatch.setattr(bisect, "STEP", (sys.executable, "-c", script))
    assert bisect.judge(str(commit(write(tmp_path, {"a": ""})))) == 125


@ALONE
@pytest.mark.whole  # it measures three commits of five
def test_commits_are_measured(tmp_path, monkeypatch, capfd):
    folder = commit(project(tmp_path / "project", ("native", "fold_time")))
    path = folder / "strategies" / "fold_time.py"
    change(path, "eager fall-back")
    path.write_text(path.read_text().replace("1.0 * t", SLEEPS))
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
