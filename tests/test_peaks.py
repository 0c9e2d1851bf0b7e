"""Peak memory is read by a process of its own, which may build while the launch does."""

from dataclasses import dataclass, field, replace
from threading import Barrier

import pytest

from timelift.case import Phase, Setting, Status
from timelift.errors import UserError
from timelift.layer_inputs import LayerInputs
from timelift.measure.launch_pool import measure_with_peaks, with_peaks
from timelift.measure.worker_state import RivalOutcome, RivalSamples
from timelift.messages import RivalSpec, Task

HERE, THERE = RivalSpec("here", "here.py"), RivalSpec("there", "there.py", in_other_python=True)
TASK = Task(
    Setting("tokens", 4, 2, Phase.FORWARD),
    (HERE, THERE),
    "x.py:make",
    LayerInputs((3,)),
    1,
    0.1,
    warms=True,
)
#: Seconds after which two that wait for each other give up.
PATIENCE = 20


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
        self.meets.wait(PATIENCE)
        show_stage("building")
        if self.error:
            raise self.error
        facts = {"peak_bytes": self.peak} if task.reads_peak_memory else {"traces": 1}
        samples = RivalSamples([1e-3], 2, facts) if self.status is Status.MEASURED else None
        return [RivalOutcome(one, self.status, "", samples) for one in task.rivals]

    def kill(self):
        self.killed = True


def facts(outcomes):
    """The facts of each outcome, by rival."""
    return {one.rival.name: one.samples and one.samples.facts for one in outcomes}


def two_readers():
    """One for each interpreter."""
    return {False: Scripted(peak=10), True: Scripted(peak=20)}


def test_after_the_launch_only_what_was_measured_is_read():
    readers = two_readers()
    samples = RivalSamples([1e-3], 2, {})
    outcomes = [
        RivalOutcome(HERE, Status.FAILED),
        RivalOutcome(THERE, Status.MEASURED, "", samples),
    ]
    task = replace(TASK, rivals=(THERE,))
    found = facts(with_peaks(task, outcomes, {True: readers[True]}, lambda _: None))
    assert found == {"here": None, "there": {"peak_bytes": 20}}
    (task,) = readers[True].tasks
    assert (task.round_seconds, task.warms, task.reads_peak_memory) == (0.0, False, True)


def test_the_reader_builds_while_the_launch_does():
    together, shown = Barrier(2), []
    readers = two_readers()
    readers[False].meets = together
    found = measure_with_peaks(Scripted(together), TASK, readers, shown.append)
    assert facts(found) == {
        "here": {"traces": 1, "peak_bytes": 10},
        "there": {"traces": 1, "peak_bytes": 20},
    }
    assert shown in (["building"], ["building", "reading the peak memory"])


def test_what_the_launch_did_not_measure_has_no_peak():
    launch = Scripted(status=Status.CRASHED)
    found = measure_with_peaks(launch, TASK, two_readers(), lambda _: None)
    assert facts(found) == {"here": None, "there": None}


@pytest.mark.parametrize("beside", [True, False])
def test_a_reader_that_dies_or_does_not_start_takes_no_timing_with_it(beside):
    readers = {False: Scripted(error=UserError("it died"))}
    launch = Scripted()
    if beside:
        found = measure_with_peaks(launch, TASK, readers, lambda _: None)
    else:
        measured = launch.measure(TASK, lambda _: None)
        found = with_peaks(TASK, measured, readers, lambda _: None)
    assert facts(found) == {"here": {"traces": 1}, "there": {"traces": 1}}


def test_a_launch_that_dies_ends_its_readers():
    readers = two_readers()
    with pytest.raises(UserError, match="it died"):
        measure_with_peaks(Scripted(error=UserError("it died")), TASK, readers, lambda _: None)
    assert all(one.killed for one in readers.values())
