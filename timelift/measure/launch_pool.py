"""The launches of a campaign as processes: the first few import together, all end with it.

A launch is one process for each backend that it plays, and one more where peak memory is read:
where every thread keeps memory in an arena of its own, as in a process as users have it, a call's
need cannot be seen (see `worker.system.host_peak_facts`).
"""

import contextlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from timelift.case import Backend, Status
from timelift.errors import UserError
from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.launch import LaunchProcess, importing_from
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.two_interpreters import TwoInterpreters
from timelift.measure.worker_state import RivalOutcome, ShowStage
from timelift.messages import COMPILED_FOLDER, RivalSpec, Task

#: So many launches import the backend together at the start, which costs less than one by one.
_TOGETHER = 3


#: One interpreter's launch, or two interpreters' that play together.
AnyLaunch = LaunchProcess | TwoInterpreters
#: What a process must be started with, so that its peak memory can be read (mallopt(3)).
PEAK_READING_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
#: What makes the C library keep what is freed, and serve all threads from one arena: how often it
#: asks the system for memory, and gets pages that are new, differs from launch to launch.
STEADY_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}
#: A launch's number, its backend, and the interpreter whose memory it reads; empty where it plays.
_Key = tuple[int, Backend, str]


@dataclass(frozen=True)
class LaunchSlot:
    number: int
    group: tuple[int, ...]
    lock: BuildOrPlayLock

    @property
    def alone(self) -> bool:
        return len(self.group) == 1


class LaunchPool:
    """The processes of a campaign's launches; leaving the context ends all of them.

    Of the `wanted` processes, named by the launch's number and the backend, the first few are
    started at once.
    """

    def __init__(
        self, options: CampaignOptions, wanted: Iterable[tuple[int, Backend]] = ()
    ) -> None:
        self._options, self._lock = options, threading.Lock()
        self._wanted = [key for key in dict.fromkeys(wanted) if key[0] <= _TOGETHER]
        self._live: dict[_Key, AnyLaunch] = {}
        self.import_seconds, self._finishing, self._compiled = 0.0, False, ""

    def __enter__(self) -> Self:
        started = time.monotonic()
        self._compiled = tempfile.mkdtemp(prefix="timelift-compiled-")
        try:
            for launch in [self._start((*key, "")) for key in self._wanted]:
                launch.wait_until_ready()
        except BaseException:
            self._close_all()
            raise
        self.import_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._close_all()

    def _close_all(self) -> None:
        for launch in self._live.values():
            launch.close()
        shutil.rmtree(self._compiled, ignore_errors=True)

    def open(self, slot: LaunchSlot, backend: Backend) -> AnyLaunch:
        return self._ready((slot.number, backend, ""), slot)

    def open_peak_reader(
        self,
        slot: LaunchSlot,
        backend: Backend,
        in_other_python: bool,  # noqa: FBT001
    ) -> AnyLaunch:
        """Return the process that reads a launch's peak memory; `close` ends it with the launch.

        A process ends with the thread that started it (prctl(2), PR_SET_PDEATHSIG), so launches do
        not share one.
        """
        python = self._options.other_python if in_other_python else sys.executable
        return self._ready((slot.number, backend, python), slot)

    def _ready(self, key: _Key, slot: LaunchSlot) -> AnyLaunch:
        launch = self._live.get(key) or self._start(key)
        launch.share_lock(slot.lock, self._options.limits.times(len(slot.group)))
        launch.wait_until_ready()
        return launch

    def _start(self, key: _Key) -> AnyLaunch:
        options, (_, backend, peak_python) = self._options, key
        launch: AnyLaunch
        variables = importing_from(options.import_folders) | {COMPILED_FOLDER: self._compiled}
        timed = variables | (STEADY_ALLOCATOR if options.steady_allocator else {})
        if peak_python:
            launch = LaunchProcess(
                backend,
                options.limits,
                options.cores,
                peak_python,
                PEAK_READING_ENVIRONMENT | variables,
            )
        elif options.other_python:
            python = options.other_python
            launch = TwoInterpreters(backend, options.limits, options.cores, python, timed)
        else:
            launch = LaunchProcess(backend, options.limits, options.cores, variables=timed)
        with self._lock:
            self._live[key] = launch
        if self._finishing:  # the signal came while it was started
            launch.finish_early()
        return launch

    def close(self, slot: LaunchSlot) -> None:
        with self._lock:
            mine = [key for key in self._live if key[0] == slot.number]
            ended = [self._live.pop(key) for key in mine]
        for launch in ended:
            launch.close()

    def finish_early(self) -> None:
        self._finishing = True
        # without the lock: a signal's handler may call this
        for launch in tuple(self._live.values()):
            launch.finish_early()

    def kill(self) -> None:
        """End every process at once; waiting threads see that it died."""
        with self._lock:
            for launch in self._live.values():
                launch.kill()


def with_peaks(
    task: Task,
    outcomes: Sequence[RivalOutcome],
    open_reader: Callable[[bool], AnyLaunch],
    show_stage: ShowStage,
) -> list[RivalOutcome]:
    """Add the peak memory to the facts of each measured outcome; a rival that fails here has none.

    `open_reader` opens the process of this interpreter, or of the other one. Where that process
    dies, the outcomes keep their timings and have no peak memory.
    """
    peaks: dict[str, Mapping[str, object]] = {}
    for in_other_python in (False, True):
        chosen = [
            one.rival
            for one in outcomes
            if one.rival.in_other_python == in_other_python and one.status is Status.MEASURED
        ]
        if chosen:
            with contextlib.suppress(UserError):
                found = open_reader(in_other_python).measure(_reading(task, chosen), show_stage)
                peaks |= {one.rival.name: _peak(one) for one in found}
    return [_with_peak(one, peaks.get(one.rival.name, {})) for one in outcomes]


def _reading(task: Task, rivals: Iterable[RivalSpec]) -> Task:
    """Return the task that reads the peaks of these rivals and nothing else."""
    return replace(
        task,
        rivals=tuple(rivals),
        round_seconds=0.0,
        reads_peak_memory=True,
        compares_programs=(),
        warms=False,
        counts_work=False,
        measures_device=False,
    )


def _peak(outcome: RivalOutcome) -> Mapping[str, object]:
    facts = outcome.samples.facts if outcome.samples else {}
    return {name: facts[name] for name in ("peak_bytes", "peak_bytes_below") if name in facts}


def _with_peak(outcome: RivalOutcome, peak: Mapping[str, object]) -> RivalOutcome:
    if outcome.samples is None:
        return outcome
    facts = {**outcome.samples.facts, **peak}
    return replace(outcome, samples=replace(outcome.samples, facts=facts))
