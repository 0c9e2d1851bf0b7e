"""`pytest bench/ --against` as its users meet it: the last commit made one case slow."""

import sys

import pytest

from studies.gate import change
from tests.projects import QUICKEST, SMALL, bench, project, records_of
from tests.repositories import commit, git

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
    return folder, bench(folder, *FORWARD, "--against", "HEAD", "--strategies", "all", "-rs")


@ALONE
def test_only_the_slower_case_fails_and_the_exit_code_is_1(slowed):
    _, done = slowed
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed, 3 skipped" in done.stdout
    words = " ".join(done.stdout.split())
    case = "fold_time, sensor, T3, B2, forward, graph, threads1"
    assert "1 of 2 cases fails the gate against HEAD: 1 slower." in words
    assert words.count("% slower than HEAD [") == words.count(f"{case}: ") == 1
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
    assert "nothing was compared: no case has another side in HEAD that differs" in done.stdout
    assert "unchanged, and not measured: fold_time, native" in done.stdout
    assert "provisional" not in done.stdout
    assert not (folder / "results").exists()


def test_a_wrong_side_is_one_sentence_and_nothing_is_measured(tmp_path):
    folder = commit(project(tmp_path, ("native",)))
    (tmp_path / "empty").mkdir()
    done = bench(folder, "bench/", "--against", "./empty")
    assert done.returncode == 4
    assert "expected a project with strategies/ in it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results").exists()
