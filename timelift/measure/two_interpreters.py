"""A duet: two interpreters that build the same setting and take turns, sample by sample.

It stands where a `Launch` does. Each side has a worker of its own; who conducts asks for one sample
of one rival at a time, so that both sides are timed milliseconds apart, and while one plays the
other waits. The rounds, their order and what is dropped are those of `rounds`.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from timelift import rounds
from timelift.case import Status
from timelift.measure.launch import Launch, Limits
from timelift.measure.turns import Turns
from timelift.measure.worker_state import (
    Attempt,
    Outcome,
    Tried,
    Watch,
    again_without_the_dead,
    tried,
)
from timelift.messages import Done, Go, Order, Play, Sampled, Task, Warm
from timelift.rounds import Player

_Heard = TypeVar("_Heard")


class _GoneError(Exception):
    """A worker died while it played."""


@dataclass
class _Part:
    """One side of the duet in one setting."""

    launch: Launch
    task: Task
    attempt: Attempt

    def tell(self, order: Order) -> None:
        """Send an order to the worker."""
        self.launch.tell(self.attempt, order)

    def hear(self, event: type[_Heard]) -> _Heard:
        """Follow the worker until an event; raises _GoneError where it is gone."""
        told = self.launch.follow(self.attempt, event)
        if not isinstance(told, event):
            raise _GoneError
        return told


class Duet:
    """Two launches, one of this interpreter and one of another; the surface of a `Launch`."""

    def __init__(self, backend: str, limits: Limits, cores: Iterable[int], python: str) -> None:
        kept = tuple(cores)
        self._sides = (Launch(backend, limits, kept), Launch(backend, limits, kept, python))
        self._turns, self._hurried = Turns(), False

    def share(self, turns: Turns, limits: Limits) -> None:
        """Share the machine with the other launches of `turns`; limits allow for both sides."""
        self._turns = turns
        for side in self._sides:
            side.share(Turns(), limits.times(2))

    def wait_until_ready(self) -> None:
        """Wait for both imports; raises UserError where one fails."""
        with self._turns.building():
            for side in self._sides:
                side.wait_until_ready()

    def kill(self) -> None:
        """End both processes at once."""
        for side in self._sides:
            side.kill()

    def hurry(self) -> None:
        """Finish the round that is being played and report; a setting that is not ready is left."""
        self._hurried = True
        for side in self._sides:
            side.hurry()

    def stop(self) -> None:
        """End both processes and wait for them."""
        for side in self._sides:
            side.stop()

    def measure(self, task: Task, watch: Watch = lambda _: None) -> list[Outcome]:
        """Measure a setting on both sides; who kills a worker is recorded, the rest start again."""
        return again_without_the_dead(task, lambda rest: self._attempt(rest, watch))

    def _attempt(self, task: Task, watch: Watch) -> Tried:
        sides = sorted({int(one.there) for one in task.rivals})
        parts = [self._part(side, task, watch) for side in sides]
        with self._turns.building():
            for part in parts:
                if not self._hurried:
                    part.launch.build(part.attempt, part.task)
        if all(part.attempt.ready for part in parts) and not self._hurried:
            with self._turns.playing():
                outcomes = _perform(parts, task, lambda: self._hurried)
        else:
            outcomes = [one for part in parts for one in part.attempt.outcomes]
        _end(parts)
        found = tried([part.attempt for part in parts], outcomes)
        return replace(found, again=found.again and not self._hurried)

    def _part(self, number: int, task: Task, watch: Watch) -> _Part:
        rivals = tuple(one for one in task.rivals if one.there == bool(number))
        mine = replace(task, rivals=rivals, conducted=True)
        return _Part(self._sides[number], mine, Attempt({r.name: r for r in rivals}, watch))


def _end(parts: Iterable[_Part]) -> None:
    """End the workers that still wait."""
    for part in parts:
        if part.attempt.waiting:
            part.launch.end(part.attempt)


def _perform(parts: list[_Part], task: Task, stop: Callable[[], bool]) -> list[Outcome]:
    """Conduct the rounds; give what every rival came to, or as much as there is if a side dies."""
    players = [player for part in parts for player in _players(part)]
    try:
        dropped = _conduct(parts, players, task, stop)
    except _GoneError:
        return [one for part in parts for one in part.attempt.outcomes]
    played = {player.name: player for player in players} if task.round_seconds else {}
    found = [one for part in parts for one in part.attempt.outcomes]
    return [_with_rounds(one, played.get(one.rival.name), dropped.facts()) for one in found]


def _conduct(
    parts: Sequence[_Part],
    players: Sequence["_RemotePlayer"],
    task: Task,
    stop: Callable[[], bool],
) -> rounds.Dropped:
    """Warm both sides up, play the rounds, if any, and let the workers report."""
    dropped = rounds.Dropped()
    for part in parts:
        part.tell(Go())
        if task.round_seconds:
            part.hear(Warm)
    if task.round_seconds:
        seconds = task.round_seconds * len(players)
        for player in players:
            player.look()
        dropped = rounds.play(
            players,
            seconds,
            random.Random(task.seed),
            held_down=lambda: sum(_held_down(part, players) for part in parts),
            stop=stop,
        )
        for part in parts:
            part.tell(Done())
    for part in parts:
        part.launch.follow(part.attempt)
    return dropped


def _held_down(part: _Part, players: Iterable["_RemotePlayer"]) -> int:
    """How many looks had found a worker's device held down, as its last sample told."""
    return max((one.seen_held_down for one in players if one.part is part), default=0)


def _players(part: _Part) -> list["_RemotePlayer"]:
    ended = {one.rival.name for one in part.attempt.outcomes}
    return [
        _RemotePlayer(one.name, call=lambda: None, pair=one.pair, part=part)
        for one in part.task.rivals
        if one.name not in ended
    ]


def _with_rounds(outcome: Outcome, player: Player | None, facts: Mapping[str, float]) -> Outcome:
    if outcome.samples is None or player is None:
        return outcome
    if why := player.why_lost:
        return Outcome(outcome.rival, Status.FAILED, why)
    told = outcome.samples
    merged = {**told, "seconds_per_call": player.seconds_per_call}
    return replace(outcome, samples=merged | {"facts": {**told["facts"], **facts}})


@dataclass
class _RemotePlayer(Player):
    """A rival that plays in a worker: a turn is a message and its answer, both off the clock."""

    part: _Part | None = None
    seen_traces: int = 0
    seen_held_down: int = 0

    def __post_init__(self) -> None:
        """Count traces as the worker last told them."""
        self.traces = lambda: self.seen_traces

    def look(self) -> None:
        """Learn the worker's counts from a sample that nobody keeps."""
        self.take_turn(lambda: 0.0)

    def take_turn(self, clock: rounds.Clock) -> float:  # noqa: ARG002 - the worker has the clock
        """Ask the worker for a sample; the seconds that it bills for `calls_per_sample` calls."""
        assert self.part is not None
        self.part.tell(Play(self.name))
        told = self.part.hear(Sampled)
        self.seen_traces, self.seen_held_down = told.traces, told.held_down
        self.calls_per_sample = told.calls
        return told.seconds
