"""A run that is interrupted, killed and gone on with ends as if nothing had happened to it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.support import hostile
from tests.support.projects import (
    QUICKEST,
    SMALL,
    bench,
    environment,
    journal_of,
    project,
    records_of,
)
from tests.support.started_runs import (
    GOOD,
    LONGER,
    PATIENCE,
    played,
    start,
    wait_for_lines,
    wait_until,
)
from timelift.journal.files import json_line

CASES = 4 * len(GOOD)
RESUME = ("bench/", "--resume")
#: The row of a workload in the answer at a run's end.
ANSWER = re.compile(r"^Not decided: \w+ looked best, ", re.MULTILINE)


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def wait_until_gone(processes: list[psutil.Process]) -> None:
    wait_until(lambda: not any(map(is_alive, processes)), "nothing of a run left")


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ended_by(run: subprocess.Popen[str], folder: Path, number: signal.Signals) -> SimpleNamespace:
    """Send a signal to a run and tell how it ended, once nothing is left of it."""
    children = family(run)
    run.send_signal(number)
    said, _ = run.communicate(timeout=PATIENCE)
    wait_until_gone(children)
    return SimpleNamespace(
        code=run.returncode, said=said, played=played(folder), last=records_of(folder)[-1]
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A run: interrupted while it imports; gone on with, and interrupted while it plays.

    Another run waits for that end, and goes on with it; it is killed while it writes, and gone on
    with to the end.
    """
    home = tmp_path_factory.mktemp("story")
    folder = project(home / "run", GOOD)
    run = start(folder, *LONGER)
    wait_until(lambda: family(run) and list(folder.glob("results/*/*.jsonl")), "a launch")
    during_imports = ended_by(run, folder, signal.SIGTERM)

    run = start(folder, *RESUME)
    wait_until(lambda: family(run), "a launch")
    second = start(folder, *RESUME)
    waited_for = next(line for line in second.stdout if "waiting for another run" in line)
    wait_for_lines(folder, 2)
    while_playing = ended_by(run, folder, signal.SIGINT)

    wait_for_lines(folder, while_playing.played.total() + 2)
    killed = ended_by(second, folder, signal.SIGKILL)
    with journal_of(folder).open("a") as file:
        file.write('{"kind":"launch","launch":3,"torn')
    whole = bench(folder, *RESUME)
    return SimpleNamespace(
        folder=folder,
        during_imports=during_imports,
        while_playing=while_playing,
        killed=killed,
        holder=run.pid,
        waited_for=waited_for,
        whole=whole,
    )


def test_an_interrupt_during_the_imports_does_not_wait_for_them(story):
    ended = story.during_imports
    assert ended.code == 2, ended.said
    assert "Traceback" not in ended.said
    assert not ended.played


def test_the_first_interrupt_finishes_the_round_and_the_run_says_what_there_is(story):
    ended = story.while_playing
    assert ended.code == 2, ended.said
    assert "provisional: the run is going on, or was interrupted" in " ".join(ended.said.split())
    assert "finishing the round" in ended.said
    assert ANSWER.search(ended.said), ended.said
    assert ended.last["exit"] == "interrupted"
    assert 2 <= ended.played.total() < 2 * CASES


def test_a_second_run_on_the_machine_says_which_holds_it(story):
    assert str(story.holder) in story.waited_for


def test_a_killed_run_goes_on_where_it_was(story):
    assert story.whole.returncode == 0, story.whole.stdout + story.whole.stderr
    after = played(story.folder)
    assert set(after.values()) == {1}
    assert story.killed.played < after
    assert len(after) == 2 * CASES
    assert records_of(story.folder)[-1]["exit"] == "complete"
    assert "provisional" not in story.whole.stdout


@pytest.fixture
def copied(story, tmp_path):
    return shutil.copytree(story.folder, tmp_path / "run")


#: A conftest.py that interrupts its own run so many times at its end, before the answer is said.
ENDS = """
import os
import signal

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_{hook}():
    for _ in range({times}):
        os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize(
    ("hook", "times", "code"),
    [("terminal_summary", 1, 0), ("unconfigure", 1, 0), ("terminal_summary", 2, 2)],
)
def test_an_interrupt_while_the_answer_is_said_costs_nothing(copied, hook, times, code):
    (copied / "bench" / "conftest.py").write_text(ENDS.format(hook=hook, times=times))
    done = bench(copied, *RESUME)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert bool(ANSWER.search(said)) == (times == 1), said
    assert records_of(copied)[-1]["exit"] == "complete"


def test_a_results_folder_that_goes_away_costs_no_answer(copied):
    path = journal_of(copied)
    header, *rest = records_of(copied)
    kept = [line for line in rest if line.get("launch") == 1]
    path.write_text("".join(map(json_line, [header, *kept])))
    run = start(copied, *RESUME)
    wait_for_lines(copied, CASES + 1)
    path.unlink()
    said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 1, said
    assert "cannot write" in said
    assert "it was removed" in said
    assert "then measure it anew" in said
    assert ANSWER.search(said), said


def test_the_second_interrupt_stops_at_once(tmp_path):
    folder = project(tmp_path, ("native",), {"sleeps": hostile.SLEEPS})
    words = "--launches 1 --first-call-limit 150 --backends tensorflow".split()
    run = start(folder, "bench/test_forward.py", *SMALL, *words)
    wait_until((folder / "asleep").exists, "the round that never ends")
    children = family(run)
    run.send_signal(signal.SIGINT)
    assert any("finishing the round" in line for line in run.stdout)  # or the two would be one
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=PATIENCE)
    assert run.returncode == 2, said
    wait_until_gone(children)


def test_a_look_at_a_layer_ends_with_its_run_and_so_does_what_the_layer_started(tmp_path):
    (tmp_path / "mine.py").write_text(hostile.STARTS)
    look = "from timelift.measure import users_layer as it; it.look_at('mine:hangs', '{}', '.')"
    words = [sys.executable, "-c", look.format(QUICKEST)]
    run = subprocess.Popen(words, cwd=tmp_path, env=environment(tmp_path / "run"))
    daemon = tmp_path / "daemon"
    wait_until(lambda: daemon.exists() and daemon.read_text(), "a layer that hangs")
    children = [*family(run), psutil.Process(int(daemon.read_text()))]
    run.kill()
    run.wait()
    wait_until_gone(children)


@pytest.mark.parametrize(
    ("abandoned", "said"), [(True, b""), (False, b'{"of": 0, "message": "Ready"}\n')]
)
def test_a_launch_whose_run_was_killed_before_it_could_hear_of_it_ends(abandoned, said):
    reader, writer = os.pipe()
    heard, orders = os.pipe()
    if abandoned:
        os.close(orders)  # before it starts, or it might look too soon
    launch = subprocess.Popen(
        [sys.executable, "-m", "timelift.worker.server", str(writer), "tensorflow"],
        stdin=heard,
        pass_fds=[writer],
    )
    os.close(heard)
    os.close(writer)
    with os.fdopen(reader, "rb") as events:
        assert events.readline() == said
    if not abandoned:
        os.close(orders)
    assert launch.wait() == int(abandoned)
