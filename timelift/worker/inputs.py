"""The sides of a setting: an inner layer with its state and reference, one for each factory.

Usually all rivals lift the same layer and there is one side. Where two revisions are compared, a
revision whose workload differs brings a layer of its own, drawn from the same seed.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from timelift.case import Phase
from timelift.errors import ran_out_of_memory
from timelift.messages import CALLING_LAYER, MAKING_LAYER, Busy, Emit, Rival, Task
from timelift.worker import law
from timelift.worker.engines import Array, Engine
from timelift.worker.layer import State, make_layer, sentence, set_global_state
from timelift.worker.opinion import Calls, Opinion
from timelift.worker.tolerance import TOLERANCES, errors, precision, scale_of


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
    """One inner layer: what it computes, and its state to be put back.

    `reference` is the layer itself at the steps of the law, `opinion` what it is thought to give at
    all of them; both are in the mode that is timed, or in inference where training adds noise or
    batch statistics to what the layer computes (`trains_differently`).
    """

    def __init__(
        self, engine: Engine, task: Task, factory: str, given: Given, begin: Callable[[str], None]
    ) -> None:
        setting = task.setting
        begin(MAKING_LAYER)
        set_global_state(engine, setting, task.seed)
        self.layer = make_layer(factory, task.features, task.seed % 2**31)
        begin(CALLING_LAYER)
        self.state = State(self.layer)
        backward = setting.phase is Phase.BACKWARD
        self.precision = precision(setting.dtype, setting.device, engine.identity())
        self.trains_differently = backward and self._trains_differently(engine, given.inputs)
        training = backward and not self.trains_differently
        noise = np.random.default_rng([task.seed, 1])
        self.reference = law.reference(
            engine,
            self.layer,
            given.inputs,
            given.valid,
            given.steps,
            noise,
            gradients=backward,
            training=training,
        )
        calls = Calls(engine, self.layer, given.inputs, given.valid, training)
        self.opinion = Opinion(calls, self.reference, self.precision, noise)
        self.state.restore()

    def _trains_differently(self, engine: Engine, inputs: Array) -> bool:
        """Whether training changes what the layer computes, as dropout or batch statistics do.

        It does where a state changes, or outputs do by more than rounding, between two calls in
        training or between training and inference.
        """
        step = engine.place(np.ascontiguousarray(inputs[:, 0]))
        as_used = engine.apply(self.layer, step, training=False)
        as_trained = [engine.apply(self.layer, step, training=True) for _ in range(2)]
        changed = self.state.has_changed()
        self.state.restore()
        scale, allowed = scale_of(as_used), TOLERANCES[self.precision].outputs
        off = [errors(one, as_used, scale).max(initial=0.0) for one in as_trained]
        return changed or not max(off) <= allowed


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
            self._emit(Busy(stage, rival.name))

        try:
            return Side(self._engine, self._task, factory, self._given, begin)
        except Exception as error:  # noqa: BLE001 - the user's layer may raise anything
            traceback.print_exc()
            failure = InnerLayerError(sentence(error))
            failure.exhausted = ran_out_of_memory(error)
            failure.at_all = stages[-1] == MAKING_LAYER
            return failure
