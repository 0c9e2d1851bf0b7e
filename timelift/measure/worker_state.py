"""What is known of one worker while it works, and how its rivals ended.

Whatever ends a worker is charged to the rival that was being built or played at that moment. A
worker may also die while no rival is at work: when it waits for its turn, say, and the system is
out of memory because another launch builds. Then no rival is at fault, so a setting is
tried once more with all of them; where that worker too dies with no rival at work, the rival that
was at work last is charged, and the others go on without it. Where it dies as the inner layer is
made or called, that is every rival of this layer.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from timelift.case import Status
from timelift.messages import (
    LAYER_STAGES,
    MAKING_LAYER,
    Busy,
    Ended,
    Event,
    Exhausted,
    Exited,
    RivalSpec,
    Started,
    Task,
)


@dataclass(frozen=True)
class RivalSamples:
    """Seconds per call, one a round, NaN where the rival sat out, and facts by name."""

    seconds_per_call: Sequence[float]
    calls_per_sample: int
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class RivalOutcome:
    """How one rival ended in one launch; `samples` only when it was measured."""

    rival: RivalSpec
    status: Status
    reason: str = ""
    samples: RivalSamples | None = None


@dataclass(frozen=True)
class Death:
    """How a worker died, as the outcomes of the rivals that it is charged to.

    Where it is not `clear` that they are at fault, they are charged only if it happens again.
    """

    outcomes: Sequence[RivalOutcome]
    clear: bool

    @property
    def charged(self) -> list[RivalOutcome]:
        why = "" if self.clear else " (for the second time)"
        return [replace(outcome, reason=outcome.reason + why) for outcome in self.outcomes]


@dataclass(frozen=True)
class WorkerResult:
    """How rivals ended in one worker, and whether the remaining ones need another."""

    outcomes: Sequence[RivalOutcome]
    death: Death | None = None
    again: bool = False


ShowStage = Callable[[str], None]


@dataclass
class WorkerState:
    """A worker as its events have shown it; `last_rival` was at work last, or is `at_work` now."""

    task_rivals: Sequence[RivalSpec]
    show_stage: ShowStage
    number: int = 0
    pid: int = 0
    doing: str = "starting"
    at_work: bool = False
    ready: bool = False
    told_to_finish: bool = False
    exhausted: bool = False
    gone: bool = False
    death: Death | None = None
    outcomes: list[RivalOutcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rivals = {rival.name: rival for rival in self.task_rivals}
        self.last_rival = self.task_rivals[0]

    @property
    def waiting(self) -> bool:
        return self.ready and not self.gone

    @property
    def unfinished(self) -> bool:
        """True if the worker exited or ran out of memory before finishing its task."""
        return (self.death is not None or self.exhausted) and bool(self._left())

    @property
    def finished(self) -> bool:
        """True if the worker exited and every rival has an outcome, as where none was built."""
        return self.gone and not self._left()

    def wait(self) -> None:
        self.ready, self.at_work, self.doing = True, False, "waiting for its turn"

    def die(self, status: Status, reason: str, exited: Exited | None) -> None:
        """Note how the worker died; `exited` has the place of the rival that played."""
        place, left = exited.playing_place if exited else 0, self._left()
        if 0 < place <= len(self.rivals):
            self.last_rival, self.at_work = list(self.rivals.values())[place - 1], True
        if self.doing in LAYER_STAGES:
            self.death = self._death_of_layer(status, reason)
        elif self.last_rival in left:
            self.death = Death([RivalOutcome(self.last_rival, status, reason)], clear=self.at_work)
        elif left:
            self.death = Death([RivalOutcome(left[0], status, reason)], clear=False)

    def _death_of_layer(self, status: Status, reason: str) -> Death:
        """Charge every rival with the inner layer whose making or call killed the worker.

        What takes too long does so by itself, and is not tried again.
        """
        never = self.doing == MAKING_LAYER and status is not Status.OUT_OF_MEMORY
        ended = Status.NO_LAYER if never else status
        mine = [rival for rival in self._left() if rival.layer == self.last_rival.layer]
        clear = status is Status.TIMED_OUT
        return Death([RivalOutcome(rival, ended, reason) for rival in mine], clear)

    def _left(self) -> list[RivalSpec]:
        ended = {outcome.rival.name for outcome in self.outcomes}
        return [rival for rival in self.rivals.values() if rival.name not in ended]

    def take(self, event: Event) -> None:
        if isinstance(event, Started):
            self.pid = event.pid
        elif isinstance(event, Busy):
            self.doing, self.at_work = event.doing, bool(event.rival)
            self.last_rival = self.rivals.get(event.rival, self.last_rival)
            rival = "" if self.doing in LAYER_STAGES else event.rival
            self.show_stage(f"{self.doing} {rival}".strip())
        elif isinstance(event, Exhausted):
            self.exhausted = True
        elif isinstance(event, Ended) and event.rival in self.rivals:
            self.at_work = False
            self.outcomes.append(_outcome(self.rivals[event.rival], event))


def _outcome(rival: RivalSpec, event: Ended) -> RivalOutcome:
    if event.status is not Status.MEASURED:
        return RivalOutcome(rival, event.status, event.reason)
    samples = RivalSamples(event.seconds_per_call, event.calls_per_sample, event.facts)
    return RivalOutcome(rival, event.status, "", samples)


def worker_result(
    workers: Sequence[WorkerState], outcomes: Sequence[RivalOutcome], *, stopped: bool
) -> WorkerResult:
    """Combine the workers of one setting, whose rivals ended like this, into one result.

    Rounds mean something only together, so what was measured beside a rival that has to be played
    again is played again too, unless the run is `stopped`.
    """
    if not any(worker.unfinished for worker in workers):
        return WorkerResult(outcomes)
    kept = [outcome for outcome in outcomes if outcome.status is not Status.MEASURED]
    deaths = (worker.death for worker in workers if worker.death)
    return WorkerResult(kept, next(deaths, None), again=not stopped)


def measure_until_finished(
    task: Task, run_worker: Callable[[Task], WorkerResult]
) -> list[RivalOutcome]:
    """Measure a setting until a worker finishes it, each time without the rivals that ended.

    After a death that no rival caused the tracer is not warmed: that may have been the cause.
    """
    ended: list[RivalOutcome] = []
    rivals, spared = task.rivals, False
    while rivals:
        result = run_worker(replace(task, rivals=rivals, warms=task.warms and not spared))
        ended += result.outcomes
        if result.death and (result.death.clear or spared):
            ended += result.death.charged
        spared |= result.death is not None and not result.death.clear
        if not result.again:
            break
        gone = {outcome.rival.name for outcome in ended}
        rivals = tuple(rival for rival in rivals if rival.name not in gone)
    return ended


def kill_group(worker: WorkerState) -> None:
    """Kill a worker that has begun and the processes that its strategies started."""
    if worker.pid:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
