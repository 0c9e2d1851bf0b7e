"""Describe a user's layer, or a model with its lifts, before any case is measured.

A model is also searched for masks that do not belong where a lift hands them. The mask of a lift's
inputs is over steps, (batch, time), or the steps' own, (batch, time, words). A `TimeDistributed`
hands `mask[:, t]` of either to the layer inside, and its mask unchanged to the layers behind it. It
loses a mask that the layer inside makes. Steps of a loop have no mask.
"""

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.axis_values import Backend, Gradients
from timelift.errors import UserError
from timelift.inner_layer import LayerInputs, StepTensor, read_inputs
from timelift.messages import Described, Look, WorkerChannel
from timelift.source import ADDED, NOISE_OF_A_CALL
from timelift.worker import find_lifts, law, making, model_data, sites, system
from timelift.worker.engines import Array
from timelift.worker.find_lifts import Lift, in_words, mask_of, takes_mask
from timelift.worker.model_results import TrainingResults, training_of
from timelift.worker.repeated import repeated_calls
from timelift.worker.user_code import (
    find_layer,
    find_model,
    restored,
    revalued,
    with_place,
)

#: For a layer with noise: equal rows in a call; calls, and the fewest of them if they take longer
#: than so many seconds; and the most features that are compared.
_ROWS, _DRAWS, _LEAST_DRAWS, _SECONDS, _FEATURES = 64, 60, 16, 2.0, 1024
#: From this ratio on noise is of the call: the variance of the mean over rows, times their number,
#: over the variance of a row. It is 1 for noise of each row, and `_ROWS` for noise of the call.
_MOST_OF_ROWS = 8.0
#: Rows that stay, while as many others change.
_STAY = 8
#: Layers that hand a mask to others alone.
_AROUND = keras.Model, keras.layers.Wrapper


def describe_layer(factory: str, inputs: LayerInputs | None = None) -> dict[str, Any]:
    """Return a layer's `inputs`, the fields of `LayerInputs`, None for any shape; or `error`."""
    try:
        layer = making.make_layer(factory, inputs, seed=0) if inputs else find_layer(factory)
        making.check_layer(layer, factory)
        own = making.layer_inputs(layer)
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        return {"error": with_place(error)}
    return {"inputs": asdict(own) if own else None}


def describe_model(name: str, feeding: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's name, how it is fed and trained, and its lifts with inputs; or `error`."""
    try:
        with sites.noted() as site_of:
            model = find_model(name)
            data = model_data.data_of(model, **feeding, noise=np.random.default_rng(0))
            lifts = _watched(model, data.inputs)
        another = find_model(name)
        others = find_lifts.find_lifts(another)
        _refuse_other_lifts(lifts, others)
        with other_weights(model):
            disturbed = find_lifts.watch_lifts(model, data.inputs)
            described_lifts = [
                describe_lift(*pair) | {"site": site_of(pair[0].layer)}
                for pair in zip(lifts, disturbed, strict=True)
            ]
            repeated = repeated_calls(model, data.inputs, lifts)
        trains = bool(model.trainable_weights)
        training = training_of(another, data) if trains else TrainingResults()  # which compiles it
        return {
            "name": model.name,
            "layers": len(model.layers),
            "compiled": bool(model.compiled),
            "trains": trains,
            "mode": model_data.mode_of(model),
            "drawn": not feeding["source"],
            "draws_labels": data.labels is None and trains,
            "batch": model_data.rows_of(data.inputs),
            "leaves_open": any(None in tensor.shape[1:] for tensor in making.inputs_of(model)),
            "constant": model_data.is_constant(model, data.inputs),
            "unpadded": any(lift.mask_shape and not lift.padded for lift in lifts),
            "steady": training.steps is not None,
            "quiet": training.quiet,
            "lifts": described_lifts,
            "repeated": repeated,
        }
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        return {"error": with_place(error)}


def other_weights(model: Any) -> AbstractContextManager[None]:
    """Change all trainable weights inside: those that are zero as made hide what they do.

    Each value by another number, since a normalization takes away what features have in common.
    """

    def other(value: Array) -> Array:
        return 1.1 * value + 0.01 * np.cos(np.arange(value.size)).reshape(value.shape)

    return revalued(model.trainable_weights, other)


def _refuse_other_lifts(lifts: Sequence[Lift], others: Sequence[Lift]) -> None:
    """Raise UserError where a model made twice has shared lifts, or some after a call alone."""
    parts = [{id(part) for lift in each for part in lift.changed} for each in (lifts, others)]
    if set.intersection(*parts):
        why = "it has the same lifts at every call, and each way of changing it needs its own"
        raise UserError(f"{why}; name a function that makes the whole model anew")
    if len(lifts) != len(others):
        raise UserError("its lifts are not there before its first call; make them in __init__")


def _watched(model: Any, inputs: Any) -> list[Lift]:
    """Watch the lifts of a model; a call that fails by a mask of theirs says so in UserError."""
    try:
        lifts = find_lifts.watch_lifts(model, inputs)
    except Exception as error:
        for lift in note_mask_faults(model, find_lifts.find_lifts(model), inputs):
            raise UserError(
                f"{lift.mask_fault}, which fails ({type(error).__name__}); write FoldTime of the "
                f"strategy fold_time in the place of TimeDistributed({_as_code(lift.inner)})"
            ) from error
        raise
    note_mask_faults(model, lifts, inputs)
    return lifts


def describe_lift(lift: Lift, disturbed: Lift) -> dict[str, Any]:
    """Return a lift's inner layer, its inputs in a call of the model, and how it trains.

    `disturbed` is the lift as watched in a call with other weights, which are still in place. The
    batch of a lift inside of other lifts is multiplied by the steps of those, since their
    strategies call it for several steps at once. A lift that was not called has no sizes.
    """
    inner, trains = lift.inner, bool(lift.inner.trainable_weights)
    described = {
        "name": find_lifts.name_of_its_own(lift.trail[-1]),
        "place": lift.place,
        "access": lift.access,
        "usual": lift.usual,
        "inner": _as_code(inner),
        "added": [],
        "masked": bool(lift.mask_shape),
        "mask_fault": lift.mask_fault,
        "misread": lift.is_misread,
        "outputs": lift.outputs,
        "gradients": Gradients.WEIGHTS if trains else Gradients.NONE,
    }
    if not lift.calls:
        return described
    ((batch, steps, *_), _), *_ = lift.calls[0]
    batch *= math.prod(outer.calls[0][0][0][1] for outer in lift.around if outer.calls)
    inputs = _inputs_of(lift)
    described["added"], follows_weights = _asked(lift, disturbed)
    if follows_weights and not inputs.is_whole:
        described["gradients"] = Gradients.INPUTS_AND_WEIGHTS
    return described | {"batch": batch, "steps": steps, "inputs": asdict(inputs)}


def _inputs_of(lift: Lift) -> LayerInputs:
    """Return what the layer takes at a step; whole numbers lie where those of the model do."""
    names, tensors = lift.structure, list[StepTensor]()
    has_own_mask = len(lift.mask_shape) > find_lifts.MASK_AXES and takes_mask(lift.inner)
    is_masked = has_own_mask and not lift.takes  # a step that a loop takes has none
    flat = keras.tree.flatten(lift.received[0])
    for place, ((shape, dtype), values) in enumerate(zip(lift.calls[0], flat, strict=True)):
        whole, high = making.whole_numbers(lift.inner, place)
        if "int" in dtype or dtype == "bool":
            whole = dtype  # and else floats that a Sequential may have made of whole numbers
        bound = (high or _bound(values)) if whole else 0
        tensors.append(StepTensor(shape[2:], whole, bound, is_masked))
    return LayerInputs(tuple(tensors), tuple(sorted(names)) if isinstance(names, Mapping) else ())


def _bound(values: Any) -> int:
    """Return a number that these whole numbers lie below, at least that of flags."""
    with suppress(Exception):  # unknown while a framework traces
        return max(int(ops.convert_to_numpy(values).max()) + 1, model_data.FLAG_VALUES)
    return model_data.FLAG_VALUES


def _asked(lift: Lift, disturbed: Lift) -> tuple[list[str], bool]:
    """Return what training adds to a lift, and whether its inputs depend on weights of the model.

    If they do, a train step differentiates the lift by its inputs. The weights are of layers before
    it, or its own if it is called again. Both are assumed where calls cannot show them, since no
    advice may change a meaning.
    """
    wrapper, usual = lift.layer, keras.layers.TimeDistributed
    try:
        both = (keras.tree.flatten(each.received) for each in (lift, disturbed))
        follows_weights = any(map(_differ, *both))
        if not lift.takes and (type(wrapper) is not usual or wrapper.activity_regularizer):
            return [*ADDED.values()], follows_weights  # it may do more than call the layer
        rows = keras.tree.map_structure(
            lambda x: ops.reshape(x, (-1, *x.shape[2:])), disturbed.received[0]
        )
        return added_by_training(lift.inner, rows), follows_weights
    except Exception:  # noqa: BLE001 - a layer may raise anything, and traced tensors do
        return [*ADDED.values()], True


def added_by_training(layer: Any, rows: Any) -> list[str]:
    """Return what training adds to a layer, as shown by calls from the same state.

    Noise is a seed that advances, even if no output shows it, or outputs that differ from call to
    call. Statistics are other variables that change, or outputs of a row that change with the other
    rows. Losses are those that no regulariser of a weight makes.
    """
    variables, moved = [*layer.variables, *layer.metrics_variables], set[int]()
    seeds = {id(variable) for variable in variables if variable.name == "seed_generator_state"}

    def call(rows: Any, *, reseeded: bool = False) -> list[Any]:
        if reseeded:  # on JAX that imports TensorFlow
            keras.utils.set_random_seed(0)
        with restored(variables) as before:
            outputs = keras.tree.flatten(layer(rows, training=True))
            moved.update(id(each) for each, value in before if (each.numpy() != value).any())
        return [output[:_STAY] for output in outputs]

    same, others = (
        keras.tree.map_structure(partial(_among, others=others), rows) for others in (False, True)
    )
    has_unseeded = any(map(_differ, call(same), call(same)))
    among = (call(each, reseeded=has_unseeded) for each in (same, others))
    keeps = any(map(_differ, *among)) or bool(moved - seeds)
    shown = has_unseeded or bool(moved & seeds), keeps, making.own_losses(layer)
    added = [kind for kind, is_shown in zip(ADDED.values(), shown, strict=True) if is_shown]
    if "noise" in added and not keeps:
        with restored(variables):
            draws = _draws(layer, others)
        if _is_of_calls(draws):
            added.append(NOISE_OF_A_CALL)
    return added


def _among(rows: Any, *, others: bool) -> Any:
    """Return the first rows, followed by the same rows or, with `others`, by copies of the last.

    Zeros would hide noise: copies of floats are 3 x + 1, unless all are whole and some are not 0.
    """
    first = ops.take(rows, np.arange(_STAY) % len(rows), axis=0)
    last = ops.repeat(rows[-1:], _STAY, axis=0) if others else first
    is_float = "float" in keras.backend.standardize_dtype(rows.dtype)
    are_numbers = bool(ops.any(last != 0)) and bool(ops.all(last == ops.round(last)))
    if others and is_float and not are_numbers:  # of an Embedding, whose rows may end there
        last = 3 * last + 1
    return ops.concatenate([first, last], axis=0)


def _draws(layer: Any, rows: Any) -> list[list[Any]]:
    """Return outputs of training calls on rows that are all the last one."""
    equal = keras.tree.map_structure(lambda x: ops.repeat(x[-1:], _ROWS, axis=0), rows)
    draws, started = list[list[Any]](), time.monotonic()
    while len(draws) < _DRAWS:
        if len(draws) >= _LEAST_DRAWS and time.monotonic() - started > _SECONDS:
            break
        draws.append(keras.tree.flatten(layer(equal, training=True)))
    return draws


def _is_of_calls(draws: Sequence[Sequence[Any]]) -> bool:
    """True if equal rows share noise in some feature, or if none is seen."""
    largest = 0.0
    for leaf in zip(*draws, strict=True):
        flat = [law.widened(ops.convert_to_numpy(each)).reshape(_ROWS, -1) for each in leaf]
        stride = flat[0].shape[1] // _FEATURES + 1
        values = np.stack([each[:, ::stride] for each in flat]).astype("float64")
        of_rows, of_means = values.var(axis=0).mean(axis=0), values.mean(axis=1).var(axis=0)
        is_seen = of_rows > np.square(1e-5 * np.abs(values).max(axis=(0, 1)))
        largest = max(largest, (_ROWS * of_means[is_seen] / of_rows[is_seen]).max(initial=0.0))
    return not 0 < largest < _MOST_OF_ROWS


def _differ(tensor: Any, other: Any) -> bool:
    return law.differ(*map(ops.convert_to_numpy, (tensor, other)))


def _as_code(layer: Any) -> str:
    """Return an inner layer in code: `Dense(32)`, `Flatten(...)`, or the name of a model."""
    if isinstance(layer, keras.Model) and (name := find_lifts.name_of_its_own(layer)):
        return name
    if isinstance(layer, keras.layers.TimeDistributed):
        return f"TimeDistributed({_as_code(layer.layer)})"
    code = find_lifts.kind_and_size(layer)
    return code if code.endswith(")") else f"{code}(...)"


# Masks -------------------------------------------------------------------------------------------


def note_mask_faults(model: Any, lifts: Sequence[Lift], inputs: Any) -> list[Lift]:
    """Set the `mask_fault` of each lift, and return lifts with one; the model's call may fail."""
    may_be = any(lift.mask_shape or not lift.calls for lift in lifts)  # as where the call failed
    takers = _masked_parts(model)
    misled = _misled(model, lifts, takers, inputs) if may_be else {}
    for lift in lifts:
        lift.mask_fault = _fault(lift, misled, takers)
    return [lift for lift in lifts if lift.mask_fault]


def _fault(lift: Lift, misled: Mapping[str, tuple[int, ...]], takers: Sequence[Any]) -> str:
    is_over_steps = len(lift.mask_shape) == find_lifts.MASK_AXES
    if lift.takes:
        is_lost = lift.mask_shape and not is_over_steps and _masked_parts(lift.inner)
        return "the loop takes steps without their masks" if is_lost else ""
    if is_over_steps and _masked_parts(lift.inner):
        return "TimeDistributed hands each step a part of the mask over steps as one of its own"
    if own := [name for name, shape in misled.items() if shape == lift.mask_shape]:
        return f"TimeDistributed hands the masks of steps on as one over steps, to {own[0]}"
    inner = making.parts_of(lift.inner)
    is_taken = any(part not in inner for part in takers)
    if is_taken and not lift.mask_shape and _makes_mask(lift):
        return f"TimeDistributed loses the masks that {in_words(lift.inner)} makes at each step"
    return ""


def _misled(
    model: Any, lifts: Sequence[Lift], takers: Sequence[Any], inputs: Any
) -> dict[str, tuple[int, ...]]:
    """Return what gets a mask with as many axes as its tensor or more: names with mask shapes."""
    misled = dict[str, tuple[int, ...]]()
    # JAX's recurrent layers leave out a step if none of its mask is True
    skips_masked = keras.backend.backend() == Backend.JAX
    wrapped = {lift.layer: lift for lift in lifts if not lift.takes}

    def note(name: str, tensors: Any, masks: Any) -> None:
        for tensor, mask in zip(*map(keras.tree.flatten, (tensors, masks)), strict=False):
            if mask is not None and len(mask.shape) >= len(tensor.shape):
                misled.setdefault(name, tuple(mask.shape))

    def call(layer: Any, original: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if layer in wrapped:
            wrapped[layer].note_mask(inputs, kwargs.get("mask"))
        elif not (skips_masked and isinstance(layer, keras.layers.RNN) and not layer.unroll):
            note(in_words(layer), inputs, kwargs.get("mask"))
        return original(inputs, *args, **kwargs)

    with suppress(Exception), find_lifts.intercepted([*wrapped, *takers], call):
        outputs = keras.tree.flatten(model(inputs, training=False))
        note("the loss", outputs, [*map(mask_of, outputs)])
    return misled


def _masked_parts(layer: Any) -> list[Any]:
    """Return the layers in a layer that use a mask."""
    return [
        part
        for part in making.parts_of(layer)
        if takes_mask(part) and not isinstance(part, _AROUND)
    ]


def _makes_mask(lift: Lift) -> bool:
    with suppress(Exception):  # a layer may raise anything, and traced tensors do
        return mask_of(lift.inner(lift.received[0][:, 0])) is not None
    return False


def look(task: Look, channel: WorkerChannel) -> None:
    """Describe what a look asks for; what it reads from standard input has ended."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    system.limit_memory(task.memory_bytes)
    if task.called_with.startswith("{"):
        found = describe_model(task.factory, json.loads(task.called_with))
    else:
        found = describe_layer(task.factory, read_inputs(task.called_with))
    channel.emit(Described(found))
