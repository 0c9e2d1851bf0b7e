"""The processes of a campaign, and those that read peak memory."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Barrier

import pytest

from timelift.axis_values import Backend, Phase, Status
from timelift.case import Case, Setting
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs
from timelift.measure import launch_pool
from timelift.measure.launch import run_folder
from timelift.measure.launch_pool import LaunchPool, LaunchSlot, ProcessKey, read_peaks, with_peaks
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.options import RunOptions
from timelift.measure.worker_state import run_out
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


def test_launches_of_all_runs_share_a_folder_of_compiled_code_of_this_process(launch):
    for _ in range(2):
        with LaunchPool(OPTIONS, WANTED):
            pass
    (folder,) = {Path(process.variables[COMPILED_FOLDER]) for process in launch.made}
    assert folder.parent == run_folder()  # which ends with this process


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
        return run_out(self.measure_in_turns(task, show_stage))

    def measure_in_turns(self, task, show_stage):
        self.tasks.append(task)
        self.meets.wait(300)  # seconds, after which both give up
        show_stage("building")
        if self.error:
            raise self.error
        yield False
        facts = Facts(peak_bytes=self.peak) if task.reads_peak_memory else Facts(traces=1)
        return [ended(rival, self.status, facts) for rival in task.rivals]

    def kill(self):
        self.killed = True


def ended(rival, status=Status.MEASURED, facts=Facts()):  # noqa: B008 - it is frozen
    if status is not Status.MEASURED:
        return TASK.unmeasured(rival.name, status, "as scripted")
    return CaseInLaunch(Case(SETTING, rival.name), 1, seconds_per_call=[1e-3], facts=facts)


def measure_with_peaks(*how):
    return run_out(launch_pool.measure_with_peaks(*how))


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
    outcomes = measure_with_peaks(Scripted(together), TASK, readers, shown.append)
    assert facts(outcomes) == {
        "here": {"traces": 1, "peak_bytes": 10},
        "there": {"traces": 1, "peak_bytes": 20},
    }
    assert shown in (["building"], ["building", "reading the peak memory"])


def test_what_the_launch_did_not_measure_has_no_peak():
    launch = Scripted(status=Status.CRASHED)
    outcomes = measure_with_peaks(launch, TASK, two_readers(), lambda _: None)
    assert facts(outcomes) == {"here": {}, "there": {}}


@pytest.mark.parametrize("beside", [True, False])
def test_a_reader_that_dies_or_does_not_start_takes_no_timing_with_it(beside):
    readers = {False: Scripted(error=UserError("it died"))}
    launch = Scripted()
    if beside:
        outcomes = measure_with_peaks(launch, TASK, readers, lambda _: None)
    else:
        measured = launch.measure(TASK, lambda _: None)
        outcomes = with_peaks(measured, read_peaks(TASK, readers, lambda _: None))
    assert facts(outcomes) == {"here": {"traces": 1}, "there": {"traces": 1}}


def test_a_launch_that_dies_ends_its_readers():
    readers = two_readers()
    with pytest.raises(UserError, match="it died"):
        measure_with_peaks(Scripted(error=UserError("it died")), TASK, readers, lambda _: None)
    assert all(reader.killed for reader in readers.values())
