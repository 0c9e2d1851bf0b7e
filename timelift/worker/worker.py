"""The worker: build the rivals of one setting, hold them to the law, and play their rounds.

It runs in a child forked for one setting of one launch, and reports in events (see `messages`), so
that whatever kills it is charged to the rival it was busy with.
"""

import os
import random
import traceback
from collections.abc import Sequence

import numpy as np

from timelift.case import Status
from timelift.errors import ran_out_of_memory
from timelift.messages import Busy, Ended, Exhausted, RivalSpec, Task, WorkerChannel
from timelift.worker import law, memory
from timelift.worker.engines import Engine, UnavailableError, open_engine
from timelift.worker.inputs import (
    InnerLayer,
    InnerLayerError,
    InnerLayers,
    SharedInputs,
    draw_inputs,
    draw_valid,
)
from timelift.worker.layer import imports_from, restore_process_state, sentence
from timelift.worker.playing import Playing
from timelift.worker.prepare import Preparation, PreparedRival, Refused

#: Steps at which a timing run checks the law; the test suite checks every step.
LAW_STEPS = 4


def run(task: Task, channel: WorkerChannel) -> None:
    """Measure one setting in this process, reporting by events; play only after its turn came."""
    emit = channel.emit
    memory.limit(task.memory_bytes)
    try:
        engine = open_engine(task.setting)
    except UnavailableError as error:
        for rival in task.rivals:
            emit(Ended.without_result(rival, Status.UNAVAILABLE, str(error)))
        return
    try:
        under_test = SettingUnderTest(engine, task, channel)
    except Exception as error:  # noqa: BLE001 - sizes may be anything
        for rival in task.rivals:
            emit(Ended.without_result(rival, _status_of(error), f"the inputs: {sentence(error)}"))
        return
    prepared = []
    for rival in _build_order(task.rivals, under_test.dice):
        ready = under_test.prepare(rival)
        prepared += [ready] if ready else []
        if under_test.exhausted:
            emit(Exhausted())
            return
    if prepared:
        under_test.play(prepared)


def _build_order(rivals: Sequence[RivalSpec], dice: random.Random) -> list[RivalSpec]:
    """Draw a build order; the two sides of a pair stay adjacent, `built_first` first."""
    drawn = dice.sample(rivals, len(rivals))
    place: dict[str, int] = {}
    for rival in drawn:
        place.setdefault(rival.pair or rival.name, len(place))
    return sorted(drawn, key=lambda one: (place[one.pair or one.name], not one.built_first))


class SettingUnderTest:
    """What the rivals of one setting share: the layers, the inputs and the steps of the law."""

    def __init__(
        self,
        engine: Engine,
        task: Task,
        channel: WorkerChannel,
        law_steps: int = LAW_STEPS,
    ) -> None:
        self.engine, self.task, self.channel = engine, task, channel
        self.emit, self.exhausted, self._warm = channel.emit, False, engine.warm or not task.warms
        self.dice, noise = random.Random(task.seed), np.random.default_rng(task.seed)
        self.emit(Busy("drawing the inputs"))
        valid, inputs = draw_valid(task.setting, noise), draw_inputs(task, noise)
        shared = SharedInputs(
            inputs, valid, law.draw_steps(task.setting.seq_len, law_steps, self.dice)
        )
        self.layers = InnerLayers(engine, task, shared, self.emit)
        self._preparation = Preparation(engine, task, self.emit, shared, noise)

    def prepare(self, rival: RivalSpec) -> PreparedRival | None:
        """Build, trace, call once and check one rival; report it and return None if it fails."""
        try:
            with imports_from(rival.home):
                printed = os.fstat(1).st_size
                inner = self.layers.of(rival)
                self._warm_tracer(inner)
                self.emit(Busy("building", rival.name, printed))
                with restore_process_state(self.engine):
                    return self._preparation.prepare(rival, inner)
        except InnerLayerError as error:
            self.exhausted = error.exhausted
            self.emit(_without_layer(rival, error))
        except Refused as refusal:
            self.emit(Ended.without_result(rival, Status.REFUSED, str(refusal)))
        except law.LawBrokenError as error:
            self.emit(Ended.without_result(rival, Status.LAW_BROKEN, f"breaks the law: {error}"))
        except Exception as error:  # noqa: BLE001 - any strategy may raise anything
            traceback.print_exc()
            self.exhausted = ran_out_of_memory(error)
            self.emit(Ended.without_result(rival, _status_of(error), sentence(error)))
        return None

    def _warm_tracer(self, inner: InnerLayer) -> None:
        """Warm the tracer before the first rival; no rival is charged where that fails."""
        if self._warm:
            return
        self._warm = True
        try:
            self._preparation.warm_tracer(inner)
        except Exception:  # noqa: BLE001 - the rivals meet the same, and tell it in their own words
            traceback.print_exc()

    def play(self, prepared: Sequence[PreparedRival]) -> None:
        inner = self.layers.of(prepared[0].rival)
        Playing(self.engine, self.task, self.channel, self.dice).run(prepared, inner)


def _without_layer(rival: RivalSpec, error: InnerLayerError) -> Ended:
    if error.at_all and not error.exhausted:
        return Ended.without_result(rival, Status.NO_LAYER, str(error))
    status = Status.OUT_OF_MEMORY if error.exhausted else Status.FAILED
    return Ended.without_result(rival, status, f"the inner layer: {error}")


def _status_of(error: Exception) -> Status:
    return Status.OUT_OF_MEMORY if ran_out_of_memory(error) else Status.FAILED
