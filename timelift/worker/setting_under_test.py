"""One setting in a worker: its rivals are built, held to the law, played and reported.

This runs in a child forked for one setting of one launch, and reports in events (see `messages`),
so that whatever kills it is charged to the rival it was busy with.
"""

import gc
import os
import random
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from timelift import rounds
from timelift.case import Status
from timelift.errors import one_line
from timelift.messages import (
    PLAYING,
    Busy,
    Ended,
    Exhausted,
    Play,
    Ready,
    RivalSpec,
    Sampled,
    Task,
    Warm,
    WorkerChannel,
)
from timelift.worker import law, system
from timelift.worker.engines import Engine, UnavailableError, open_engine
from timelift.worker.inputs import SharedInputs, draw_inputs, draw_valid
from timelift.worker.lifted_layer import InnerLayer, InnerLayerError, InnerLayers, status_of
from timelift.worker.prepare import Preparation, PreparedRival, Refused
from timelift.worker.user_code import imports_from, restore_process_state
from timelift.worker.whole_model import ModelUnderTest


def measure_setting(task: Task, channel: WorkerChannel) -> None:
    """Measure one setting in this process, reporting by events; play once the order comes."""
    emit = channel.emit
    system.limit_memory(task.memory_bytes)
    try:
        engine = open_engine(task.setting)
    except UnavailableError as error:
        for rival in task.rivals:
            emit(Ended.without_result(rival, Status.UNAVAILABLE, str(error)))
        return
    try:
        under_test = (ModelUnderTest if task.is_model else SettingUnderTest)(engine, task, channel)
    except Exception as error:  # noqa: BLE001 - sizes may be anything
        for rival in task.rivals:
            emit(Ended.without_result(rival, status_of(error), f"the inputs: {one_line(error)}"))
        return
    prepared = []
    for rival in _build_order(task.rivals, under_test.dice):
        outcome = prepare_rival(under_test, rival)
        if isinstance(outcome, PreparedRival):
            prepared.append(outcome)
            continue
        emit(outcome)
        if outcome.status is Status.OUT_OF_MEMORY:
            emit(Exhausted())
            return
    if prepared:
        Playing(engine, task, channel, under_test.dice).run(prepared)


def _build_order(rivals: Sequence[RivalSpec], dice: random.Random) -> list[RivalSpec]:
    """Draw a build order; the two sides of a pair stay adjacent, `built_first` first."""
    drawn = dice.sample(rivals, len(rivals))
    place: dict[str, int] = {}
    for rival in drawn:
        place.setdefault(rival.pair or rival.name, len(place))
    return sorted(drawn, key=lambda rival: (place[rival.pair or rival.name], not rival.built_first))


def prepare_rival(
    under_test: "SettingUnderTest | ModelUnderTest", rival: RivalSpec
) -> PreparedRival | Ended:
    """Build, trace, call once and check one rival; return how it ended where that fails."""
    try:
        return under_test.prepare(rival)
    except Exception as error:  # noqa: BLE001 - any strategy, layer or model may raise anything
        return Ended.without_result(rival, *_why_it_ended(error))


def _why_it_ended(error: Exception) -> tuple[Status, str]:
    match error:
        case InnerLayerError():
            return error.status, str(error)
        case Refused():
            return Status.REFUSED, str(error)
        case law.LawBrokenError():
            return Status.LAW_BROKEN, f"breaks the law: {error}"
    traceback.print_exception(error)
    return status_of(error), one_line(error)


class SettingUnderTest:
    """The rivals of one setting, which lift an inner layer: its inputs, and the layer itself."""

    def __init__(self, engine: Engine, task: Task, channel: WorkerChannel) -> None:
        self.engine, self.emit = engine, channel.emit
        self._warm = engine.warm or not task.warms
        self.dice, noise = random.Random(task.seed), np.random.default_rng(task.seed)
        self.emit(Busy("drawing the inputs"))
        valid, inputs = draw_valid(task.setting, noise), draw_inputs(task, noise)
        shared = SharedInputs(
            inputs, valid, law.draw_steps(task.setting.seq_len, task.law_steps, self.dice)
        )
        self._layers = InnerLayers(engine, task, shared, self.emit)
        self._preparation = Preparation(engine, task, self.emit, shared, noise)

    def prepare(self, rival: RivalSpec) -> PreparedRival:
        """Build, trace, call once and check one rival; raises whatever is wrong with it."""
        with imports_from(rival.home):
            printed = os.fstat(1).st_size
            inner = self._layers.of(rival)
            self._warm_tracer(inner)
            self.emit(Busy("building", rival.name, printed))
            with restore_process_state(self.engine):
                return self._preparation.prepare(rival, inner)

    def _warm_tracer(self, inner: InnerLayer) -> None:
        """Warm the tracer before the first rival; no rival is charged where that fails."""
        if self._warm:
            return
        self._warm = True
        try:
            self._preparation.warm_tracer(inner)
        except Exception:  # noqa: BLE001 - the rivals meet the same, and report it themselves
            traceback.print_exc()


class Playing:
    """The rounds of one setting, played alone or as the coordinator of two workers orders."""

    def __init__(
        self, engine: Engine, task: Task, channel: WorkerChannel, dice: random.Random
    ) -> None:
        self.engine, self.task, self.dice = engine, task, dice
        self.emit, self.listen = channel.emit, channel.listen
        self._note_playing, self._stop_asked = channel.note_playing, channel.stop_asked

    def run(self, prepared: Sequence[PreparedRival]) -> None:
        """Play the rounds of the prepared rivals, if the task wants any, and report every rival."""
        self.emit(Ready())
        self.listen()
        shared = self._device_facts()
        players = [self._player_of(rival) for rival in prepared]
        played = self._play_rounds(players) if self.task.round_seconds > 0 else {}
        for rival, player in zip(prepared, players, strict=True):
            self._report(rival, player, shared | played)

    def _device_facts(self) -> dict[str, Any]:
        if not self.task.names_device:
            return {}
        try:
            return {"engine": dict(self.engine.identity())}
        except Exception:  # noqa: BLE001 - no rival's fault
            traceback.print_exc()
            return {}

    def _report(
        self, prepared: PreparedRival, player: rounds.Player, shared: Mapping[str, Any]
    ) -> None:
        timed = self.task.round_seconds > 0 and not self.task.conducted
        if timed and (why := player.why_lost):
            self.emit(Ended.without_result(prepared.rival, Status.FAILED, why))
            return
        own = {"traces": prepared.compiled.traces, "steady": player.steady}
        facts = {**prepared.facts, **own, **shared}
        seconds, calls = player.seconds_per_call, player.calls_per_sample
        self.emit(Ended(player.name, Status.MEASURED, "", seconds, calls, facts))

    def _player_of(self, prepared: PreparedRival) -> rounds.Player:
        rival, compiled = prepared.rival, prepared.compiled
        return rounds.Player(
            rival.name,
            call=compiled.bind(prepared.feed),
            wait=self.engine.wait,
            traces=lambda: compiled.traces,
            pair=rival.pair,
            slower=rival.slower,
            note_playing=partial(self._note_playing, 1 + self.task.rivals.index(rival)),
        )

    def _play_rounds(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        """Warm up, freeze the garbage collector and play; return the facts shared by all rivals."""
        warm = []
        for player in players:
            self.emit(Busy("warming up", player.name))
            warm.append(rounds.warm_up(player))
            if not self.task.setting.on_cpu:
                rounds.measure_wait(player)
            rounds.size_samples(player, warm[-1], self.dice)
        rounds.shorten_losers(players, warm)
        clocks = system.Clocks(self.task.setting.device)
        gc.collect()
        gc.freeze()
        gc.disable()
        self.emit(Busy(PLAYING))
        disturbances = system.Disturbances()
        play = self._play_as_ordered if self.task.conducted else self._play_alone
        played = play(players)
        self._note_playing(0)
        held_down = clocks.held_down()  # before anything else, since the GPU is idle from now on
        return {**played, **disturbances.facts(), **({"throttled": 1} if held_down else {})}

    def _play_alone(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        seconds = self.task.round_seconds * len(players)
        return {"dropped_rounds": rounds.play(players, seconds, self.dice, stop=self._stop_asked)}

    def _play_as_ordered(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        by_name = {player.name: player for player in players}
        self.emit(Warm())
        while isinstance(order := self.listen(), Play):
            player = by_name[order.rival]
            seconds = player.take_turn(time.perf_counter)
            self._note_playing(0)  # no rival is at work until the next order
            self.emit(Sampled(seconds, player.calls_per_sample, player.traces()))
        return {}
