"""The inner layer is made and asked for what it tells of itself, and models are built of it.

It tells its own inputs, its precision and its losses.
"""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import keras
import numpy as np

from timelift.axis_values import Dtype, Gradients, Lengths, Phase, Status, TimeAxis
from timelift.case import Setting
from timelift.errors import UserError, nearest, one_line
from timelift.inner_layer import ANY_HIGH, USUAL_HIGH, LayerInputs, StepTensor
from timelift.messages import RivalSpec, Task
from timelift.worker.engines import Engine
from timelift.worker.find_lifts import is_quantised, takes_mask
from timelift.worker.tolerances import TOLERANCES, DtypePrecision, precision
from timelift.worker.user_code import find_layer

#: A shape, batch first; None stands for any size.
Shape = tuple[int | None, ...]
#: Dtypes in which numbers over 65,504 are infinite.
_NARROW = {Dtype.FLOAT16, Dtype.MIXED_FLOAT16}
#: What JAX says where attention in float16 is compiled for a CPU.
_LACKING_PRODUCT = "'F16_F16_F32' is not supported by dot_general"


class LostError(Exception):
    """A reason why rivals have no result, in a sentence; `status` is theirs."""

    def __init__(self, reason: str, status: Status) -> None:
        super().__init__(reason)
        self.status = status


class EveryStep(keras.Layer):  # type: ignore[misc]
    """A layer called at each inner step of a step, one by one: what two lifts are held to."""

    def __init__(self, layer: Any) -> None:
        super().__init__(dtype=layer.dtype_policy)
        self.layer, self.built = layer, True

    def call(self, x: Any, training: Any = None) -> Any:
        """Map (batch, inner steps, *features) to (batch, inner steps, *outputs)."""
        outputs = [self.layer(step, training=training) for step in keras.ops.unstack(x, axis=1)]
        return keras.tree.map_structure(lambda *each: keras.ops.stack(each, axis=1), *outputs)


def make_layer(factory: str, inputs: LayerInputs, seed: int) -> Any:
    """Make and build the inner layer, and add noise to its weights: zeros could hide a mistake.

    A subclassed layer may make its weights in a call. Two lifts are of an `EveryStep`.
    """
    layer = find_layer(factory)
    check_layer(layer, factory)
    check_inputs(layer, inputs.of_layer)
    step = symbolic(inputs.of_layer)
    if not layer.built:
        try:
            layer(step)
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            why = one_line(error).rstrip(".")
            raise UserError(f"{why}; it was called with '{inputs.of_layer}'") from error
    elif not all(part.built for part in parts_of(layer)):  # marked by TimeDistributed alone
        layer(keras.tree.map_structure(lambda x: keras.ops.zeros((1, *x.shape[1:]), x.dtype), step))
    noise = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        values = keras.ops.convert_to_numpy(weight)
        weight.assign(values + noise.normal(scale=0.05, size=values.shape).astype(values.dtype))
    return EveryStep(layer) if inputs.lifts > 1 else layer


def user_layer(layer: Any) -> Any:
    return layer.layer if isinstance(layer, EveryStep) else layer


def check_layer(layer: Any, factory: str) -> None:
    """Raise UserError for what is no layer of Keras 3, or is called with several arguments."""
    if not isinstance(layer, keras.Layer):
        raise UserError(f"{factory} must return a layer of Keras 3, got {type(layer)}")
    named = inspect.signature(layer.call).parameters.values()
    needed = [x.name for x in named if x.kind is x.POSITIONAL_OR_KEYWORD and x.default is x.empty]
    if len(needed) > 1:
        raise UserError(
            f"expected a layer whose call needs one argument, received {type(layer).__name__}, "
            f"whose call needs {' and '.join(needed)}; wrap it in a layer that takes a list"
        )


def symbolic(inputs: LayerInputs, *leading: int | None) -> Any:
    """Return symbolic tensors as a layer takes them: batch, or the `leading` axes, and features."""
    axes, floats = leading or (None,), keras.config.floatx()
    return inputs.pack(
        keras.KerasTensor((*axes, *one.shape), one.dtype or floats) for one in inputs.tensors
    )


def why_nothing_trains(layer: Any, task: Task) -> str:
    """Return why no gradient is computed, or an empty string."""
    setting = task.setting
    if not setting.differentiates:
        return ""
    returned = keras.tree.flatten(layer(symbolic(task.inputs)))
    if not any("float" in leaf.dtype for leaf in returned):
        which = "returns whole numbers, which have no gradient"
        return f"{type(layer).__name__} {which}; ask for --phases forward."
    if setting.gradients is Gradients.INPUTS_AND_WEIGHTS or layer.trainable_weights:
        return ""
    by_inputs = setting.phase is Phase.BACKWARD and not task.inputs.is_whole
    ask = "--gradients inputs_and_weights, or for " if by_inputs else ""
    return f"{type(layer).__name__} has no weights that train; ask for {ask}--phases forward."


def why_dtype_fails(error: Exception, setting: Setting) -> str:
    """Return why an error comes of the dtype, too narrow or without a kernel; else ''."""
    backend, weights = setting.backend, keras.config.floatx()
    if isinstance(error, FloatingPointError) and setting.dtype in _NARROW:
        return (
            "its outputs or gradients are NaN or infinite in float16, whose largest number is "
            "65,504; ask for --dtypes mixed_bfloat16."
        )
    if setting.dtype is Dtype.INT8:
        return f"it takes no layer in int8: {one_line(error).rstrip('.')}."
    if _LACKING_PRODUCT in str(error):
        return (
            f"{backend} compiles no attention in float16 here; ask for a dtype of bfloat16, or for "
            "--modes eager."
        )
    if weights not in {Dtype.FLOAT16, Dtype.BFLOAT16}:
        return ""
    try:
        keras.initializers.Orthogonal()((2, 2), weights)
    except Exception as lacking:  # noqa: BLE001 - each backend has a class of its own
        if str(lacking) in str(error):
            return (
                f"its weights are drawn by a QR that {backend} lacks in {weights}; ask for "
                f"--dtypes mixed_{weights}."
            )
    return ""


def precision_of(layer: Any, engine: Engine, setting: Setting, *more: str) -> DtypePrecision:
    """Return the coarsest precision of a layer's parts and `more`, or else the setting's."""
    if any(map(is_quantised, parts_of(layer))):
        return DtypePrecision.INT8
    dtypes = {part.compute_dtype for part in parts_of(layer)} & {*DtypePrecision} | {*more}
    known, where = dtypes or {setting.dtype.floats}, (setting.device, engine.identity())
    computed = [precision(dtype, *where) for dtype in known]
    return max(computed, key=lambda each: TOLERANCES[each].outputs)


def parts_of(layer: Any) -> list[Any]:
    return list(layer._flatten_layers())  # noqa: SLF001 - Keras has no other way to all of them


def own_losses(layer: Any) -> Any:
    """Return the losses of a layer's last call that no regulariser of a weight makes."""
    losses = layer.losses
    of_weights = sum(bool(weight.regularizer) for weight in layer.trainable_weights)
    return losses[: len(losses) - of_weights]  # in `Layer.losses` they are the last


# The layer's own inputs --------------------------------------------------------------------------


def layer_inputs(layer: Any) -> LayerInputs | None:
    """Return what a layer takes at one step; None where it does not tell all sizes.

    Those of a functional model are known, and of another layer once it is built. Of whole numbers
    `high` is 0 where nothing tells it. Raises UserError for inputs that `--inputs` cannot write.
    """
    told = told_shapes(layer)
    if told is None or any(None in shape[1:] for shape in told[1]):
        return None
    names, shapes = told
    sizes = (tuple(size for size in shape[1:] if size is not None) for shape in shapes)
    kinds = (whole_numbers(layer, place) for place in range(len(shapes)))
    return LayerInputs(tuple(map(StepTensor, sizes, *zip(*kinds, strict=True))), names)


def told_shapes(layer: Any) -> tuple[tuple[str, ...], list[Shape]] | None:
    """Return the names, if any, and the shapes of a layer's inputs; None where they are unknown."""
    if inputs := inputs_of(layer):
        structure = getattr(layer, "_inputs_struct", None)  # of a functional model, as it is called
        structure = inputs[0] if structure is None else structure
        nest = keras.tree.map_structure(lambda tensor: tuple(tensor.shape), structure)
    else:
        nest = ((layer.get_build_config() or {}) if layer.built else {}).get("input_shape")
    if not nest:
        return None
    if _is_shape(nest):
        return (), [tuple(nest)]
    names = tuple(sorted(nest, key=str)) if isinstance(nest, dict) else ()
    shapes = [nest[name] for name in names] if names else list(nest)
    if not all(map(_is_shape, shapes)):
        raise UserError(
            "expected inputs in one list or one dictionary, received a layer that takes lists or "
            "dictionaries inside of another; wrap it in a layer that takes one"
        )
    if unfit := [name for name in names if not str(name).isidentifier()]:
        raise UserError(
            f"expected names of inputs like frame or action, received {unfit[0]!r}; wrap the layer "
            "in one that takes such names"
        )
    return names, [tuple(shape) for shape in shapes]


def _is_shape(value: Any) -> bool:
    listed = isinstance(value, list | tuple)
    return listed and all(size is None or isinstance(size, int) for size in value)


def inputs_of(layer: Any) -> list[Any]:
    """Return the symbolic inputs of a functional model or a built Sequential; else []."""
    try:
        return list(layer.inputs or ())
    except (AttributeError, ValueError):  # ValueError: an unbuilt Sequential before Keras 3.6
        return []


def whole_numbers(layer: Any, place: int = 0) -> tuple[str, int]:
    """Return the dtype of an input of whole numbers and their upper bound; ("", 0) for floats.

    Inputs are counted from 0 as Keras flattens them. The bound is known if an Embedding takes the
    input, or the dtype has few numbers; else it is 0.
    """
    if isinstance(layer, keras.layers.Embedding):
        return "int32", int(layer.input_dim)
    inputs = inputs_of(layer)
    if not inputs:
        parts = layer.layers if isinstance(layer, keras.Sequential) else []
        return whole_numbers(parts[0]) if parts else ("", 0)
    bounds = [whole_numbers(*taker)[1] for taker in _takers(layer, inputs[place])]
    dtype, high = str(inputs[place].dtype), min(filter(None, bounds), default=0)
    if "int" in dtype or dtype == "bool":
        return dtype, high or USUAL_HIGH.get(dtype, 0)
    return "int32" if high else "", high


def _takers(model: Any, tensor: Any) -> list[tuple[Any, int]]:
    """Return the layers that take an input of a model, each with the place among its own inputs.

    If an operation takes the model's only input, it is the first layer that the model calls.
    """
    takers = [
        (part, place)
        for part in model.layers
        for node in part._inbound_nodes  # noqa: SLF001 - Keras has no other way to a layer's calls
        for place, given in enumerate(node.input_tensors)
        if given is tensor
    ]
    called = [part for part in model.layers if not isinstance(part, keras.layers.InputLayer)]
    return takers or [(part, 0) for part in called[:1] if len(inputs_of(model)) == 1]


def check_inputs(layer: Any, inputs: LayerInputs) -> None:
    if told := told_shapes(layer):
        _check_structure(layer, *told, inputs)
    for place, tensor in enumerate(inputs.tensors):
        which = repr(inputs.names[place]) if inputs.names else place + 1
        which = f" in input {which}" if inputs.is_nest else ""
        own = told[1][place][1:] if told else tensor.shape
        if not _fits(own, tensor.shape):
            raise UserError(
                f"the layer is built for steps of {_written(own)}{which}, and --inputs or the "
                f"workload's file says {_written(tensor.shape)}; leave --inputs out, or mend the "
                "file"
            )
        whole, high = whole_numbers(layer, place)
        if whole and not tensor.dtype:
            like = StepTensor(tensor.shape, whole, high or ANY_HIGH)
            raise UserError(
                f"the layer takes whole numbers{which}; write so, like {like} in --inputs, or in "
                "INPUTS of a workload's file"
            )
    if any(tensor.masked for tensor in inputs.tensors) and not takes_mask(layer):
        raise UserError(
            f"expected a layer whose call takes a mask, received {type(layer).__name__}, whose "
            "call does not; leave +mask out of the inputs"
        )


def _check_structure(
    layer: Any, names: Sequence[str], shapes: Sequence[Shape], inputs: LayerInputs
) -> None:
    """Raise UserError if a layer takes another number of inputs, or others by name."""
    if tuple(names) == inputs.names and len(shapes) == len(inputs.tensors):
        return
    takes = f"{len(shapes)} inputs" if len(shapes) > 1 else "one input"
    takes += f" by name, {' and '.join(names)}" if names else ""
    unknown = [name for name in inputs.names if name not in names]
    wrong = f"{unknown[0]!r} ({nearest(unknown[0], names)})" if names and unknown else f"'{inputs}'"
    own = layer_inputs(layer)
    remedy = f"; write it like --inputs '{own.with_bounds}'" if own else ""
    raise UserError(f"the layer takes {takes}; received {wrong}{remedy}")


def _fits(own: Sequence[int | None], given: Sequence[int]) -> bool:
    return len(own) == len(given) and all(
        size in {None, asked} for size, asked in zip(own, given, strict=True)
    )


def _written(shape: Sequence[int | None]) -> str:
    return ",".join("any" if size is None else str(size) for size in shape) or "no axis"


# Models that lift it ----------------------------------------------------------------------------


def refusal(module: ModuleType, rival: RivalSpec, layer: Any, task: Task) -> str | None:
    """Call the strategy's `refuses` with what it takes of the rival's parameters and the inputs.

    Of two lifts the inner one is asked for; `build` asks for the other one.
    """
    if task.inputs.lifts > 1:
        if getattr(module, "TAKES", "") == "ragged":
            return "it takes ragged sequences, and the steps of a step come padded."
        return refusal(module, rival, layer.layer, _inner(task))
    refuses = getattr(module, "refuses", None)
    if refuses is None:
        return None
    masked = task.inputs.pack(tensor.masked for tensor in task.inputs.tensors)
    known = {**rival.parameters, "shape": _shapes(task), "masked": masked}
    wanted = inspect.signature(refuses).parameters.keys() & known.keys()
    reason: str | None = refuses(layer, task.setting, **{name: known[name] for name in wanted})
    return reason


def _shapes(task: Task) -> Any:
    """Return the shape of each input, (time, *features); time is None where it is dynamic."""
    time = task.setting.seq_len if task.setting.time_axis.is_known else None
    return task.inputs.pack((time, *tensor.shape) for tensor in task.inputs.tensors)


def _inner(task: Task) -> Task:
    """Return the task of the inner lift, whose sequences are the steps of the outer one."""
    steps = task.inputs.tensors[0].shape[0]
    setting = replace(task.setting, seq_len=steps, lengths=Lengths.FULL, time_axis=TimeAxis.STATIC)
    return replace(task, setting=setting, inputs=task.inputs.of_layer)


def build(module: ModuleType, rival: RivalSpec, layer: Any, task: Task) -> Any:
    """Build the model of a rival; of two lifts the second is of what the first one makes.

    Raises UserError where there is no model, and LostError where the second lift is refused.
    """
    if task.inputs.lifts > 1:
        layer = _only_layer(build(module, rival, layer.layer, _inner(task)))
        task = replace(task, inputs=replace(task.inputs, lifts=1))
        if reason := refusal(module, rival, layer, task):
            raise LostError(f"nested in itself: {reason}", Status.REFUSED)
    inputs, usual = task.inputs, task.setting.dtype.floats
    dtypes = inputs.pack(tensor.dtype or usual for tensor in inputs.tensors)
    extra = {"dtype": dtypes} if inputs.is_nest or inputs.is_whole else {}
    model = module.build(layer, _shapes(task), **extra, **rival.parameters)
    if model is None:
        raise UserError("build returned None, where a model is expected")
    return model


def _only_layer(model: Any) -> Any:
    """Return the layer of a lift, as in `TimeDistributed(TimeDistributed(layer))`, or LostError."""
    _, *operations = getattr(model, "operations", [None])
    if len(operations) != 1:
        why = "it lifts by several operations, and a second lift is of one layer"
        raise LostError(f"{why}; put them into a layer.", Status.REFUSED)
    return operations[0]


def warming_model(layer: Any, inputs: LayerInputs, steps: int) -> Any:
    """Make a model that lifts the layer folded into the batch, and at the first and the last step.

    (batch, time, *features) to ((time + 2) * batch, *outputs).
    """
    specs = symbolic(inputs, None, steps)
    sequences = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:], dtype=x.dtype), specs)

    def fold(sequence: Any) -> Any:
        return keras.ops.reshape(sequence, (-1, *sequence.shape[2:]))

    def join(folded: Any, first: Any, last: Any) -> Any:
        alone = fold(keras.ops.stack([first, last], axis=1))
        return keras.ops.concatenate([folded, alone], axis=0)

    unstacked = [keras.ops.unstack(each, steps, axis=1) for each in keras.tree.flatten(sequences)]
    calls = [
        keras.tree.map_structure(fold, sequences),
        *(inputs.pack(each[place] for each in unstacked) for place in (0, -1)),
    ]
    return keras.Model(sequences, keras.tree.map_structure(join, *map(layer, calls)))
