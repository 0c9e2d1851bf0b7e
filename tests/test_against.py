"""`pytest bench/ --against` and `timelift bisect` as users meet them: one case became slow."""

import itertools
import json
import sys

import pytest

import report
from studies.gate import change
from tests.support import gates, journals
from tests.support.gates import NATIVE
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
from timelift.analyse import results
from timelift.case import Case
from timelift.commands import bisect, bisect_step
from timelift.measure.request import Question, RunRequest
from timelift.project import Project

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
    assert "Nothing was compared with HEAD" in done.stdout
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
    code, sentence = 2, first
    if first == "one of:\n":
        sentence += git(folder, "log", "-2", "--format=%h %s", "HEAD~1")
    if first in range(len(codes)):
        code, slowed = 0, git(folder, "rev-parse", f"HEAD~{4 - first}").strip()
        sentence = f"first slower commit: {slowed}"
    assert run(folder / "sub", monkeypatch, "HEAD~4", "HEAD") == code
    assert sentence in capfd.readouterr().out


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
