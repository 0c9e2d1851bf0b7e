"""The sides of a setting: an inner layer with its state and reference, one for each factory.

Usually all rivals lift the same layer and there is one side. Where two revisions are compared, a
revision whose workload differs brings a layer of its own, drawn from the same seed.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.case import Phase
from timelift.engine import Array, Engine
from timelift.measure import inner, law, memory
from timelift.measure.wire import CALLING_LAYER, MAKING_LAYER, Emit, Rival, Task, busy


class InnerLayerError(Exception):
    """A sentence why there is no inner layer to lift.

    `exhausted` where memory ran out, `at_all` where it cannot be made, whatever the sizes.
    """

    exhausted = at_all = False


@dataclass(frozen=True)
class Given:
    """What every side of a setting is given: the inputs, who is valid, the steps of the law."""

    inputs: Array
    valid: Array
    steps: Sequence[int]


class Side:
    """One inner layer: what it computes at the steps of the law, and its state to be put back."""

    def __init__(
        self, engine: Engine, task: Task, factory: str, given: Given, begin: Callable[[str], None]
    ) -> None:
        begin(MAKING_LAYER)
        inner.set_global_state(engine, task.setting, task.seed)
        self.layer = inner.make_layer(factory, task.features, task.seed % 2**31)
        begin(CALLING_LAYER)
        self.state = inner.State(self.layer)
        self.trains_differently = self._trains_differently(engine, given.inputs)
        self.reference = law.reference(
            engine,
            self.layer,
            given.inputs,
            given.valid,
            given.steps,
            np.random.default_rng([task.seed, 1]),
            gradients=task.setting.phase is Phase.BACKWARD,
        )

    def _trains_differently(self, engine: Engine, inputs: Array) -> bool:
        """Whether training changes what the layer computes, as dropout or batch statistics do."""
        step = engine.place(np.ascontiguousarray(inputs[:, 0]))
        as_used = engine.apply(self.layer, step, training=False)
        as_trained = engine.apply(self.layer, step, training=True)
        self.state.restore()
        return not np.array_equal(as_used, as_trained)


class Sides:
    """Make each side when its first rival needs it; a factory that fails, fails for all of them."""

    def __init__(self, engine: Engine, task: Task, given: Given, emit: Emit) -> None:
        self._engine, self._task, self._given, self._emit = engine, task, given, emit
        self._made: dict[tuple[str, str], Side | InnerLayerError] = {}

    def of(self, rival: Rival) -> Side:
        """Give the side of a rival; raises InnerLayerError where its layer cannot be made."""
        if rival.layer not in self._made:
            self._made[rival.layer] = self._make(rival)
        side = self._made[rival.layer]
        if isinstance(side, InnerLayerError):
            raise side
        return side

    def _make(self, rival: Rival) -> Side | InnerLayerError:
        factory, stages = rival.factory or self._task.factory, list[str]()

        def begin(stage: str) -> None:
            stages.append(stage)
            self._emit(busy(rival, stage))

        try:
            return Side(self._engine, self._task, factory, self._given, begin)
        except Exception as error:  # noqa: BLE001 - the user's layer may raise anything
            traceback.print_exc()
            failure = InnerLayerError(inner.sentence(error))
            failure.exhausted = memory.ran_out(error)
            failure.at_all = stages[-1] == MAKING_LAYER
            return failure
