"""The processes of a campaign, those that read peak memory, and the locks between them."""

import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier

import pytest

from tests.support.projects import ROOT, write
from timelift.case import Backend, Case, Phase, Setting, Status
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measure import launch_pool, locks
from timelift.measure.launch_pool import LaunchPool, LaunchSlot, ProcessKey, read_peaks, with_peaks
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.options import RunOptions
from timelift.measurement import CaseInLaunch, Facts
from timelift.messages import COMPILED_FOLDER, RivalSpec, Task

OPTIONS = replace(RunOptions.read({"launches": "2"}), reads_peak_memory=False)
WANTED = [ProcessKey(number, Backend.JAX) for number in (1, 2, 9)]


class ScriptedLaunch:
    """A launch that counts what it is told, and may be the moment at which the signal comes."""

    made: list = []  # noqa: RUF012 - one list for a test

    def __init__(self, backend, _limit, python="", *, variables):
        self.python = python
        self.backend, self.early_finishes, self.closed = backend, 0, False
        self.variables = variables
        self.made.append(self)
        if self.signal:
            self.signal()

    signal = None

    def finish_early(self):
        self.early_finishes += 1

    def share_lock(self, _, limit):
        self.limit = limit

    def wait_until_ready(self):
        pass

    def close(self):
        self.closed = True

    kill = close


@pytest.fixture
def launch(monkeypatch):
    monkeypatch.setattr(ScriptedLaunch, "made", [])
    monkeypatch.setattr(ScriptedLaunch, "signal", None)
    monkeypatch.setattr(launch_pool, "LaunchProcess", ScriptedLaunch)
    return ScriptedLaunch


def test_the_first_launches_start_together_and_all_end(launch):
    with LaunchPool(OPTIONS, WANTED):
        assert [process.backend for process in launch.made] == [Backend.JAX] * 2
        assert not any(process.closed or process.early_finishes for process in launch.made)
    assert all(process.closed for process in launch.made)


@pytest.mark.parametrize("fails", [False, True])
def test_what_reads_peaks_is_waited_for_and_may_fail_to_start(launch, monkeypatch, fails):
    waited = []

    def wait(self):
        waited.append(self)
        if fails and "MALLOC_ARENA_MAX" in self.variables:
            raise UserError("it cannot be imported")

    monkeypatch.setattr(launch, "wait_until_ready", wait)
    with LaunchPool(OPTIONS, [*WANTED, ProcessKey(2, Backend.JAX, sys.executable)]):
        assert waited == launch.made
        assert len(waited) == 3


def test_a_launch_that_starts_while_the_signal_comes_hears_of_it(launch, monkeypatch):
    pool = LaunchPool(OPTIONS, WANTED)
    monkeypatch.setattr(launch, "signal", staticmethod(pool.finish_early))
    with pool:
        assert all(process.early_finishes for process in launch.made)


def test_a_launch_that_starts_after_all_were_killed_is_killed_too(launch):
    pool = LaunchPool(OPTIONS)
    pool.kill()
    pool.open(LaunchSlot(1, (1,), BuildOrPlayLock()), Backend.JAX)
    assert [process.closed for process in launch.made] == [True]


def test_launches_of_a_run_share_a_folder_of_compiled_code_which_ends_with_it(launch):
    folders = set()
    for _ in range(2):
        with LaunchPool(OPTIONS, WANTED):
            (folder,) = {Path(process.variables[COMPILED_FOLDER]) for process in launch.made}
            assert folder.is_dir()
            (folder / "left by a worker").touch()
        assert not folder.exists()
        folders.add(folder)
        launch.made.clear()
    assert len(folders) == 2


# Beside another launch of its group, or the process that reads its peaks: in a gate's first launch.
@pytest.mark.parametrize(
    ("group", "reads_beside", "times"),
    [((1,), False, 1), ((1,), True, 2), ((3,), False, 1), ((4, 5), False, 2)],
)
@pytest.mark.usefixtures("launch")
def test_what_builds_beside_another_process_has_twice_as_long(group, reads_beside, times):
    slot = LaunchSlot(group[0], group, BuildOrPlayLock(), reads_beside)
    with LaunchPool(OPTIONS) as pool:
        readers = pool.open_peak_readers(slot, Backend.JAX, [RivalSpec("fold", "fold.py")])
        for process in (pool.open(slot, Backend.JAX), readers[False]):
            assert process.limit == times * OPTIONS.first_call_limit


def test_each_interpreter_that_builds_has_a_reader_unless_it_cannot_start(launch, monkeypatch):
    def wait(self):
        if self.python == "no/such/python":
            raise UserError("it cannot be imported there")

    monkeypatch.setattr(launch, "wait_until_ready", wait)
    rivals = [RivalSpec(f"r{there}", "r.py", in_other_python=there) for there in (True, False)]
    slot = LaunchSlot(1, (1,), BuildOrPlayLock())
    for python, opened in (("no/such/python", {False}), ("other/python", {False, True})):
        with LaunchPool(replace(OPTIONS, other_python=python)) as pool:
            assert pool.open_peak_readers(slot, Backend.JAX, rivals).keys() == opened
            assert pool.open_peak_readers(slot, Backend.JAX, []) == {}


HERE, THERE = RivalSpec("here", "here.py"), RivalSpec("there", "there.py", in_other_python=True)
SETTING = Setting("tokens", 4, 2, Phase.FORWARD)
TASK = Task(SETTING, (HERE, THERE), "x.py:make", LayerInputs.of_one((3,)), 1, 0.1, warms=True)


@dataclass
class Scripted:
    """A process that measures whatever it is given, when all that are to meet it have come."""

    meets: Barrier = field(default_factory=lambda: Barrier(1))
    peak: int = 0
    status: Status = Status.MEASURED
    error: Exception | None = None
    tasks: list = field(default_factory=list)
    killed: bool = False

    def measure(self, task, show_stage):
        self.tasks.append(task)
        self.meets.wait(300)  # seconds, after which both give up
        show_stage("building")
        if self.error:
            raise self.error
        facts = Facts(peak_bytes=self.peak) if task.reads_peak_memory else Facts(traces=1)
        return [ended(rival, self.status, facts) for rival in task.rivals]

    def kill(self):
        self.killed = True


def ended(rival, status=Status.MEASURED, facts=Facts()):  # noqa: B008 - it is frozen
    if status is not Status.MEASURED:
        return TASK.unmeasured(rival.name, status, "as scripted")
    return CaseInLaunch(Case(SETTING, rival.name), 1, seconds_per_call=[1e-3], facts=facts)


def facts(outcomes):
    return {outcome.case.strategy: outcome.facts.fields() for outcome in outcomes}


def two_readers():
    return {False: Scripted(peak=10), True: Scripted(peak=20)}


def test_after_the_launch_only_what_was_measured_is_read():
    readers = two_readers()
    outcomes = [ended(HERE, Status.FAILED), ended(THERE)]
    task = replace(TASK, rivals=(THERE,))
    told = facts(with_peaks(outcomes, read_peaks(task, {True: readers[True]}, lambda _: None)))
    assert told == {"here": {}, "there": {"peak_bytes": 20}}
    (task,) = readers[True].tasks
    assert (task.round_seconds, task.warms, task.reads_peak_memory) == (0.0, False, True)


def test_the_reader_builds_while_the_launch_does():
    together, shown = Barrier(2), []
    readers = two_readers()
    readers[False].meets = together
    outcomes = launch_pool.measure_with_peaks(Scripted(together), TASK, readers, shown.append)
    assert facts(outcomes) == {
        "here": {"traces": 1, "peak_bytes": 10},
        "there": {"traces": 1, "peak_bytes": 20},
    }
    assert shown in (["building"], ["building", "reading the peak memory"])


def test_what_the_launch_did_not_measure_has_no_peak():
    launch = Scripted(status=Status.CRASHED)
    outcomes = launch_pool.measure_with_peaks(launch, TASK, two_readers(), lambda _: None)
    assert facts(outcomes) == {"here": {}, "there": {}}


@pytest.mark.parametrize("beside", [True, False])
def test_a_reader_that_dies_or_does_not_start_takes_no_timing_with_it(beside):
    readers = {False: Scripted(error=UserError("it died"))}
    launch = Scripted()
    if beside:
        outcomes = launch_pool.measure_with_peaks(launch, TASK, readers, lambda _: None)
    else:
        measured = launch.measure(TASK, lambda _: None)
        outcomes = with_peaks(measured, read_peaks(TASK, readers, lambda _: None))
    assert facts(outcomes) == {"here": {"traces": 1}, "there": {"traces": 1}}


def test_a_launch_that_dies_ends_its_readers():
    readers = two_readers()
    with pytest.raises(UserError, match="it died"):
        launch_pool.measure_with_peaks(
            Scripted(error=UserError("it died")), TASK, readers, lambda _: None
        )
    assert all(reader.killed for reader in readers.values())


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


def test_folders_of_killed_runs_are_removed_by_the_next_and_no_others(tmp_path):
    own = write(tmp_path, {"timelift-run-mine/run.jsonl": "mine"}) / "timelift-run-mine"
    (tmp_path / "timelift-run-link").symlink_to(own)
    script = "import os, sys\nfrom timelift.measure.launch import run_folder\n"
    script += "print(run_folder(), flush=True)\nif sys.stdin.read(): os.kill(os.getpid(), 9)"
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}

    def start():
        run = subprocess.Popen([sys.executable, "-c", script], env=environment, **pipes)
        return run, Path(run.stdout.readline().strip())

    (killed, its_folder), (alive, other_folder) = start(), start()
    killed.communicate("die")
    assert its_folder.is_dir()
    start()[0].communicate()
    assert {*tmp_path.iterdir()} == {other_folder, own, tmp_path / "timelift-run-link"}
    alive.communicate()


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
