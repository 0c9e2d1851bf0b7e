"""Two interpreters that build the same setting and play in turn, sample by sample.

They are used in place of a `LaunchProcess`. Each side has its own worker; the coordinator asks for
one sample of one rival at a time, so that both sides are timed milliseconds apart, and one waits
while the other plays. The rounds are those of `timelift.rounds`.
"""

import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from timelift import messages, rounds
from timelift.axis_values import Status
from timelift.measure.launch import LaunchProcess
from timelift.measure.locks import BuildOrPlayLock
from timelift.measure.worker_state import InTurns, Launch, ShowStage, WorkerState
from timelift.measurement import CaseInLaunch
from timelift.messages import Task
from timelift.rounds import Player, Rounds

_Event = TypeVar("_Event")


class _GoneError(Exception):
    """A worker died while it played."""


@dataclass
class _OneSide:
    launch: LaunchProcess
    worker: WorkerState

    def send(self, order: messages.Message) -> None:
        self.launch.send_order(self.worker, order)

    def follow_until(self, event: type[_Event]) -> _Event:
        """Follow the worker until an event of this type; raises _GoneError if it is gone."""
        followed = self.launch.follow(self.worker, event)
        if not isinstance(followed, event):
            raise _GoneError
        return followed


class TwoInterpreters(Launch):
    """A launch process of this interpreter and one of another, with the methods of one alone."""

    def __init__(
        self,
        backend: str,
        first_call_limit: float,
        python: str,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._launches = (
            LaunchProcess(backend, first_call_limit, variables=variables),
            LaunchProcess(backend, first_call_limit, python, variables),
        )
        self._lock = BuildOrPlayLock()

    def share_lock(self, lock: BuildOrPlayLock, first_call_limit: float) -> None:
        self._lock = lock
        for launch in self._launches:
            launch.share_lock(BuildOrPlayLock(), 2 * first_call_limit)

    def wait_until_ready(self) -> None:
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

    def _run_workers(self, task: Task, show_stage: ShowStage) -> InTurns[list[WorkerState]]:
        sides = []
        for is_other in sorted({rival.in_other_python for rival in task.rivals}):
            rivals = tuple(rival for rival in task.rivals if rival.in_other_python == is_other)
            worker = WorkerState(replace(task, rivals=rivals, conducted=True), show_stage)
            sides.append(_OneSide(self._launches[is_other], worker))
        with self._lock.building():
            for side in sides:
                if not self._finishing:
                    side.launch.build(side.worker)
        # a side of which no rival could be built has finished, and the other one plays alone
        playing = [side for side in sides if not side.worker.finished]
        if playing and all(side.worker.ready for side in playing) and not self._finishing:
            yield False
            with contextlib.suppress(_GoneError):
                yield from self._conduct(playing, task)
        for side in sides:
            if side.worker.waiting:
                side.launch.kill_worker(side.worker)
        return [side.worker for side in sides]

    def _conduct(self, sides: Sequence[_OneSide], task: Task) -> InTurns[None]:
        """Play the bursts, if any, and add their rounds to the outcomes.

        Raises _GoneError if a worker dies.
        """
        if self._finishing:
            return
        with self._lock.playing():
            for side in sides:  # one after the other, or both would warm up together
                side.worker.asleep = False  # from here on it ends with the round, if asked to
                side.send(messages.Go())
                if task.round_seconds:
                    side.follow_until(messages.Ready)
            players = _players(sides) if task.round_seconds else {}
        seconds, dice = task.round_seconds * len(players), random.Random(task.seed)
        played = Rounds([*players.values()], seconds, dice, stop=lambda: self._finishing)
        while not played.are_over:
            with self._lock.playing():
                played.play_burst()
            if not played.are_over:
                yield False
        played.end()
        with self._lock.playing():
            for side in sides:
                side.send(messages.Done())
                side.launch.follow(side.worker)
                side.worker.ended = [
                    _with_rounds(outcome, players[outcome.case.strategy], played)
                    if players and outcome.status is Status.MEASURED
                    else outcome
                    for outcome in side.worker.ended
                ]
                if players and played.are_too_few:
                    side.worker.ended = []


def _players(sides: Iterable[_OneSide]) -> dict[str, Player]:
    """Return the players of both sides by name, each after a sample that is thrown away."""
    players: dict[str, Player] = {
        rival.name: _RemotePlayer(rival.name, call=lambda: None, pair=rival.pair, side=side)
        for side in sides
        for rival in side.worker.left
    }
    for player in players.values():  # it has the counts of calls and traces
        player.take_turn(lambda: 0.0)
    return players


def _with_rounds(outcome: CaseInLaunch, player: Player, played: Rounds) -> CaseInLaunch:
    if why := player.why_lost:
        return CaseInLaunch(outcome.case, outcome.number, status=Status.FAILED, reason=why)
    return replace(
        outcome,
        seconds_per_call=player.seconds_per_call,
        bursts=played.by_burst,
        facts=replace(outcome.facts, dropped_rounds=played.dropped),
    )


@dataclass
class _RemotePlayer(Player):
    """A rival in a worker: its turn is an order and an event, neither of which is timed."""

    side: _OneSide = field(kw_only=True)
    seen_traces: int = 0

    def __post_init__(self) -> None:
        self.traces = lambda: self.seen_traces

    def take_turn(self, clock: rounds.Clock) -> float:  # noqa: ARG002 - the worker has the clock
        """Return the seconds that the worker bills for `calls_per_sample` calls."""
        self.side.send(messages.Play(self.name))
        sample = self.side.follow_until(messages.Sampled)
        self.seen_traces, self.calls_per_sample = sample.traces, sample.calls
        return sample.seconds
