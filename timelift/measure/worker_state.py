"""The state of one worker as its events show it, the blame for its death, and the next try.

The death of a worker is charged to the rival that was being built or played at that moment. But a
worker may die while no rival is at work, for example if another one exhausts the memory while this
one waits for its turn; or it may die of SIGKILL from outside. Then the setting is tried once
more with all rivals. If that worker dies in such a way, too, the rival that was last at work is
charged, and the others go on without it. A death while the inner layer is made or called is charged
to every rival of this layer.
"""

import contextlib
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from timelift import messages
from timelift.axis_values import Status
from timelift.measurement import CaseInLaunch
from timelift.messages import RivalSpec, Task

T = TypeVar("T")
ShowStage = Callable[[str], None]
_WAITS = "waiting for its turn"
#: What yields when its workers fall asleep, so that others are built or play, and then returns. It
#: yields True if it is to go on when all others have ended.
InTurns = Generator[bool, None, T]


@dataclass
class WorkerState:
    """A worker as its events have shown it; `last_rival` was at work last, or is `at_work` now.

    If it `died`, `charged` are the records of the rivals to blame. If their fault is not clear
    (`is_clear`), they are charged only at a second death.
    """

    task: Task
    show_stage: ShowStage
    number: int = 0
    pid: int = 0
    doing: str = "starting"
    at_work: bool = False
    ready: bool = False
    asleep: bool = False
    has_played: bool = False
    asked_to_finish: bool = False
    exhausted: bool = False
    gone: bool = False
    died: bool = False
    charged: Sequence[CaseInLaunch] = ()
    is_clear: bool = False
    #: How its rivals ended, in the order in which they did.
    ended: list[CaseInLaunch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rivals = {rival.name: rival for rival in self.task.rivals}
        self.last_rival = self.task.rivals[0]

    @property
    def waiting(self) -> bool:
        return self.ready and not self.gone

    @property
    def unfinished(self) -> bool:
        """True if the worker exited or ran out of memory before finishing its task."""
        return (self.died or self.exhausted) and bool(self.left)

    @property
    def finished(self) -> bool:
        """True if the worker exited and every rival has ended."""
        return self.gone and not self.left

    @property
    def left(self) -> list[RivalSpec]:
        ended = {outcome.case.strategy for outcome in self.ended}
        return [rival for rival in self.task.rivals if rival.name not in ended]

    def take(self, event: messages.Message) -> None:
        if isinstance(event, messages.Started):
            self.pid = event.pid
        elif isinstance(event, messages.Busy):
            self.doing, self.at_work = event.doing, bool(event.rival)
            self.last_rival = self.rivals.get(event.rival, self.last_rival)
            is_of_rival = event.rival and self.doing not in messages.LAYER_STAGES
            self.show_stage(f"{event.rival}: {self.doing}" if is_of_rival else self.doing)
        elif isinstance(event, messages.Exhausted):
            self.exhausted = True
        elif isinstance(event, CaseInLaunch):
            case = event.case
            if case.strategy in self.rivals and case.setting == self.task.setting:
                self.at_work = False
                self.ended.append(event)

    def sleep(self) -> None:
        self.ready, self.asleep, self.at_work, self.doing = True, True, False, _WAITS

    @property
    def may_end_early(self) -> bool:
        """True if it reports what it played once it is asked to stop."""
        return self.doing in {messages.PLAYING, _WAITS}

    def kill_group(self) -> None:
        """Kill the worker, if it has begun, and the processes that its strategies started."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def die(self, status: Status, reason: str, exited: messages.Exited | None) -> None:
        """Note how the worker died; `exited` has the place of the rival that played."""
        place, left = exited.playing_place if exited else 0, self.left
        if 0 < place <= len(self.task.rivals):
            self.last_rival, self.at_work = self.task.rivals[place - 1], True
        charged, clear = left[:1], False
        if self.doing in messages.LAYER_STAGES:
            # a layer that takes too long does so by itself, and is not tried again
            charged = [rival for rival in left if rival.layer == self.last_rival.layer]
            clear = status is Status.TIMED_OUT
            if self.doing == messages.MAKING_LAYER and status is not Status.OUT_OF_MEMORY:
                status = Status.NO_LAYER
        elif self.last_rival in left:
            killed = status is Status.CRASHED and exited and exited.code == -signal.SIGKILL
            if status is Status.CRASHED and not killed:
                status = messages.STATUS_OF_STAGE.get(self.doing, status)
            charged, clear = [self.last_rival], self.at_work and not killed
        elif not left:
            return
        self.died, self.is_clear = True, clear
        self.charged = [self.task.unmeasured(rival.name, status, reason) for rival in charged]


class Launch(ABC):
    """What plays the tasks of a launch: a process, or those of two interpreters."""

    _finishing = False

    @abstractmethod
    def _run_workers(self, task: Task, show_stage: ShowStage) -> InTurns[Sequence[WorkerState]]:
        """Build and play the rivals of a task in workers begun for it, and return how they ended.

        Called again without those that failed, if a worker died.
        """

    def measure(self, task: Task, show_stage: ShowStage = lambda _: None) -> list[CaseInLaunch]:
        """Measure a setting alone."""
        return run_out(self.measure_in_turns(task, show_stage))

    def measure_in_turns(self, task: Task, show_stage: ShowStage) -> InTurns[list[CaseInLaunch]]:
        """Measure a setting until its workers finish it, each time without the rivals that failed.

        Samples are compared by their rounds. So if a worker has to be started again, what the one
        before measured is measured again, unless the launch is to end early. After a death that no
        rival clearly caused, the tracer is not warmed up: that may have been the cause.
        """
        ended: dict[str, CaseInLaunch] = {}  # how a rival ended first, by its name
        rest, spared = task, False
        while rest.rivals:
            workers = yield from self._run_workers(rest, show_stage)
            outcomes = [outcome for worker in workers for outcome in worker.ended]
            if not any(worker.unfinished for worker in workers):
                return [*ended.values(), *outcomes]
            lost = [outcome for outcome in outcomes if outcome.status is not Status.MEASURED]
            dead = next((worker for worker in workers if worker.died), None)
            if dead and dead.is_clear:
                lost += dead.charged
            elif dead and spared:
                lost += [
                    replace(outcome, reason=f"{outcome.reason} (for the second time)")
                    for outcome in dead.charged
                ]
            yield from self._note_lost(rest, lost, ended, show_stage)
            is_unclear = dead is not None and not dead.is_clear
            spared |= is_unclear
            if self._finishing:
                break
            if is_unclear:  # others may have taken the memory that it was killed for
                yield True
            left = tuple(rival for rival in rest.rivals if rival.name not in ended)
            rest = replace(task, rivals=left, warms=task.warms and not spared)
        return [*ended.values()]

    def _note_lost(
        self,
        task: Task,
        lost: Iterable[CaseInLaunch],
        ended: dict[str, CaseInLaunch],
        show_stage: ShowStage,
    ) -> InTurns[None]:
        """Note how the lost rivals of a task `ended` first, by their names."""
        for outcome in lost:
            if outcome.case.strategy in ended:
                continue
            for line in (yield from self._ended_together(task, outcome, show_stage)):
                before = ended.setdefault(line.case.strategy, line)
                if before.status is Status.OUT_OF_MEMORY:  # alone; the other side fits
                    ended[line.case.strategy] = line

    def _ended_together(
        self, task: Task, lost: CaseInLaunch, show_stage: ShowStage
    ) -> InTurns[Sequence[CaseInLaunch]]:
        """Return how a rival ended, and its other side, too, if memory ran out only beside others.

        Chance decides for which side memory runs out. So if one fits alone, both are refused.
        """
        (rival,) = (rival for rival in task.rivals if rival.name == lost.case.strategy)
        if lost.status is not Status.OUT_OF_MEMORY or not rival.pair:
            return [lost]
        yield True
        task_alone = replace(task, rivals=(rival,), round_seconds=0.0)
        alone = run_out(self._run_workers(task_alone, show_stage))
        if [end.status for worker in alone for end in worker.ended] != [Status.MEASURED]:
            return [lost]
        why = "one side fits into memory alone, and not beside the others of its setting."
        pair = (other.name for other in task.rivals if other.pair == rival.pair)
        return [task.unmeasured(name, Status.REFUSED, why) for name in pair]


def advance(turns: InTurns[T]) -> tuple[T | None, bool]:
    """Take the next turn; return the result if it was the last, and what was yielded."""
    try:
        wants_to_be_alone = next(turns)
    except StopIteration as end:
        return end.value, False
    return None, wants_to_be_alone


def run_out(turns: InTurns[T]) -> T:
    """Take all turns that are left, one after the other."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            result: T = end.value
            return result
