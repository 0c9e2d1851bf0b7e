"""`pytest bench/ --against` and `timelift bisect` as users meet them: one case became slow."""

import subprocess
import sys

import pytest

import report
from studies.gate import change
from tests.support import journals
from tests.support.projects import (
    QUICKEST,
    ROOT,
    SMALL,
    bench,
    commit,
    git,
    project,
    records_of,
    write,
)
from timelift.commands import bisect

NAMES = ("native", "fold_time", "conv1d_pointwise", "einsum_letters", "einsum_ellipsis")
#: Three launches of short rounds find it, whatever else the machine does.
SLEEPS = "(__import__('time').sleep(0.05), 1.0 * t)[1]"
#: No verdict is asked for: hardly anything is suspected.
QUICK = "--gate 99% --budget 10m".split()
#: What runs beside a race of two sides makes its verdict undecided.
ALONE = pytest.mark.alone
#: On TensorFlow, whose py_function is what is slipped in.
FORWARD = (
    "bench/test_forward.py",
    *SMALL,
    *"--launches 3 --budget 40m --backends tensorflow".split(),
)


@pytest.fixture(scope="module")
def slowed(tmp_path_factory):
    """The finished run of a project in which one strategy sleeps in Python at every call."""
    folder = commit(project(tmp_path_factory.mktemp("against"), NAMES))
    path = folder / "strategies"
    slow = path / "fold_time.py"
    change(slow, "eager fall-back")
    slow.write_text(slow.read_text().replace("1.0 * t", SLEEPS))
    change(path / "conv1d_pointwise.py")
    (path / "mine.py").write_text(f'"""Mine."""\n{(path / "native.py").read_text()}')
    (path / "einsum_letters.py").unlink()
    return folder, bench(folder, *FORWARD, "--against", "HEAD", "--strategies", "all", "-ra")


@ALONE
def test_only_the_slower_case_fails_and_the_exit_code_is_1(slowed):
    _, done = slowed
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed, 3 skipped" in done.stdout
    words = " ".join(done.stdout.split())
    case = "sensor-T3-B2-forward-graph-threads1-fold_time"
    assert "1 of 2 cases fails the gate against HEAD: 1 slower." in words
    listed, _, end = words.partition("= timelift =")
    assert end.count("% slower than HEAD [") == end.count(f"{case}: ") == 1
    assert "FAILED bench/test_forward.py" in listed
    assert "; its program has +1 EagerPyFunc, +1 EnsureShape" in words
    assert "FAILURES" not in words
    assert "Traceback" not in done.stdout + done.stderr


@ALONE
def test_what_has_no_other_side_is_skipped_with_the_reason(slowed):
    _, done = slowed
    assert "new: HEAD has no strategy 'mine'" in done.stdout
    assert "unchanged since HEAD: its files and all that they import are the same" in done.stdout
    assert "removed: einsum_letters" in done.stdout


@ALONE
def test_its_journal_lies_apart_and_says_what_it_was_measured_against(slowed):
    folder, _ = slowed
    header, *_ = records_of(folder, "against")
    assert header["against"]["label"] == "HEAD"
    assert header["against"]["commit"] == git(folder, "rev-parse", "HEAD").strip()
    assert header["strategies"]["fold_time@HEAD"]["against"] == {"of": "fold_time"}


@pytest.mark.whole  # two interpreters and their readers; `tests/test_launch.py` measures in two
def test_two_interpreters_of_the_same_versions_are_compared(tmp_path):
    folder = project(tmp_path, ("native", "fold_time"))
    words = (*FORWARD, *f"--launches 1 --backends {QUICKEST}".split(), *QUICK)
    done = bench(folder, *words, "--against", sys.executable)
    assert "2 cases timed beside" in done.stdout, done.stdout + done.stderr
    # a busy machine may make a suspect of a first call, which is then tried in further launches
    first = [line for line in records_of(folder, "against") if line.get("launch") == 1]
    assert len(first) == 4
    assert len({len(line["seconds_per_call"]) for line in first}) == 1
    assert all(line["status"] == "measured" for line in first)


def test_an_unchanged_tree_starts_no_launch(tmp_path):
    folder = commit(project(tmp_path, ("native", "fold_time")))
    done = bench(folder, "bench/", *SMALL, "--against", "HEAD")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was compared with HEAD" in done.stdout
    assert "unchanged, and not measured: fold_time, native" in done.stdout
    assert "provisional" not in done.stdout
    assert not (folder / "results").exists()
    change(folder / "strategies/native.py", "eager fall-back")
    done = bench(folder, "bench/", *SMALL, "--against", "HEAD", "--time-axes", "buckets")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr
    assert "2 cases: varying lengths have one sample a launch" in done.stdout


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
    monkeypatch.setattr(bisect, "judge", lambda *own: subprocess.call([*words, *own]))
    code, sentence = 2, first
    if first == "one of:\n":
        sentence += git(folder, "log", "-2", "--format=%h %s", "HEAD~1")
    if first in range(len(codes)):
        code, slowed = 0, git(folder, "rev-parse", f"HEAD~{4 - first}").strip()
        sentence = f"first slower commit: {slowed}"
    assert run(folder / "sub", monkeypatch, "HEAD~4", "HEAD") == code
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
