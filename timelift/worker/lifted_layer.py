"""The inner layer: made once for all rivals that lift it, with the results it must have.

Where two revisions are compared and their workloads differ, each has a layer of its own, drawn from
the same seed; else all rivals of a setting lift one layer.
"""

from typing import Any

import numpy as np

from timelift.case import Gradients, Phase
from timelift.inner_layer import LayerInputs
from timelift.messages import Task
from timelift.worker.engines import Array, Engine
from timelift.worker.inputs import SharedInputs, check_inputs, check_one_tensor
from timelift.worker.law import (
    TOLERANCES,
    DtypePrecision,
    coarsest,
    relative_errors,
    scale_of,
)
from timelift.worker.reference import FoldedReference, LayerCalls, reference_at
from timelift.worker.user_code import find_layer


class InnerLayer:
    """One inner layer with its results; calls change its state until `restore`.

    `reference` has the results at the drawn steps of the law, `folded_reference` at all steps. In
    the backward phase the layer is called in training, unless it `trains_differently`, as with
    noise or batch statistics; else in inference.
    """

    def __init__(self, engine: Engine, task: Task, layer: Any, shared: SharedInputs) -> None:
        setting, self.layer = task.setting, layer
        #: Variables without gradient, such as batch statistics and random seeds.
        self._state = [(variable, variable.numpy()) for variable in layer.non_trainable_variables]
        backward = setting.phase is Phase.BACKWARD
        device = setting.device, engine.identity()
        self.precision = coarsest(computed_in(layer) or [setting.dtype], *device)
        #: The precision of gradients by the inputs, which have the setting's dtype.
        self.input_precision = coarsest([setting.dtype, *computed_in(layer)], *device)
        self.trains_differently = backward and self._trains_differently(engine, shared.inputs)
        training = backward and not self.trains_differently
        calls = LayerCalls(engine, layer, shared.inputs, shared.valid, training)
        noise = np.random.default_rng([task.seed, 1])
        self.reference = reference_at(shared.steps, calls, noise, gradients=backward)
        self._folded_reference: FoldedReference | None = None
        if not task.reads_peak_memory:
            held_to = self.precision, self.input_precision
            self._folded_reference = FoldedReference(calls, self.reference, *held_to, noise)
        self.restore()

    def restore(self) -> None:
        """Undo the changes of calls to the layer's state."""
        for variable, value in self._state:
            variable.assign(value)

    @property
    def folded_reference(self) -> FoldedReference:
        """The results at every step; unknown in a task that reads memory and checks no law."""
        assert self._folded_reference is not None
        return self._folded_reference

    def _trains_differently(self, engine: Engine, inputs: Array) -> bool:
        """True if two calls in training change a state, or return other outputs than inference."""
        step = engine.place(np.ascontiguousarray(inputs[:, 0]))
        as_used = engine.apply(self.layer, step, training=False)
        as_trained = [engine.apply(self.layer, step, training=True) for _ in range(2)]
        changed = not all((variable.numpy() == value).all() for variable, value in self._state)
        self.restore()
        scale, allowed = scale_of(as_used), TOLERANCES[self.precision].outputs
        off = [relative_errors(outputs, as_used, scale).max(initial=0.0) for outputs in as_trained]
        return changed or not max(off) <= allowed


def why_nothing_trains(layer: Any, task: Task) -> str:
    """Return why a weights-only backward pass is impossible, or an empty string."""
    setting = task.setting
    if setting.gradients is not Gradients.WEIGHTS or layer.trainable_weights:
        return ""
    ask = "--phases forward" if task.inputs.dtype else "--gradients inputs_and_weights"
    or_else = "" if task.inputs.dtype else ", or for --phases forward"
    return f"{type(layer).__name__} has no weights that train; ask for {ask}{or_else}."


def computed_in(layer: Any) -> list[str]:
    """Return the float dtypes in which the layer and the layers inside it compute."""
    dtypes = {part.compute_dtype for part in parts_of(layer)}
    return [dtype for dtype in dtypes if dtype in set(DtypePrecision)]


def parts_of(layer: Any) -> list[Any]:
    """Return a layer and all layers inside of it."""
    return list(layer._flatten_layers())  # noqa: SLF001 - Keras has no other way to all of them


def make_layer(factory: str, inputs: LayerInputs, seed: int) -> Any:
    """Make and build the inner layer, and add noise to its weights: zeros could hide a mistake.

    The layer is built by a call, since a subclassed layer may make its weights there.
    """
    import keras  # noqa: PLC0415

    layer = find_layer(factory)
    check_one_tensor(layer, factory)
    check_inputs(layer, inputs)
    if not layer.built:
        layer(keras.KerasTensor((None, *inputs.features), inputs.dtype or keras.config.floatx()))
    noise = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        values = keras.ops.convert_to_numpy(weight)
        weight.assign(values + noise.normal(scale=0.05, size=values.shape).astype(values.dtype))
    return layer
