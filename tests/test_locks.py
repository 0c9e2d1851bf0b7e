"""The locks between runs of a machine, and between the launches of a run."""

import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.projects import ROOT, write
from timelift.errors import UserError
from timelift.measure import locks
from timelift.measure.locks import BuildOrPlayLock

HOLDER = """
import sys, time
from pathlib import Path
from timelift.measure import locks
with locks.machine_lock(print, sys.argv[2], path=Path(sys.argv[1])) as note:
    note(float(sys.argv[3]))
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / locks.NAME


@pytest.fixture
def holder(path):
    words = [sys.executable, "-c", HOLDER, path, "timelift bench a\x1b.py", "100"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_waiting_ends_with_the_other_run_though_it_was_killed(path, holder):
    said = []

    def stop():
        holder.kill()
        return False

    with locks.machine_lock(said.append, stop=stop, path=path):
        assert f'{{"pid": {os.getpid()}, ' in path.read_text()
    assert len(said) == 1
    named = rf"\(process {holder.pid}, since 20.*, `timelift bench a�\.py`, up to 2 min left\)"
    assert re.search(f"waiting for another run on this machine {named}; set TMPDIR", said[0])


@pytest.mark.usefixtures("holder")
def test_another_holder_is_told_and_what_it_has_left_when_it_is_known(path, monkeypatch):
    monkeypatch.setattr(locks, "_PAUSE", 0)
    unknown, until = '{"pid": 5, "since": "x"}', f', "until": {time.time() + 3590}}}'
    texts, said = iter([unknown, unknown, unknown[:-1] + until, unknown, ""]), []

    def stop():
        text = next(texts, None)
        path.write_text(text or "")
        return text is None

    with pytest.raises(KeyboardInterrupt), locks.machine_lock(said.append, stop=stop, path=path):
        pass
    ends = [" (process 5, since x)", "x, up to 60 min left)", " (of an unknown process)"]
    assert [end in text for text, end in zip(said[1:], ends, strict=True)] == [True] * 3


def test_a_thread_does_not_wait_for_itself_and_others_wait_until_it_has_ended(path):
    with (
        locks.machine_lock(print, path=path),
        locks.machine_lock(pytest.fail, path=path),
        pytest.raises(KeyboardInterrupt),
    ):
        hold_in_a_thread(print, stop=lambda: True, path=path)
    hold_in_a_thread(pytest.fail, path=path)


def hold_in_a_thread(say, **options):
    with ThreadPoolExecutor(1) as threads:
        threads.submit(locks.machine_lock(say, **options).__enter__).result()


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"stop": lambda: True}, KeyboardInterrupt, "^$"),
        ({"patience": 0.0}, UserError, r"another run held this machine for 0 s \(process {pid}, "),
    ],
)
def test_waiting_is_stopped_or_goes_beyond_a_limit_and_says_so(path, holder, how, error, said):
    sentence = said.format(pid=holder.pid)
    with pytest.raises(error, match=sentence), locks.machine_lock(print, path=path, **how):
        pass


def test_the_lock_is_free_again_after_an_error(path):
    with pytest.raises(ZeroDivisionError), locks.machine_lock(print, path=path):
        raise ZeroDivisionError
    with locks.machine_lock(print, path=path):
        pass


PLANTS = {
    "no folder": lambda path: path.parent.rmdir(),
    "a link": lambda path: path.symlink_to("../kept"),
    "a second name": lambda path: path.hardlink_to(path.parents[1] / "kept"),
    "a folder": Path.mkdir,
    "a pipe of another user": os.mkfifo,  # which may be read alone
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_what_is_no_file_to_lock_is_told_once_and_left_alone(tmp_path, monkeypatch, plant):
    path, said, really = write(tmp_path, {"kept": "kept"}) / "tmp" / locks.NAME, [], os.open
    path.parent.mkdir()
    plant(path)

    def refusing(file, flags, mode):
        assert flags & os.O_NONBLOCK or not path.is_fifo()  # else it is waited for without an end
        return path.parent.rmdir() if path.is_fifo() and flags & 3 else really(file, flags, mode)

    monkeypatch.setattr(os, "open", refusing)
    for _ in range(2):
        with locks.machine_lock(said.append, path=path):
            pass
    (told,) = said
    assert told.endswith(f"cannot lock {path}; remove it, or set TMPDIR")
    assert (tmp_path / "kept").read_text() == "kept"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1e999, "since": ""}'])
def test_a_text_that_tells_no_holder_is_no_error(path, text):
    path.write_text(text)
    with path.open() as file:
        assert locks._holder(file.fileno()) == ("of an unknown process", "")


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
    with locks.machine_lock(print, path=path), pytest.raises(KeyboardInterrupt):
        hold_in_a_thread(print, stop=lambda: True, path=path)


def run_together(count, target, *arguments):
    threads = [threading.Thread(target=target, args=arguments, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert not any(thread.is_alive() for thread in threads)


def work(lock, log, settings):
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
