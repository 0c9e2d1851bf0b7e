"""The inner layer: made once for all rivals that lift it, with what it must compute.

Usually all rivals lift the same layer and there is one of them. Where two revisions are compared, a
revision whose workload differs brings a layer of its own, drawn from the same seed.
"""

import traceback
from typing import Any

import numpy as np

from timelift.case import Gradients, Phase, Setting, Status
from timelift.errors import one_line, ran_out_of_memory
from timelift.inner_layer import LayerInputs
from timelift.messages import CALLING_LAYER, MAKING_LAYER, Busy, Emit, RivalSpec, Task
from timelift.worker.engines import Array, Engine
from timelift.worker.find_layer import check_inputs, find_layer, parts_of
from timelift.worker.inputs import SharedInputs
from timelift.worker.law import (
    TOLERANCES,
    DtypePrecision,
    coarsest,
    relative_errors,
    scale_of,
)
from timelift.worker.reference import FoldedReference, LayerCalls, reference_at


class InnerLayerError(Exception):
    """Why there is no inner layer to lift, in a sentence; `status` is how its rivals end."""

    def __init__(self, reason: str, status: Status) -> None:
        super().__init__(reason)
        self.status = status

    @classmethod
    def of(cls, error: Exception, *, made: bool) -> "InnerLayerError":
        """Return the error of making a layer, which holds at any size, or of calling one `made`."""
        if not made and not ran_out_of_memory(error):
            return cls(one_line(error), Status.NO_LAYER)
        status = Status.OUT_OF_MEMORY if ran_out_of_memory(error) else Status.FAILED
        return cls(f"the inner layer: {one_line(error)}", status)


class InnerLayers:
    """The inner layers of a setting by the rivals that lift them, each made at its first use."""

    def __init__(self, engine: Engine, task: Task, shared: SharedInputs, emit: Emit) -> None:
        self._engine, self._task, self._shared, self._emit = engine, task, shared, emit
        self._made: dict[tuple[str, str], InnerLayer | InnerLayerError] = {}

    def of(self, rival: RivalSpec) -> "InnerLayer":
        if rival.layer not in self._made:
            with self._engine.reusing_compiled():
                self._made[rival.layer] = self._make(rival)
        inner = self._made[rival.layer]
        if isinstance(inner, InnerLayerError):
            raise inner
        return inner

    def _make(self, rival: RivalSpec) -> "InnerLayer | InnerLayerError":
        task, layer = self._task, None
        try:
            self._emit(Busy(MAKING_LAYER, rival.name))
            _set_global_state(self._engine, task.setting, task.seed)
            factory = rival.factory or task.factory
            layer = make_layer(factory, task.inputs, task.seed)
            if reason := _why_nothing_trains(layer, task):
                return InnerLayerError(reason, Status.REFUSED)
            self._emit(Busy(CALLING_LAYER, rival.name))
            return InnerLayer(self._engine, task, layer, self._shared)
        except Exception as error:  # noqa: BLE001 - the user's layer may raise anything
            traceback.print_exc()
            return InnerLayerError.of(error, made=layer is not None)


class InnerLayer:
    """One inner layer: what it computes, and its state to be restored.

    `reference` holds its results at the steps of the law, `folded_reference` at all of them. Both
    are in the mode that is timed, or in inference where training adds noise or batch statistics to
    what the layer computes (`trains_differently`).
    """

    def __init__(self, engine: Engine, task: Task, layer: Any, shared: SharedInputs) -> None:
        setting, self.layer, self.state = task.setting, layer, LayerState(layer)
        backward = setting.phase is Phase.BACKWARD
        device = setting.device, engine.identity()
        self.precision = coarsest(computed_in(layer) or [setting.dtype], *device)
        #: Of gradients by the inputs, which have the dtype of these.
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
        self.state.restore()

    @property
    def folded_reference(self) -> FoldedReference:
        """The results at every step; there are none where memory is read and no law is checked."""
        assert self._folded_reference is not None
        return self._folded_reference

    def _trains_differently(self, engine: Engine, inputs: Array) -> bool:
        """True if training changes what the layer computes, as dropout or batch statistics do.

        It does where a state changes, or outputs do by more than rounding, between two calls in
        training or between training and inference.
        """
        step = engine.place(np.ascontiguousarray(inputs[:, 0]))
        as_used = engine.apply(self.layer, step, training=False)
        as_trained = [engine.apply(self.layer, step, training=True) for _ in range(2)]
        changed = self.state.has_changed()
        self.state.restore()
        scale, allowed = scale_of(as_used), TOLERANCES[self.precision].outputs
        off = [relative_errors(outputs, as_used, scale).max(initial=0.0) for outputs in as_trained]
        return changed or not max(off) <= allowed


def _set_global_state(engine: Engine, setting: Setting, seed: int) -> None:
    import keras  # noqa: PLC0415 - the backend is chosen by now

    engine.seed(seed)
    keras.config.set_floatx(setting.dtype)
    keras.config.set_dtype_policy(str(setting.dtype))


def _why_nothing_trains(layer: Any, task: Task) -> str:
    """Return why a weights-only backward pass is impossible, or an empty string."""
    setting = task.setting
    if setting.gradients is not Gradients.WEIGHTS or layer.trainable_weights:
        return ""
    ask = "--phases forward" if task.inputs.dtype else "--gradients inputs_and_weights"
    or_else = "" if task.inputs.dtype else ", or for --phases forward"
    return f"{type(layer).__name__} has no weights that train; ask for {ask}{or_else}."


def computed_in(layer: Any) -> list[str]:
    """Return the dtypes in which the layer and the layers inside it compute; whole numbers none."""
    dtypes = {part.compute_dtype for part in parts_of(layer)}
    return [dtype for dtype in dtypes if dtype in set(DtypePrecision)]


def make_layer(factory: str, inputs: LayerInputs, seed: int) -> Any:
    """Make and build the inner layer, with no weight left at a zero that could hide a mistake.

    `factory` is `path.py:name` or `module:name`.
    A layer is built by a call, since one that is subclassed may have no `build` that makes its
    weights. What is added to the weights is drawn from `seed`.
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


def check_one_tensor(layer: Any, factory: str) -> None:
    import keras  # noqa: PLC0415

    if not isinstance(layer, keras.Layer):
        raise TypeError(f"{factory} must return a Keras layer, got {type(layer).__name__}")
    for side in ("input", "output"):
        try:
            structure = getattr(layer, side)
        except (AttributeError, ValueError):
            continue
        if isinstance(structure, dict) or (isinstance(structure, list) and len(structure) > 1):
            raise TypeError(
                f"{factory} returns a layer with {len(structure)} {side}s; only layers with one "
                "can be lifted; wrap it in a layer that takes and returns one tensor"
            )


class LayerState:
    """The inner layer's weights that training changes without gradients, to be restored."""

    def __init__(self, layer: Any) -> None:
        self._kept = [(weight, weight.numpy()) for weight in layer.non_trainable_variables]

    def has_changed(self) -> bool:
        return not all((weight.numpy() == value).all() for weight, value in self._kept)

    def restore(self) -> None:
        """Undo the changes of later calls to batch statistics and random seeds."""
        for weight, value in self._kept:
            weight.assign(value)
