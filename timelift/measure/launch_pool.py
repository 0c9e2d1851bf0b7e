"""The launches of a campaign as processes: the first few import together, all end with it.

A launch is one process for each backend that it plays, and one more where peak memory is read. What
is timed runs with the allocator as users have it, whose threads keep memory in arenas of their own,
where a call's need cannot be seen (see `memory.peak_bytes`).
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from timelift.case import Backend, Status
from timelift.errors import UserError
from timelift.measure.campaign_options import CampaignOptions
from timelift.measure.launch import Launch
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.two_interpreters import TwoInterpreters
from timelift.measure.worker_state import RivalOutcome, Watch
from timelift.messages import RivalSpec, Task

#: So many launches import the backend together at the start, which costs less than one by one.
_TOGETHER = 3


#: One interpreter's launch, or two interpreters' that play together.
AnyLaunch = Launch | TwoInterpreters
#: What a process must be started with, so that its peak memory can be read (mallopt(3)).
GAUGING_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1"}
#: A launch's number, its backend, and the interpreter whose memory it reads; empty where it plays.
_Key = tuple[int, Backend, str]


@dataclass(frozen=True)
class LaunchSlot:
    number: int
    numbers: tuple[int, ...]
    lock: BuildOrPlayLock

    @property
    def alone(self) -> bool:
        return len(self.numbers) == 1


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
        self.import_seconds, self._hurried = 0.0, False

    def __enter__(self) -> Self:
        started = time.monotonic()
        try:
            for launch in [self._start((*key, "")) for key in self._wanted]:
                launch.wait_until_ready()
        except BaseException:
            self._stop_all()
            raise
        self.import_seconds = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._stop_all()

    def _stop_all(self) -> None:
        for launch in self._live.values():
            launch.stop()

    def open(self, slot: LaunchSlot, backend: Backend) -> AnyLaunch:
        return self._ready((slot.number, backend, ""), slot)

    def gauge(self, slot: LaunchSlot, backend: Backend, there: bool) -> AnyLaunch:  # noqa: FBT001
        """Return the process that reads a launch's peak memory; `close` ends it with the launch.

        `there` names the other interpreter, where two are compared. A process ends with the thread
        that started it (prctl(2), PR_SET_PDEATHSIG), so launches do not share one.
        """
        python = self._options.other_python if there else sys.executable
        return self._ready((slot.number, backend, python), slot)

    def _ready(self, key: _Key, slot: LaunchSlot) -> AnyLaunch:
        launch = self._live.get(key) or self._start(key)
        launch.share_lock(slot.lock, self._options.limits.times(len(slot.numbers)))
        launch.wait_until_ready()
        return launch

    def _start(self, key: _Key) -> AnyLaunch:
        options, (_, backend, gauged) = self._options, key
        launch: AnyLaunch
        if gauged:
            launch = Launch(backend, options.limits, options.cores, gauged, GAUGING_ENVIRONMENT)
        elif options.other_python:
            launch = TwoInterpreters(backend, options.limits, options.cores, options.other_python)
        else:
            launch = Launch(backend, options.limits, options.cores)
        with self._lock:
            self._live[key] = launch
        if self._hurried:  # the signal came while it was started
            launch.hurry()
        return launch

    def close(self, slot: LaunchSlot) -> None:
        with self._lock:
            mine = [key for key in self._live if key[0] == slot.number]
            ended = [self._live.pop(key) for key in mine]
        for launch in ended:
            launch.stop()

    def hurry(self) -> None:
        self._hurried = True
        # without the lock: a signal's handler may call this
        for launch in tuple(self._live.values()):
            launch.hurry()

    def kill(self) -> None:
        """End every process at once; waiting threads see that it died."""
        with self._lock:
            for launch in self._live.values():
                launch.kill()


def with_peaks(
    task: Task,
    outcomes: Sequence[RivalOutcome],
    open_gauge: Callable[[bool], AnyLaunch],
    watch: Watch,
) -> list[RivalOutcome]:
    """Add the peak memory to the facts of each measured outcome; a rival that fails here has none.

    `open_gauge` opens the process of this interpreter, or of the other one. None has it where the
    process itself dies: what was timed counts all the same.
    """
    peaks: dict[str, Mapping[str, object]] = {}
    for there in (False, True):
        chosen = [
            one.rival
            for one in outcomes
            if one.rival.there == there and one.status is Status.MEASURED
        ]
        if chosen:
            with contextlib.suppress(UserError):
                found = open_gauge(there).measure(_reading(task, chosen), watch)
                peaks |= {one.rival.name: _peak(one) for one in found}
    return [_with_peak(one, peaks.get(one.rival.name, {})) for one in outcomes]


def _reading(task: Task, rivals: Iterable[RivalSpec]) -> Task:
    """Return the task that reads the peaks of these rivals and nothing else."""
    return replace(
        task,
        rivals=tuple(rivals),
        round_seconds=0.0,
        gauges_memory=True,
        warms=False,
        counts_work=False,
        gauges_device=False,
    )


def _peak(outcome: RivalOutcome) -> Mapping[str, object]:
    facts = outcome.samples.facts if outcome.samples else {}
    return {name: facts[name] for name in ("peak_bytes", "peak_bytes_below") if name in facts}


def _with_peak(outcome: RivalOutcome, peak: Mapping[str, object]) -> RivalOutcome:
    if outcome.samples is None:
        return outcome
    facts = {**outcome.samples.facts, **peak}
    return replace(outcome, samples=replace(outcome.samples, facts=facts))
