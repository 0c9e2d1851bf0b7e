"""The locks: one run holds a machine, a killed run holds nothing; one launch plays at a time."""

import os
import subprocess
import sys
import threading
import time

import pytest

from tests.projects import ROOT
from timelift.errors import UserError
from timelift.measure import locks
from timelift.measure.locks import BuildOrPlayLock

HOLDER = """
import sys, time
from pathlib import Path
from timelift.measure import locks
with locks.machine_lock(print, path=Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / locks.NAME


@pytest.fixture
def holder(path):
    words = [sys.executable, "-c", HOLDER, path]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_killed_run_holds_nothing(path, holder):
    holder.kill()
    holder.wait()
    said = []
    with locks.machine_lock(said.append, path=path):
        assert f"process {os.getpid()}, " in locks._holder(path)
    assert said == []


def test_waiting_ends_with_the_other_run(path, holder):
    said = []

    def stop():
        holder.kill()
        return False

    with locks.machine_lock(said.append, stop=stop, path=path):
        pass
    assert len(said) == 1
    assert f"waiting for another run on this machine (process {holder.pid}" in said[0]


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"stop": lambda: True}, KeyboardInterrupt, "^$"),
        ({"patience": 0.0}, UserError, r"--budget: all of it went .*\(process {pid}, since '20"),
    ],
)
def test_waiting_is_stopped_or_goes_beyond_a_budget_and_says_so(path, holder, how, error, said):
    sentence = said.format(pid=holder.pid)
    with pytest.raises(error, match=sentence), locks.machine_lock(print, path=path, **how):
        pass


def test_the_lock_is_free_again_after_an_error(path):
    with pytest.raises(ZeroDivisionError), locks.machine_lock(print, path=path):
        raise ZeroDivisionError
    with locks.machine_lock(print, path=path):
        pass


def test_a_folder_that_cannot_be_used_locks_no_run_out(tmp_path):
    (tmp_path / "file").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for path in (tmp_path / "file" / locks.NAME, tmp_path / "link"):
        with locks.machine_lock(print, path=path):
            pass
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1e999, "since": ""}'])
def test_a_text_that_tells_no_holder_is_no_error(path, text):
    path.write_text(text)
    assert locks._holder(path) == "of an unknown process"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_a_file_of_another_user_in_a_folder_like_tmp_is_locked_all_the_same(tmp_path, mode):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    path = folder / locks.NAME
    path.touch()
    path.chmod(mode)
    os.chown(path, 1000, 1000)
    with (
        locks.machine_lock(print, path=path),
        pytest.raises(KeyboardInterrupt),
        locks.machine_lock(print, stop=lambda: True, path=path),
    ):
        pass


def run_together(count, target, *arguments):
    threads = [threading.Thread(target=target, args=arguments, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads)


def work(lock, log, settings):
    """Build and play some settings, logging what goes on inside."""
    for _ in range(settings):
        with lock.building():
            log.append("build")
            time.sleep(0.001)
            log.append("built")
        with lock.playing():
            log.append("play")
            time.sleep(0.001)
            log.append("played")


def test_no_launch_builds_or_plays_while_another_plays():
    lock, log = BuildOrPlayLock(), []
    run_together(3, work, lock, log, 20)
    starts = [index for index, word in enumerate(log) if word == "play"]
    assert len(starts) == 60
    assert all(log[index + 1] == "played" for index in starts)


def test_launches_do_build_side_by_side():
    lock, meet = BuildOrPlayLock(), threading.Barrier(2)

    def build():
        with lock.building():
            meet.wait(timeout=300)

    run_together(2, build)
    assert not meet.broken


def test_a_launch_that_fails_while_playing_frees_the_others():
    lock = BuildOrPlayLock()
    with pytest.raises(KeyError), lock.playing():
        raise KeyError
    entered = threading.Event()

    def build():
        with lock.building():
            entered.set()

    threading.Thread(target=build, daemon=True).start()
    assert entered.wait(timeout=300)
