"""Nothing lost, nothing hung: a run survives its strategies, signals, kills and other runs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from studies import remains
from tests import hostile
from tests.projects import SMALL, bench, environment, journal_of, project, records_of
from timelift.journal.writing import json_line

GOOD = ("native", "fold_time")
FORWARD = ("bench/test_forward.py", *SMALL)
#: A run that lasts long enough to be interrupted: four settings, three launches.
LONGER = (
    "bench/test_forward.py --workloads sensor,tokens --seq-lens 3 --batch-sizes 2,4 "
    "--launches 3 --round-seconds 0.1 --seed 3"
).split()


def played(folder: Path) -> Counter:
    """How often each case of each launch stands in the journal."""
    lines = [one for one in records_of(folder) if one["kind"] == "launch"]
    return Counter((one["launch"], *map(str, one["case"].values())) for one in lines)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start `pytest bench/` in a project and let it go on."""
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_lines(folder: Path, count: int) -> None:
    """Wait until the journal holds so many measurements."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = list(folder.glob("results/*/*.jsonl"))
        if found and found[0].read_text().count('"kind":"launch"') >= count:
            return
        time.sleep(0.05)
    pytest.fail("the run measured nothing in two minutes")


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that a run has started."""
    return psutil.Process(process.pid).children(recursive=True)


def gone(processes: list[psutil.Process]) -> bool:
    """True if all have ended within some seconds."""
    left = psutil.wait_procs(processes, timeout=10)[1]
    return not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture(scope="module")
def wild(tmp_path_factory):
    """One run of good strategies among those that end their worker, or never end."""
    folder = project(tmp_path_factory.mktemp("wild"), GOOD, hostile.WILD)
    limits = "--case-timeout 8 --first-call-limit 8 --memory-limit 6G --seed 5".split()
    enough = "--round-seconds", "0.1"  # calls for one to die while it plays, on a slow machine too
    return folder, bench(folder, *FORWARD, *limits, *enough)


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("segfaults", "crashed: the worker ended with signal SIGSEGV while building"),
        ("kills", "crashed: the worker ended with signal SIGKILL while building"),
        ("loops", "took more than 8 s"),
        ("hoards", "out of memory: "),
        ("dies_playing", "crashed: the worker ended with signal SIGSEGV while"),
    ],
)
def test_a_case_that_dies_is_a_row_with_its_own_reason(wild, strategy, sentence):
    """Its item says so in one paragraph."""
    folder, done = wild
    (row,) = [
        one
        for one in records_of(folder)
        if one["kind"] == "launch" and one["case"]["strategy"] == strategy
    ]
    assert sentence in f"{row['status']}: {row['reason']}"
    assert "Traceback" not in done.stdout


def test_rivals_of_the_dead_are_measured_in_every_launch(wild):
    """No other rival loses anything."""
    folder, done = wild
    assert "2 passed" in done.stdout, done.stdout
    rows = [one for one in records_of(folder) if one["kind"] == "launch" and "facts" in one]
    assert Counter((one["launch"], one["case"]["strategy"]) for one in rows) == {
        (launch, name): 1 for launch in (1, 2) for name in GOOD
    }


def test_what_a_strategy_changes_for_everyone_is_put_back(tmp_path, monkeypatch):
    """Their rivals build as if they were alone, and what they started is ended."""
    folder = project(tmp_path, GOOD, hostile.UNTIDY)
    monkeypatch.setenv(remains.TRIAL_VARIABLE, str(folder))
    done = bench(folder, *FORWARD, "--launches", "1")
    assert f"{len(GOOD) + len(hostile.UNTIDY)} passed" in done.stdout, done.stdout
    assert remains.end_orphans(str(folder)) == 0
    nodes = {
        one["case"]["strategy"]: one["facts"]["graph_nodes"]
        for one in records_of(folder)
        if one["kind"] == "launch" and one["case"]["strategy"] in {"native", "moves", "seeds"}
    }
    assert len(set(nodes.values())) == 1


def test_the_first_interrupt_finishes_the_round_and_the_run_says_what_there_is(tmp_path):
    """Exit code 2, a summary, a journal that can be read, no process left."""
    folder = project(tmp_path, GOOD)
    run = start(folder, *LONGER)
    wait_for_lines(folder, 2)
    children = family(run)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 2, said
    assert "finishing the round" in said
    assert "fastest" in said
    assert records_of(folder)[-1]["exit"] == "interrupted"
    assert gone(children)


def test_the_second_interrupt_stops_at_once(tmp_path):
    """Even a round that never ends; no process is left."""
    folder = project(tmp_path, ("native",), {"sleeps": hostile.SLEEPS})
    run = start(folder, *FORWARD, "--case-timeout", "300", "--round-seconds", "2")
    deadline = time.monotonic() + 90
    while not (folder / "asleep").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    children = family(run)
    run.send_signal(signal.SIGINT)
    time.sleep(1)
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 2, said
    assert gone(children)


#: A conftest.py that interrupts its own run so many times at its end.
ENDS = """
import os
import signal


def pytest_{hook}():
    for _ in range({times}):
        os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize(
    ("hook", "times", "code"),
    [("terminal_summary", 1, 0), ("unconfigure", 1, 0), ("terminal_summary", 2, 2)],
)
def test_an_interrupt_while_the_answer_is_said_costs_nothing(tmp_path, hook, times, code):
    """All was measured; the second one stops at once, in a sentence."""
    folder = project(tmp_path, GOOD)
    (folder / "bench" / "conftest.py").write_text(ENDS.format(hook=hook, times=times))
    done = bench(folder, *FORWARD, "--launches", "1")
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert ("fastest in one launch" in said) == (times == 1)
    assert records_of(folder)[-1]["exit"] == "complete"


def test_an_interrupt_during_the_imports_does_not_wait_for_them(tmp_path):
    """Nothing is measured, no process is left, and --resume measures all of it."""
    folder = project(tmp_path, GOOD)
    run = start(folder, *LONGER)
    while not (children := family(run)):
        time.sleep(0.01)
    while not list(folder.glob("results/*/*.jsonl")):
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 2, said
    assert "Traceback" not in said
    assert not played(folder)
    assert gone(children)
    done = bench(folder, "bench/", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(played(folder)) == 4 * 2 * 3


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    """SIGKILL, then --resume: every case of every launch once, nothing lost, no process left."""
    folder = project(tmp_path, GOOD)
    run = start(folder, *LONGER)
    wait_for_lines(folder, 6)
    children = family(run)
    run.kill()
    run.communicate(timeout=60)
    assert gone(children)
    before = played(folder)
    with journal_of(folder).open("a") as file:
        file.write('{"kind":"launch","launch":3,"torn')
    done = bench(folder, "bench/", "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    after = played(folder)
    assert set(after.values()) == {1}
    assert before.keys() <= after.keys()
    assert len(after) == 4 * 2 * 3
    assert records_of(folder)[-1]["exit"] == "complete"


@pytest.mark.parametrize(
    ("abandoned", "said"), [(True, b""), (False, b'{"of": 0, "event": "Ready"}\n')]
)
def test_a_launch_whose_run_was_killed_before_it_could_hear_of_it_ends(abandoned, said):
    """It imports nothing in vain; another one becomes ready."""
    reader, writer = os.pipe()
    launch = subprocess.Popen(
        [sys.executable, "-m", "timelift.worker.server", str(writer), "tensorflow", ""],
        stdin=subprocess.PIPE,
        pass_fds=[writer],
    )
    if abandoned:
        launch.stdin.close()
    os.close(writer)
    with os.fdopen(reader, "rb") as events:
        assert events.readline() == said
    launch.communicate()
    assert launch.returncode == int(abandoned)


def test_a_run_of_other_versions_or_options_does_not_go_on(tmp_path):
    """One sentence that names what differs."""
    folder = project(tmp_path, GOOD)
    bench(folder, *FORWARD, "--launches", "1")
    path = journal_of(folder)
    done = bench(folder, "bench/", "--resume", "--seq-lens", "9")
    assert done.returncode == 4
    assert "--resume: the run had --seq-lens '3', received '9'" in done.stderr
    head, *rest = path.read_text().splitlines(keepends=True)
    header = json.loads(head)
    header["machine"]["drift"]["versions"]["keras"] = "2.0"
    path.write_text("".join([json_line(header), *rest]))
    done = bench(folder, "bench/", "--resume")
    assert done.returncode == 1
    assert "keras '2.0', now" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("--resume",), ("--resume", "nowhere")])
def test_no_run_to_go_on_with_is_one_sentence(tmp_path, words):
    """Exit code 4, as for any wrong option."""
    done = bench(project(tmp_path, GOOD), "bench/", *words)
    assert done.returncode == 4
    assert "--resume: expected a run under" in done.stderr


def test_a_second_run_on_the_machine_says_who_holds_it_or_waits(tmp_path):
    """One sentence and exit code 1; with --wait it measures once the first has ended."""
    for name in "ab":
        (tmp_path / name).mkdir()
    folder, other = (project(tmp_path / name, GOOD) for name in "ab")
    run = start(folder, *LONGER)
    wait_for_lines(folder, 2)
    done = bench(other, *FORWARD, "--launches", "1")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"another run measures on this machine (process {run.pid}" in said
    waited = start(other, *FORWARD, "--launches", "1", "--wait")
    assert waited.stdout is not None
    before = next(line for line in waited.stdout if "waiting for another run" in line)
    assert str(run.pid) in before
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 2
    said, _ = waited.communicate(timeout=120)
    assert waited.returncode == 0, said


def test_a_results_folder_that_goes_away_costs_no_answer(tmp_path):
    """One sentence, exit code 1, and what was measured is said all the same."""
    folder = project(tmp_path, GOOD)
    run = start(folder, *LONGER)
    wait_for_lines(folder, 12)
    path = journal_of(folder)
    path.unlink()
    said, _ = run.communicate(timeout=120)
    assert run.returncode == 1, said
    assert "cannot write" in said
    assert "it was removed" in said
    assert "fastest: " in said
