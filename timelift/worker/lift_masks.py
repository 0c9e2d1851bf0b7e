"""Faults of lifts as written: masks that do not belong where the lift hands them.

The mask of a lift's inputs is over steps, (batch, time), or the steps' own, (batch, time, words). A
`TimeDistributed` hands `mask[:, t]` of either to the layer inside, and its mask unchanged to the
layers behind it. It loses a mask that the layer inside makes. Steps of a loop have no mask.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras

from timelift.case import Backend
from timelift.worker.find_lifts import MASK_AXES, Lift, in_words, intercepted, mask_of, takes_mask
from timelift.worker.making import parts_of

#: Layers that hand a mask to others alone.
_AROUND = keras.Model, keras.layers.Wrapper


def note_mask_faults(model: Any, lifts: Sequence[Lift], inputs: Any) -> list[Lift]:
    """Set the `mask_fault` of each lift, and return lifts with one; the model's call may fail."""
    may_be = any(lift.mask_shape or not lift.calls for lift in lifts)  # as where the call failed
    takers = _masked_parts(model)
    misled = _misled(model, lifts, takers, inputs) if may_be else {}
    for lift in lifts:
        lift.mask_fault = _fault(lift, misled, takers)
    return [lift for lift in lifts if lift.mask_fault]


def _fault(lift: Lift, misled: Mapping[str, tuple[int, ...]], takers: Sequence[Any]) -> str:
    is_over_steps = len(lift.mask_shape) == MASK_AXES
    if lift.takes:
        is_lost = lift.mask_shape and not is_over_steps and _masked_parts(lift.inner)
        return "the loop takes steps without their masks" if is_lost else ""
    if is_over_steps and _masked_parts(lift.inner):
        return "TimeDistributed hands each step a part of the mask over steps as one of its own"
    if own := [name for name, shape in misled.items() if shape == lift.mask_shape]:
        return f"TimeDistributed hands the masks of steps on as one over steps, to {own[0]}"
    inner = parts_of(lift.inner)
    is_taken = any(part not in inner for part in takers)
    if is_taken and not lift.mask_shape and _makes_mask(lift):
        return f"TimeDistributed loses the masks that {in_words(lift.inner)} makes at each step"
    return ""


def _misled(
    model: Any, lifts: Sequence[Lift], takers: Sequence[Any], inputs: Any
) -> dict[str, tuple[int, ...]]:
    """Return what gets a mask with as many axes as its tensor or more: names with mask shapes."""
    misled = dict[str, tuple[int, ...]]()
    wrapped = {lift.layer: lift for lift in lifts if not lift.takes}

    def note(name: str, tensors: Any, masks: Any) -> None:
        for tensor, mask in zip(*map(keras.tree.flatten, (tensors, masks)), strict=False):
            if mask is not None and len(mask.shape) >= len(tensor.shape):
                misled.setdefault(name, tuple(mask.shape))

    def call(layer: Any, original: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if layer in wrapped:
            wrapped[layer].note_mask(inputs, kwargs.get("mask"))
        elif not _skips_wholly_masked(layer):
            note(in_words(layer), inputs, kwargs.get("mask"))
        return original(inputs, *args, **kwargs)

    with suppress(Exception), intercepted([*wrapped, *takers], call):
        outputs = keras.tree.flatten(model(inputs, training=False))
        note("the loss", outputs, [*map(mask_of, outputs)])
    return misled


def _skips_wholly_masked(layer: Any) -> bool:
    """True for recurrent layers on JAX: a step is left out if none of its mask is True."""
    is_loop = isinstance(layer, keras.layers.RNN) and not layer.unroll
    return is_loop and keras.backend.backend() == Backend.JAX


def _masked_parts(layer: Any) -> list[Any]:
    """Return the layers in a layer that use a mask."""
    return [part for part in parts_of(layer) if takes_mask(part) and not isinstance(part, _AROUND)]


def _makes_mask(lift: Lift) -> bool:
    with suppress(Exception):  # a layer may raise anything, and traced tensors do
        return mask_of(lift.inner(lift.received[0][:, 0])) is not None
    return False
