"""`timelift bisect`: among commits that change nothing, one that made a case slow is named."""

import shutil
import subprocess
from pathlib import Path

import pytest

import report
from studies.gate import comment_on, slip_into
from tests.projects import ROOT, project
from tests.repositories import commit, git, write
from timelift.case import Case
from timelift.errors import UserError
from timelift.measure.bisect import Bisection, CommitVerdict
from timelift.measure.git import git as read_git
from timelift.project import Project

CASE = "sensor-T3-B2-forward-graph-fold_time"


def four_commits(folder, slip):
    """A project of four commits: the third slips, the others touch another file or comment."""
    commit(project(folder, ("native", "fold_time")))
    native, fold_time = (folder / "strategies" / f"{name}.py" for name in ("native", "fold_time"))
    comment_on(native)
    commit(folder)
    slip_into(fold_time, slip)
    commit(folder)
    comment_on(fold_time)
    commit(folder)
    shutil.copytree(folder / "strategies", folder / "results" / "untracked")
    return folder


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """One with a slip so large that few launches suspect it."""
    return four_commits(tmp_path_factory.mktemp("history"), "retrace per call")


def bisect(folder: Path, monkeypatch, *words: str) -> int:
    """Run the command in a project."""
    monkeypatch.setattr(report, "ROOT", folder)
    monkeypatch.setenv("TMPDIR", str(folder.parent))  # a lock that no other run holds
    return report.main(["bisect", *words])


def test_a_commit_that_cannot_be_measured_is_raced_and_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("timelift.measure.bisect._LAUNCHES", "1")
    folder = commit(project(tmp_path, ("native", "fold_time")))
    path = folder / "strategies" / "fold_time.py"
    path.write_text(
        path.read_text().replace(
            "\ndef build(",
            "\ndef build(layer, shape, dtype=None):\n    return 1 / 0\n\n\ndef built(",
        )
    )
    commit(folder)
    assert bisect(folder, monkeypatch, "HEAD~1", "HEAD", "--case", CASE) == 2
    said = capsys.readouterr().out
    assert "is not shown to be slower" in said
    assert "ZeroDivisionError: division by zero" in said
    assert git(folder, "worktree", "list").count("\n") == 1


@pytest.mark.whole
def test_the_commit_that_slipped_is_named(history, monkeypatch, capsys):
    """Exit code 0, the commit's name, and no work tree left behind.

    Up to the slip there is one race to measure: the commit before it has the same fold_time.
    """
    monkeypatch.setattr("timelift.measure.bisect._LAUNCHES", "3")
    assert bisect(history, monkeypatch, "HEAD~3", "HEAD~1", "--case", CASE) == 0
    said = capsys.readouterr().out
    slipped = git(history, "rev-parse", "HEAD~1").strip()
    assert f"first slower commit: {slipped}" in said
    assert "% slower than" in said
    assert git(history, "worktree", "list").count("\n") == 1
    assert not git(history, "status", "--porcelain", "--", "strategies")


@pytest.mark.whole
def test_a_smaller_slip_is_named_among_commits_behind_it(tmp_path, monkeypatch, capsys):
    folder = four_commits(tmp_path, "eager fall-back")
    assert bisect(folder, monkeypatch, "HEAD~3", "HEAD", "--case", CASE) == 0
    slipped = git(folder, "rev-parse", "HEAD~1").strip()
    assert f"first slower commit: {slipped}" in capsys.readouterr().out


def test_each_commit_is_raced_as_it_was_with_todays_questions_and_harness(tmp_path, monkeypatch):
    ours = {"conftest.py": "", "pyproject.toml": "", "bench/test_forward.py": "today"}
    root = write(tmp_path / "project", ours)
    for number in range(6):
        write(root, {"strategies/native.py": f"{number}", "timelift/__init__.py": f"{number}"})
        commit(root)

    def race(words, cwd, **_):
        assert (cwd / "bench" / "test_forward.py").read_text() == "today"
        assert (cwd / "timelift").resolve() == ROOT / "timelift"
        (journal := cwd / "results" / "machine" / "against" / "run.jsonl").parent.mkdir(
            parents=True
        )
        journal.write_text((cwd / "strategies" / "native.py").read_text())
        return subprocess.CompletedProcess(words, 0, "", "")

    def judge(journal):
        return CommitVerdict("bad" if int(journal.read_text()) >= 3 else "good", "as scripted")

    run, said = subprocess.run, []
    monkeypatch.setattr(
        subprocess, "run", lambda words, **how: (race if "bench" in words else run)(words, **how)
    )
    checkout, case = Project(root, brought=root), Case.from_label(CASE)
    asked = Bisection(checkout, "HEAD~5", "HEAD", case, "3%", judge, said.append)
    assert asked.run()
    assert said[-1].startswith(f"first slower commit: {git(root, 'rev-parse', 'HEAD~2').strip()}")


def test_a_project_that_is_no_checkout_is_raced_by_timelift_s_question(tmp_path, monkeypatch):
    root = write(tmp_path / "project", {"conftest.py": "0", "report.py": "0", "pyproject.toml": ""})
    commit(root)
    commit(write(root, {"conftest.py": "1"}))
    write(root, {"conftest.py": "2"})
    raced = []

    def race(words, cwd, **_):
        raced.append((words[3:5], (cwd / "conftest.py").read_text(), (cwd / "report.py").exists()))
        return subprocess.CompletedProcess(words, 1, "ERROR not measured", "")

    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda words, **how: (race if "bench" in words else run)(words, **how)
    )
    case = Case.from_label(CASE)
    assert not Bisection(Project(root), "HEAD~1", "HEAD", case, "3%", print, print).run()
    question = str(Project(root).packaged("bench") / "test_forward.py")
    assert raced == [(["bench", question], "1", True)]


def test_a_commit_is_named_whatever_its_subject_and_author_are(tmp_path, monkeypatch):
    files = {"conftest.py": "", "pyproject.toml": "", "bench/test_forward.py": ""}
    root = write(tmp_path / "project", files)
    for number in range(4):
        commit(write(root, {"strategies/native.py": f"{number}"}))
        git(root, "config", "i18n.commitEncoding", "UTF-8")
        odd = ("commit", "-q", "--amend", "-m", f"odd\u2028subject {number}")
        subprocess.run(
            [b"git", b"-c", b"user.name=J\xf6rg", b"-c", b"user.email=a@b", *map(str.encode, odd)],
            cwd=root,
            check=True,
        )
    verdicts = iter(["bad", "good", "bad"])
    monkeypatch.setattr(Bisection, "_verdict", lambda *_, **__: CommitVerdict(next(verdicts), "-"))
    said = []
    asked = Bisection(
        Project(root), "HEAD~3", "HEAD", Case.from_label(CASE), "3%", None, said.append
    )
    assert asked.run()
    assert "odd\u2028subject" in said[-1]
    with pytest.raises(UserError, match=r"^git worktree failed: .+"):
        read_git(root, "worktree", "add", str(root), "HEAD")


def test_where_nothing_became_slower_there_is_nothing_to_find(history, monkeypatch, capsys):
    assert bisect(history, monkeypatch, "HEAD~3", "HEAD~2", "--case", CASE) == 2
    assert "is not shown to be slower" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("HEAD~99", "HEAD", "--case", CASE), "expected a revision that git knows here"),
        (("HEAD~1", "HEAD", "--case", "fold_time"), "--case: expected a case like"),
    ],
)
def test_a_wrong_end_or_case_is_one_sentence(history, monkeypatch, capsys, words, sentence):
    assert bisect(history, monkeypatch, *words) == 1
    assert sentence in capsys.readouterr().err
