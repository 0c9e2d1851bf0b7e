"""Two interpreters that build the same setting and play in turn, sample by sample.

It stands where a `LaunchProcess` does. Each side has its own worker; the coordinator asks for one
sample of one rival at a time, so that both sides are timed milliseconds apart, and while one plays
the other waits. The rounds, their order and what is dropped are those of `rounds`.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from timelift import rounds
from timelift.case import Status
from timelift.measure.launch import LaunchProcess, Limits
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.worker_state import (
    RivalOutcome,
    ShowStage,
    WorkerResult,
    WorkerState,
    measure_until_finished,
    worker_result,
)
from timelift.messages import Done, Go, Order, Play, Sampled, Task, Warm
from timelift.rounds import Player

_Event = TypeVar("_Event")


class _GoneError(Exception):
    """A worker died while it played."""


@dataclass
class _OneSide:
    launch: LaunchProcess
    task: Task
    worker: WorkerState

    def send(self, order: Order) -> None:
        self.launch.send_order(self.worker, order)

    def follow_until(self, event: type[_Event]) -> _Event:
        """Follow the worker until an event; raises _GoneError where it is gone."""
        followed = self.launch.follow(self.worker, event)
        if not isinstance(followed, event):
            raise _GoneError
        return followed


class TwoInterpreters:
    """A launch process of this interpreter and one of another, with the methods of one alone."""

    def __init__(
        self,
        backend: str,
        limits: Limits,
        python: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._launches = (
            LaunchProcess(backend, limits, variables=variables),
            LaunchProcess(backend, limits, python, variables),
        )
        self._lock, self._finishing = BuildOrPlayLock(), False

    def share_lock(self, lock: BuildOrPlayLock, limits: Limits) -> None:
        self._lock = lock
        for launch in self._launches:
            launch.share_lock(BuildOrPlayLock(), limits.times(2))

    def wait_until_ready(self) -> None:
        """Wait for both imports; raises UserError where one fails."""
        with self._lock.building():
            for launch in self._launches:
                launch.wait_until_ready()

    def kill(self) -> None:
        for launch in self._launches:
            launch.kill()

    def finish_early(self) -> None:
        self._finishing = True
        for launch in self._launches:
            launch.finish_early()

    def close(self) -> None:
        for launch in self._launches:
            launch.close()

    def measure(self, task: Task, show_stage: ShowStage = lambda _: None) -> list[RivalOutcome]:
        return measure_until_finished(task, lambda rest: self._run_worker(rest, show_stage))

    def _run_worker(self, task: Task, show_stage: ShowStage) -> WorkerResult:
        sides = [
            self._side(there, task, show_stage)
            for there in sorted({r.in_other_python for r in task.rivals})
        ]
        with self._lock.building():
            for side in sides:
                if not self._finishing:
                    side.launch.build(side.worker, side.task)
        # a side none of whose rivals was built has finished, and the other one plays alone
        left = [side for side in sides if not side.worker.finished]
        outcomes = [
            outcome for side in sides if side.worker.finished for outcome in side.worker.outcomes
        ]
        if left and all(side.worker.ready for side in left) and not self._finishing:
            with self._lock.playing():
                outcomes += _perform(left, task, lambda: self._finishing)
        else:
            outcomes += [outcome for side in left for outcome in side.worker.outcomes]
        for side in sides:
            if side.worker.waiting:
                side.launch.kill_worker(side.worker)
        workers = [side.worker for side in sides]
        return worker_result(workers, outcomes, stopped=self._finishing)

    def _side(self, in_other_python: bool, task: Task, show_stage: ShowStage) -> _OneSide:  # noqa: FBT001
        rivals = tuple(rival for rival in task.rivals if rival.in_other_python == in_other_python)
        mine = replace(task, rivals=rivals, conducted=True)
        return _OneSide(self._launches[in_other_python], mine, WorkerState(rivals, show_stage))


def _perform(sides: list[_OneSide], task: Task, stop: Callable[[], bool]) -> list[RivalOutcome]:
    """Conduct the rounds; return the outcome of every rival, or of those known if a side dies."""
    players = [player for side in sides for player in _players(side)]
    try:
        dropped = _conduct(sides, players, task, stop)
    except _GoneError:
        return [outcome for side in sides for outcome in side.worker.outcomes]
    played = {player.name: player for player in players} if task.round_seconds else {}
    facts = {"dropped_rounds": dropped}
    outcomes = [outcome for side in sides for outcome in side.worker.outcomes]
    return [_with_rounds(outcome, played.get(outcome.rival.name), facts) for outcome in outcomes]


def _conduct(
    sides: Sequence[_OneSide],
    players: Sequence["_RemotePlayer"],
    task: Task,
    stop: Callable[[], bool],
) -> int:
    dropped = 0
    for side in sides:
        side.send(Go())
        if task.round_seconds:
            side.follow_until(Warm)
    if task.round_seconds:
        seconds = task.round_seconds * len(players)
        for player in players:
            player.learn_counts()
        dropped = rounds.play(players, seconds, random.Random(task.seed), stop=stop)
        for side in sides:
            side.send(Done())
    for side in sides:
        side.launch.follow(side.worker)
    return dropped


def _players(side: _OneSide) -> list["_RemotePlayer"]:
    ended = {outcome.rival.name for outcome in side.worker.outcomes}
    return [
        _RemotePlayer(rival.name, call=lambda: None, pair=rival.pair, side=side)
        for rival in side.task.rivals
        if rival.name not in ended
    ]


def _with_rounds(
    outcome: RivalOutcome, player: Player | None, facts: Mapping[str, float]
) -> RivalOutcome:
    if outcome.samples is None or player is None:
        return outcome
    if why := player.why_lost:
        return RivalOutcome(outcome.rival, Status.FAILED, why)
    samples = replace(
        outcome.samples,
        seconds_per_call=player.seconds_per_call,
        facts={**outcome.samples.facts, **facts},
    )
    return replace(outcome, samples=samples)


@dataclass
class _RemotePlayer(Player):
    """A rival in a worker: a turn is a message and its answer, both off the clock."""

    side: _OneSide | None = None
    seen_traces: int = 0

    def __post_init__(self) -> None:
        self.traces = lambda: self.seen_traces

    def learn_counts(self) -> None:
        """Learn the worker's counts from a sample that is thrown away."""
        self.take_turn(lambda: 0.0)

    def take_turn(self, clock: rounds.Clock) -> float:  # noqa: ARG002 - the worker has the clock
        """Return the seconds that the worker bills for `calls_per_sample` calls."""
        assert self.side is not None
        self.side.send(Play(self.name))
        sample = self.side.follow_until(Sampled)
        self.seen_traces, self.calls_per_sample = sample.traces, sample.calls
        return sample.seconds
