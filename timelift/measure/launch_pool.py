"""The launches of a campaign as processes: the first few import together, all end with it.

A launch is one process for each backend that it plays, and for peak memory one more, a reader, for
each interpreter. In a process as users have it every thread keeps memory in an arena of its own,
and the peak of a call cannot be seen (`worker.system.host_peak_facts`). The reader builds and calls
every rival once more, which takes as long as the launch builds. It times nothing, so it may work
while the launch builds.
"""

import contextlib
import dataclasses
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from timelift.axis_values import Backend, Status
from timelift.case import Case
from timelift.errors import UserError
from timelift.measure.launch import LaunchProcess, importing_from
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.options import RunOptions
from timelift.measure.two_interpreters import TwoInterpreters
from timelift.measure.worker_state import InTurns, ShowStage, advance
from timelift.measurement import CaseInLaunch, Facts
from timelift.messages import PeakReading, RivalSpec, Task

#: Launches that import the backend together at the start, which takes less time than one by one.
_TOGETHER = 3
#: One interpreter's launch, or two interpreters' that play together.
AnyLaunch = LaunchProcess | TwoInterpreters
#: The environment in which peak memory can be read: one arena for all threads (mallopt(3)).
PEAK_READING_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
#: The environment in which runs against another side are timed: the C library keeps memory that is
#: freed, and has one arena for all threads. Otherwise the number of new pages that it asks the
#: system for would differ from launch to launch.
STEADY_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),
}


class ProcessKey(NamedTuple):
    """A process of a launch; one that reads peak memory has the interpreter it `reads_with`."""

    launch: int
    backend: Backend
    reads_with: str = ""


@dataclass(frozen=True)
class LaunchOptions:
    """The options of a run that its launches obey, here and on a node."""

    first_call_limit: float
    two_sided: bool
    other_python: str
    import_folders: tuple[str, ...]

    @classmethod
    def of(cls, options: RunOptions) -> Self:
        own = {each.name: getattr(options, each.name) for each in dataclasses.fields(cls)}
        return cls(**own | {"import_folders": tuple(map(str, options.import_folders))})


@dataclass(frozen=True)
class LaunchSlot:
    """A launch of a group that builds side by side, with a reader if it `reads_beside`."""

    number: int
    group: tuple[int, ...]
    lock: BuildOrPlayLock
    reads_beside: bool = False

    @property
    def at_once(self) -> int:
        """How many processes build side by side; the limits of each are multiplied by that."""
        return len(self.group) + self.reads_beside


class LaunchPool:
    """The processes of a campaign's launches; leaving the context ends all of them.

    Of the `wanted` processes those of the first few launches are started at once.
    """

    def __init__(self, options: LaunchOptions, wanted: Iterable[ProcessKey] = ()) -> None:
        self._options, self._lock = options, threading.Lock()
        self._wanted = [key for key in dict.fromkeys(wanted) if key.launch <= _TOGETHER]
        self._live: dict[ProcessKey, AnyLaunch] = {}
        self._finishing = self._killed = False
        self.import_seconds = 0.0

    def __enter__(self) -> Self:
        started = time.monotonic()
        try:
            launches = {key: self._start(key) for key in self._wanted}
            for key, launch in launches.items():
                try:
                    launch.wait_until_ready()  # or it would import while another one is timed
                except UserError:
                    if not key.reads_with:  # a run goes on without a reader
                        raise
        except BaseException:
            self.__exit__()
            raise
        self.import_seconds = time.monotonic() - started
        return self

    def __exit__(self, *_: object) -> None:
        for launch in self._live.values():
            launch.close()

    def open(self, slot: LaunchSlot, backend: Backend, reads_with: str = "") -> AnyLaunch:
        """Return a launch, or the reader of it with that interpreter, ready for tasks."""
        key = ProcessKey(slot.number, backend, reads_with)
        launch = self._live.get(key) or self._start(key)
        launch.share_lock(slot.lock, slot.at_once * self._options.first_call_limit)
        launch.wait_until_ready()
        return launch

    def open_peak_readers(
        self, slot: LaunchSlot, backend: Backend, rivals: Iterable[RivalSpec]
    ) -> dict[bool, AnyLaunch]:
        """Return the readers of a launch, one for each interpreter that builds rivals.

        Those that cannot be started are left out. `close` ends them with the launch, and the system
        ends them with the thread that calls this (prctl(2), PR_SET_PDEATHSIG).
        """
        readers = {}
        for in_other_python in sorted({rival.in_other_python for rival in rivals}):
            python = self._options.other_python if in_other_python else sys.executable
            with contextlib.suppress(UserError):
                readers[in_other_python] = self.open(slot, backend, python)
        return readers

    def measure(
        self, slot: LaunchSlot, task: Task, show_stage: ShowStage
    ) -> InTurns[list[CaseInLaunch]]:
        """Return the turns of a setting in a launch, with a reader beside it if the task has one.

        The launch is ready then, since importing is no price of a setting. The turns return nothing
        if the launch ended early, before all rivals had ended.
        """
        is_beside = task.peaks is PeakReading.BESIDE
        slot = replace(slot, reads_beside=is_beside)
        launch = self.open(slot, task.setting.backend)

        def turns() -> InTurns[list[CaseInLaunch]]:
            if is_beside:
                readers = self.open_peak_readers(slot, task.setting.backend, task.rivals)
                outcomes = yield from measure_with_peaks(launch, task, readers, show_stage)
            else:
                outcomes = yield from launch.measure_in_turns(task, show_stage)
            return [] if self._finishing and len(outcomes) < len(task.rivals) else outcomes

        return turns()

    def add_peaks(
        self, slot: LaunchSlot, task: Task, outcomes: list[CaseInLaunch], show_stage: ShowStage
    ) -> list[CaseInLaunch]:
        """Read the peak memory of the rivals that were measured."""
        names = {line.case.strategy for line in outcomes if line.status is Status.MEASURED}
        measured = replace(task, rivals=tuple(it for it in task.rivals if it.name in names))
        readers = self.open_peak_readers(slot, task.setting.backend, measured.rivals)
        return with_peaks(outcomes, read_peaks(measured, readers, show_stage))

    def _start(self, key: ProcessKey) -> AnyLaunch:
        options, backend = self._options, key.backend
        limit = options.first_call_limit
        launch: AnyLaunch
        variables = importing_from(options.import_folders)
        timed = variables | (STEADY_ALLOCATOR if options.two_sided else {})
        if key.reads_with:
            reading = PEAK_READING_ENVIRONMENT | variables
            launch = LaunchProcess(backend, limit, key.reads_with, variables=reading)
        elif options.other_python:
            python = options.other_python
            launch = TwoInterpreters(backend, limit, python, timed)
        else:
            launch = LaunchProcess(backend, limit, variables=timed)
        with self._lock:
            self._live[key] = launch
            if self._killed:  # by another launch's thread, meanwhile
                launch.kill()
        if self._finishing:  # the signal came while it was started
            launch.finish_early()
        return launch

    def close(self, slot: LaunchSlot) -> None:
        with self._lock:
            keys = [key for key in self._live if key.launch == slot.number]
            launches = [self._live.pop(key) for key in keys]
        for launch in launches:
            launch.close()

    def finish_early(self) -> None:
        self._finishing = True
        # without the lock: a signal's handler may call this
        for launch in tuple(self._live.values()):
            launch.finish_early()

    def kill(self) -> None:
        """End every process at once; threads that wait for one find it dead."""
        with self._lock:
            self._killed = True
            for launch in self._live.values():
                launch.kill()


# Peak memory -------------------------------------------------------------------------------------

#: Processes that read peak memory, by whether they run the other interpreter.
_Readers = Mapping[bool, AnyLaunch]
#: The facts that a reader reports, of which those of peak memory are used.
_Peaks = Mapping[Case, Facts]


def measure_with_peaks(
    launch: AnyLaunch, task: Task, readers: _Readers, show_stage: ShowStage
) -> InTurns[list[CaseInLaunch]]:
    """Measure a setting; the readers read the peak memory of its rivals while it is built.

    Rounds are played once the launch and its readers have built.
    """
    turns = launch.measure_in_turns(task, show_stage)
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(read_peaks, task, readers, lambda _: None)
        try:
            outcomes, wants_to_be_alone = advance(turns)
        except BaseException:
            for reader in readers.values():
                reader.kill()
            raise
        if not reading.done():
            show_stage("reading the peak memory")
    if outcomes is None:
        yield wants_to_be_alone
        outcomes = yield from turns
    return with_peaks(outcomes, reading.result())


def read_peaks(task: Task, readers: _Readers, show_stage: ShowStage) -> _Peaks:
    """Build and call the rivals of each interpreter again, to read their peaks and nothing else.

    A rival that fails has no peak, and nor have those of a reader that dies.
    """
    peaks: dict[Case, Facts] = {}
    reading = replace(
        task,
        round_seconds=0.0,
        reads_peak_memory=True,
        counts_operations=False,
        warms=False,
        names_device=False,
    )
    for in_other_python, reader in readers.items():
        rivals = tuple(rival for rival in task.rivals if rival.in_other_python == in_other_python)
        with contextlib.suppress(UserError):
            outcomes = reader.measure(replace(reading, rivals=rivals), show_stage)
            peaks |= {outcome.case: outcome.facts for outcome in outcomes}
    return peaks


def with_peaks(outcomes: Iterable[CaseInLaunch], peaks: _Peaks) -> list[CaseInLaunch]:
    def with_peak(outcome: CaseInLaunch) -> CaseInLaunch:
        reading = peaks.get(outcome.case)
        if outcome.status is not Status.MEASURED or reading is None:
            return outcome
        peak, below = reading.peak_bytes, reading.peak_bytes_below
        facts = replace(outcome.facts, peak_bytes=peak, peak_bytes_below=below)
        return replace(outcome, facts=facts)

    return [with_peak(outcome) for outcome in outcomes]
