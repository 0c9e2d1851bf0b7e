"""Launches in which workers are killed, and what they are asked to measure."""

import os
import signal
from contextlib import contextmanager

import psutil

from tests.support.projects import ROOT, WORKLOADS
from timelift.axis_values import Mode, Phase
from timelift.case import Setting
from timelift.measure.locks import BuildOrPlayLock
from timelift.messages import RivalSpec, Task

NAMES = ("native", "fold_time", "conv1d_pointwise")
LIMIT = 60
FILES = {name: str(ROOT / "strategies" / f"{name}.py") for name in NAMES}
HERE = tuple(RivalSpec(name, path) for name, path in FILES.items())


def task(seq_len=3, rivals=HERE):
    workload = WORKLOADS["sensor"]
    setting = Setting("sensor", seq_len, 2, Phase.FORWARD, Mode.EAGER)
    return Task(setting, rivals, workload.factory, workload.inputs, 1, 0.01)


def file_of(folder, name, text, *, in_other_python=False):
    path = folder / f"{name}.py"
    path.write_text(text)
    return RivalSpec(name, str(path), in_other_python=in_other_python)


def workers():
    """The workers that wait now: children of the launch processes that this process started."""
    here = psutil.Process()
    return [child for child in here.children(recursive=True) if child.ppid() != here.pid]


class Deadly(BuildOrPlayLock):
    """A lock that kills the waiting worker, as a system without memory does, so many times.

    `which` is its place where two wait, the older first; the first `turns` are let pass.
    """

    def __init__(self, times, which=0, turns=0):
        super().__init__()
        self.left, self.which, self.turns = times, which, turns

    @contextmanager
    def playing(self):
        self.turns -= 1
        if self.left and self.turns < 0:
            self.left -= 1
            doomed = sorted(workers(), key=psutil.Process.create_time)[self.which]
            os.kill(doomed.pid, signal.SIGKILL)
            psutil.wait_procs([doomed], timeout=LIMIT)
        with super().playing():
            yield


def measured(launch, lock, asked):
    launch.share_lock(lock, LIMIT)
    launch.wait_until_ready()
    outcomes = launch.measure(asked)
    assert len({outcome.case.strategy for outcome in outcomes}) == len(outcomes)
    return {outcome.case.strategy: outcome for outcome in outcomes}
