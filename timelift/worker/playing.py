"""Playing: the prepared rivals of a setting are warmed up, timed and reported."""

import gc
import random
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from timelift import rounds
from timelift.case import CPU, Status
from timelift.messages import PLAYING, Busy, Ended, Play, Ready, Sampled, Task, Warm, WorkerChannel
from timelift.worker import twins, watch
from timelift.worker.engines import Engine
from timelift.worker.inputs import InnerLayer
from timelift.worker.prepare import PreparedRival


class Playing:
    """The rounds of one setting, played alone or as the coordinator of two workers asks."""

    def __init__(
        self, engine: Engine, task: Task, channel: WorkerChannel, dice: random.Random
    ) -> None:
        self.engine, self.task, self.dice = engine, task, dice
        self.emit, self.listen = channel.emit, channel.listen
        self._note_playing, self._hurried = channel.note_playing, channel.hurried
        self._throttled = watch.held_down(task.setting.device)

    def run(self, prepared: Sequence[PreparedRival], inner: InnerLayer) -> None:
        """Play the rounds of the prepared rivals, if any are asked for, and report every rival."""
        self.emit(Ready())
        self.listen()
        players = [self._player(one) for one in prepared]
        shared = self._bounds(inner)
        shared |= self._play_rounds(players) if self.task.round_seconds > 0 else {}
        for one, player in zip(prepared, players, strict=True):
            self._report(one, player, shared)

    def _bounds(self, inner: InnerLayer) -> dict[str, Any]:
        """Return what bounds a call from below: the layer's work, and what the device attains."""
        task, found = self.task, dict[str, Any]()
        rows = task.setting.batch * task.setting.seq_len
        if task.counts_work:
            self.emit(Busy("counting the layer's work"))
            try:
                found = self.engine.work(inner.layer, rows, task.features, task.setting)
            except Exception:  # noqa: BLE001 - a layer that cannot be counted is timed all the same
                traceback.print_exc()
        return found | (self._gauged() if task.gauges_device else {})

    def _gauged(self) -> dict[str, Any]:
        """Return what the device does at best, and its identity; what fails is left out."""
        self.emit(Busy("gauging the device"))
        try:
            return {"engine": dict(self.engine.identity()), **self.engine.attainable()}
        except Exception:  # noqa: BLE001 - no rival's fault
            traceback.print_exc()
            return {}

    def _report(self, one: PreparedRival, player: rounds.Player, shared: Mapping[str, Any]) -> None:
        timed = self.task.round_seconds > 0 and not self.task.conducted
        if timed and (why := player.why_lost):
            self.emit(Ended.without_result(one.rival, Status.FAILED, why))
            return
        traces = getattr(one.compiled, "traces", 0)
        facts = {**one.facts, "traces": traces, "steady": player.steady, **shared}
        if player.dispatch_share is not None:
            facts["dispatch_share"] = round(player.dispatch_share, 3)
        seconds, calls = player.seconds_per_call, player.calls_per_sample
        self.emit(Ended(one.rival.name, Status.MEASURED, "", seconds, calls, facts))

    def _player(self, one: PreparedRival) -> rounds.Player:
        return rounds.Player(
            one.rival.name,
            call=one.compiled.bind(one.feed),
            wait=self.engine.wait,
            traces=lambda: one.compiled.traces,
            play_sample=twins.sample_of(one.rival.planted),
            pair=one.rival.pair or one.rival.name,
            note_playing=partial(self._note_playing, 1 + self.task.rivals.index(one.rival)),
        )

    def _play_rounds(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        """Warm up, freeze the garbage collector and play; return the facts shared by all rivals."""
        for player in players:
            self.emit(Busy("warming up", player.name))
            seconds = rounds.warm_up(player)
            if not self.task.setting.device.startswith(CPU):
                rounds.measure_queue(player)
            rounds.size_samples(player, seconds, self.dice)
        gc.collect()
        gc.freeze()
        gc.disable()
        self.emit(Busy(PLAYING))
        seen = watch.Watch()
        play = self._be_conducted if self.task.conducted else self._conduct
        played = play(players)
        self._note_playing(0)
        held_down = self._throttled()
        return {**played, **seen.facts(), **({"throttled": held_down} if held_down else {})}

    def _conduct(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        seconds = self.task.round_seconds * len(players)
        return rounds.play(
            players, seconds, self.dice, held_down=self._throttled, stop=self._hurried
        ).facts()

    def _be_conducted(self, players: Sequence[rounds.Player]) -> dict[str, Any]:
        by_name = {player.name: player for player in players}
        self.emit(Warm())
        while isinstance(order := self.listen(), Play):
            player = by_name[order.rival]
            seconds = player.take_turn(time.perf_counter)
            calls, traces = player.calls_per_sample, player.traces()
            self.emit(Sampled(seconds, calls, traces, self._throttled()))
        return {}
