"""One setting in a worker: its rivals are prepared, played and reported.

This runs in a process forked for one setting of one launch, which sleeps while others of the launch
are built and play. It reports by events (`messages`) what it begins, so that the coordinator knows
at which rival's work it died.
"""

import gc
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from timelift import canary, messages, rounds
from timelift.axis_values import Phase, Status
from timelift.case import Case
from timelift.errors import one_line
from timelift.measurement import CaseInLaunch, Facts, tail
from timelift.messages import RivalSpec, Task, WorkerChannel
from timelift.worker import fit_overhead, law, making, system
from timelift.worker.checks import PreparedRival
from timelift.worker.engines import Engine, UnavailableError, open_engine
from timelift.worker.making import LostError
from timelift.worker.prepare import SettingUnderTest, UnderTest, status_of
from timelift.worker.varying import VaryingUnderTest
from timelift.worker.whole_model import ModelUnderTest

T = TypeVar("T")
#: The name of the fixed piece of work, which no rival has.
_CANARY = ""
#: The first launches tell what `fit` adds to a step.
_LAUNCHES_WITH_FIT = 3


def measure_setting(task: Task, channel: WorkerChannel) -> None:
    """Prepare the rivals of a task, play a burst at each `Go`, and report each by an event."""
    emit = channel.emit
    system.limit_memory(task.memory_bytes)
    try:
        engine = open_engine(task.setting.at_length(task.setting.seq_len))
    except UnavailableError as error:
        for rival in task.rivals:
            emit(task.unmeasured(rival.name, Status.UNAVAILABLE, str(error)))
        return
    kind: type[SettingUnderTest | ModelUnderTest] = SettingUnderTest
    if task.is_model:
        kind = ModelUnderTest
    elif task.setting.time_axis.varies:
        kind = VaryingUnderTest
    under_test = kind(engine, task, channel)
    prepared = []
    for rival in _build_order(task.rivals, under_test.dice):
        end = attempt(under_test, rival, under_test.prepare)
        if isinstance(end, PreparedRival):
            prepared.append(end)
            continue
        status, reason = end
        emit(task.unmeasured(rival.name, status, reason))
        if status is Status.OUT_OF_MEMORY and under_test.has_inputs:
            emit(messages.Exhausted())
            return
    if prepared:
        varying = under_test if isinstance(under_test, VaryingUnderTest) else None
        Playing(engine, task, channel, under_test.dice).run(prepared, varying)


def _build_order(rivals: Sequence[RivalSpec], dice: random.Random) -> list[RivalSpec]:
    """Draw a build order in which pairs stay together, their `built_first` first."""
    drawn = dice.sample(rivals, len(rivals))
    place: dict[str, int] = {}
    for rival in drawn:
        place.setdefault(rival.pair or rival.name, len(place))
    return sorted(drawn, key=lambda rival: (place[rival.pair or rival.name], not rival.built_first))


def attempt(
    under_test: UnderTest, rival: RivalSpec, work: Callable[[RivalSpec], T]
) -> T | tuple[Status, str]:
    """Return what `work` makes of a rival; if that fails, status and reason."""
    try:
        return work(rival)
    except LostError as error:
        return error.status, str(error)
    except law.LawBrokenError as error:
        status, reason = Status.LAW_BROKEN, str(error)
    except Exception as error:  # noqa: BLE001 - any strategy, layer or model may raise anything
        traceback.print_exception(error)
        if reason := making.why_dtype_fails(error, under_test.task.setting):
            return Status.REFUSED, reason
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"line {frame.lineno}: " for frame in frames if frame.filename == rival.path]
        status, reason = status_of(error), f"{''.join(lines[-1:])}{one_line(error)}"
    if under_test.tried and status is not Status.OUT_OF_MEMORY:
        broken = "breaks the law: " if status is Status.LAW_BROKEN else ""
        return Status.REFUSED, f"{under_test.tried}: {broken}{reason}."
    return status, reason


def _fixed_work(seconds: float) -> rounds.Player:
    """Return a fixed piece of work of about so long a call, which shows slow calls of the machine.

    It plays beside served calls and is as long as the fastest of them.
    """
    return rounds.Player(_CANARY, canary.work_of(seconds))


class Playing:
    """The rounds of one setting, played at will or, if `conducted`, sample by sample as ordered."""

    def __init__(
        self,
        engine: Engine,
        task: Task,
        channel: WorkerChannel,
        dice: random.Random,
    ) -> None:
        self.engine, self.task, self.dice, self.channel = engine, task, dice, channel

    def run(self, rivals: Sequence[PreparedRival], varying: VaryingUnderTest | None = None) -> None:
        """Play the rounds of the prepared rivals, if the task has any, and report every rival."""
        if not self._sleep():
            return
        shared = {"engine": dict(self.engine.identity())} if self.task.names_device else {}
        if varying and self.task.round_seconds > 0:
            self._play_lengths(rivals, varying, shared)
            return
        players = [self._player_of(rival) for rival in rivals]
        played: dict[str, Any] = {}
        bursts: Sequence[int] = ()
        if self.task.round_seconds > 0:
            playing, played = self._play_rounds(players)
            if playing.are_too_few and not self.task.conducted:
                return  # the run ends, and is resumed without them
            bursts = playing.by_burst
            if playing.are_over:
                played |= self._what_fit_adds(rivals)
        for rival, player in zip(rivals, players, strict=True):
            self._report(rival, player, shared | played, bursts)

    def _play_lengths(
        self, rivals: Sequence[PreparedRival], varying: VaryingUnderTest, shared: dict[str, Any]
    ) -> None:
        """Play the calls of varying lengths, a rival after the other, and report every rival."""
        disturbances = system.Disturbances(self.task.setting.threads)
        gc.freeze()
        gc.disable()
        for prepared in self.dice.sample(rivals, len(rivals)):
            with disturbances.watched():
                end = attempt(varying, prepared.rival, varying.time_calls)
            if isinstance(end, rounds.Player):
                self._report(prepared, end, shared | disturbances.facts())
            else:
                self.channel.emit(self.task.unmeasured(prepared.rival.name, *end))

    def _report(
        self,
        prepared: PreparedRival,
        player: rounds.Player,
        shared: Mapping[str, Any],
        bursts: Sequence[int] = (),
    ) -> None:
        timed = self.task.round_seconds > 0 and not self.task.conducted
        if timed and (why := player.why_lost):
            self.channel.emit(self.task.unmeasured(player.name, Status.FAILED, why))
            return
        measured = CaseInLaunch(
            Case(self.task.setting, player.name),
            self.task.launch,
            seconds_per_call=player.seconds_per_call,
            bursts=bursts,
            calls_per_sample=player.calls_per_sample,
            facts=Facts(**{"traces": prepared.compiled.traces, **prepared.facts, **shared}),
        )
        self.channel.emit(measured)

    def _player_of(self, prepared: PreparedRival) -> rounds.Player:
        rival, compiled = prepared.rival, prepared.compiled
        scales_loss = (step := compiled.step()) is not None and step.scales_loss

        def traces() -> int:
            return compiled.traces + (compiled.step().skips if scales_loss else 0)

        return rounds.Player(
            rival.name,
            call=compiled.bind(prepared.feed),
            wait=self.engine.wait,
            traces=traces,
            pair=rival.pair,
            slower=rival.slower,
            note_playing=partial(self.channel.note_playing, 1 + self.task.rivals.index(rival)),
        )

    def _play_rounds(
        self, players: Sequence[rounds.Player]
    ) -> tuple[rounds.Rounds, dict[str, Any]]:
        """Warm up and play; return the rounds, and the facts shared by all rivals."""
        seconds_per_call = []
        disturbances = system.Disturbances(self.task.setting.threads)
        with disturbances.watched():
            for player in players:
                self.channel.emit(messages.Busy("warming up", player.name))
                seconds_per_call.append(rounds.warm_up(player))
                if not self.task.setting.on_cpu:
                    rounds.measure_wait(player)
                rounds.size_samples(player, seconds_per_call[-1], self.dice)
        everyone, seconds = [*players], [*seconds_per_call]
        if self._has_blocks:
            everyone.append(_fixed_work(min(seconds)))
            seconds.append(min(seconds))
            for player, own in zip(everyone, seconds, strict=True):
                rounds.size_block(player, own)
        rounds.prime(everyone, seconds)
        rounds.shorten_losers(players, seconds_per_call)
        clocks = system.Clocks(self.task.setting.device)
        gc.collect()
        gc.freeze()
        gc.disable()
        share, stop = self.task.round_seconds, self.channel.stop_asked
        playing = rounds.Rounds(everyone, share * len(everyone), self.dice, stop=stop)
        is_over = held_down = False
        while not is_over:
            self.channel.emit(messages.Busy(messages.PLAYING))
            if self.task.conducted:
                with disturbances.neighbours.watched():
                    self._play_as_ordered(players, disturbances)
            else:
                with disturbances.watched():
                    playing.play_burst()
            held_down |= clocks.held_down()  # before anything else, since the GPU is idle now
            self.channel.note_playing(0)
            is_over = self.task.conducted or playing.are_over or not self._sleep()
        facts: dict[str, Any] = {"throttled": 1} if held_down else {}
        if not self.task.conducted:
            playing.end()
            facts["dropped_rounds"] = playing.dropped
            if self._has_blocks:
                facts["canary_tail"] = tail(everyone[-1].seconds_per_call)
        return playing, facts | disturbances.facts()

    def _what_fit_adds(self, rivals: Sequence[PreparedRival]) -> dict[str, Any]:
        """Return the fact of what `fit` adds to a step, or none where that cannot be told."""
        task, is_stopped = self.task, self.channel.stop_asked()
        padded = [own for own in rivals if getattr(own.module, "TAKES", "padded") == "padded"]
        is_asked = task.launch <= _LAUNCHES_WITH_FIT and not (task.conducted or is_stopped)
        if not (is_asked and padded and fit_overhead.is_a_sum(task.setting)):
            return {}
        try:
            seconds = fit_overhead.seconds_that_fit_adds(self.engine, task.setting, padded[0])
        except Exception as error:  # noqa: BLE001 - a user's data may be anything
            traceback.print_exception(error)
            return {}
        return {"fit_adds_seconds": seconds}

    @property
    def _has_blocks(self) -> bool:
        """True if each call is a sample, which no conductor orders."""
        return self.task.setting.phase is Phase.SERVE and not self.task.conducted

    def _sleep(self) -> bool:
        """Wait for the next order; return True if it is to play another burst."""
        self.channel.emit(messages.Ready())
        return isinstance(self.channel.listen(), messages.Go)

    def _play_as_ordered(
        self, players: Sequence[rounds.Player], disturbances: system.Disturbances
    ) -> None:
        by_name = {player.name: player for player in players}
        self.channel.emit(messages.Ready())
        while isinstance(order := self.channel.listen(), messages.Play):
            player = by_name[order.rival]
            with disturbances.quota_watched():
                seconds = player.take_turn(time.perf_counter)
            self.channel.note_playing(0)  # no rival is at work until the next order
            self.channel.emit(messages.Sampled(seconds, player.calls_per_sample, player.traces()))
