"""`pytest bench/ --against` as its users meet it: one case became slow."""

import sys

import pytest

from studies.gate import change
from tests.support.gates import SLEEPS
from tests.support.projects import QUICKEST, SMALL, bench, commit, git, project, records_of

NAMES = ("native", "fold_time", "conv1d_pointwise", "einsum_letters", "einsum_ellipsis")
#: What runs beside a race of two sides makes its verdict undecided.
ALONE = pytest.mark.alone
#: On TensorFlow, whose py_function is what is slipped in.
FORWARD = (
    "bench/test_forward.py",
    *SMALL,
    *"--launches 3 --budget 40m --backends tensorflow".split(),
)
#: No verdict is asked for: hardly anything is suspected.
QUICK = "--gate 99% --budget 10m".split()


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


@pytest.mark.whole  # two interpreters and their readers; `test_two_interpreters.py` has two sides
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
