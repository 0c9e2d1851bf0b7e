"""Layers that a call of a model calls several times at one shape, and that are no lifts."""

import itertools
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from timelift.worker.find_lifts import Lift, in_words
from timelift.worker.sites import loop_over
from timelift.worker.user_code import changed

#: The number of a call, a layer that it calls, and shapes and dtypes of what that receives.
_Place = tuple[int | None, Any, tuple[str, ...]]


def repeated_calls(model: Any, inputs: Any, lifts: Sequence[Lift]) -> list[dict[str, Any]]:
    """Return each layer, not a lift, that one call of a model calls several times at one shape.

    Calls are counted for each call of their caller, so that a block is repeated and not its parts
    too, and not within Keras's own layers, such as an RNN around its cell. The largest count tells.

    Layers without weights are named if no other is repeated and none of their calls needs another.
    """
    sites: dict[_Place, set[Any]] = defaultdict(set)
    seen = _watch(model, inputs, sites=sites)
    in_lifts = {layer for lift in lifts for layer in lift.changed}
    places: dict[Any, _Place] = {}
    for place in sorted(seen, key=lambda place: len(seen[place]), reverse=True):
        if len(seen[place]) > 1 and place[1] not in in_lifts:
            places.setdefault(place[1], place)
    weighted = {layer: place for layer, place in places.items() if layer.weights}
    repeated = [
        {
            "layer": in_words(layer),
            "calls": len(seen[place]),
            "depends": _depends(model, inputs, place, seen[place]),
            **_loop(sites[place]),
        }
        for layer, place in (weighted or places).items()
    ]
    return [layer for layer in repeated if weighted or not layer["depends"]]


def _loop(sites: set[Any]) -> dict[str, str]:
    """Return the line that makes all calls, and what to write instead, if they take steps."""
    one = next(iter(sites), None) if len(sites) == 1 else None
    return dict(zip(("line", "instead"), one, strict=True)) if one else {}


def _depends(model: Any, inputs: Any, place: _Place, seen: Sequence[Any]) -> bool:
    """True if calls receive something else once they return so, or if that cannot be told."""
    try:
        again = _watch(model, inputs, place)[place]
        pairs = zip(itertools.chain(*seen), itertools.chain(*again), strict=True)
        return not all(np.array_equal(*map(ops.convert_to_numpy, pair)) for pair in pairs)
    except Exception:  # noqa: BLE001 - no values while a framework traces, or no noise for integers
        return True


def _watch(
    model: Any,
    inputs: Any,
    noisy: _Place | None = None,
    sites: dict[_Place, set[Any]] | None = None,
) -> dict[_Place, list[Any]]:
    """Return the tensors that calls receive, where those at `noisy` return other values.

    `sites` are filled with what calls them in the user's files, None elsewhere.
    """
    original, numbers = keras.layers.Layer.__call__, itertools.count(1)
    seen: dict[_Place, list[Any]] = defaultdict(list)
    callers: list[int | None] = [0]  # None where calls are not counted

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if callers[-1] is None:
            return original(layer, *args, **kwargs)
        given = keras.tree.flatten((args, kwargs))
        tensors = [value for value in given if hasattr(value, "shape")]
        place = callers[-1], layer, tuple(f"{tensor.shape} {tensor.dtype}" for tensor in tensors)
        seen[place].append(tensors)
        if sites is not None:
            sites[place].add(loop_over(sys._getframe(1)))  # noqa: SLF001 - the frames of the stack
        callers.append(next(numbers))
        try:
            if isinstance(layer, keras.layers.TimeDistributed):
                layer.layer(args[0][:, 0])  # counted once: it calls the same at every step
            is_of_keras = type(layer).call.__module__.startswith("keras.")
            if is_of_keras and not isinstance(layer, keras.Model | keras.layers.Lambda):
                callers[-1] = None
            outputs = original(layer, *args, **kwargs)
        finally:
            callers.pop()
        return keras.tree.map_structure(_noisy, outputs) if place == noisy else outputs

    with changed([(keras.layers.Layer, "__call__", call)]):
        model(inputs, training=False)
    return seen


def _noisy(tensor: Any) -> Any:
    """Add noise as large as a tensor of floats: a normalization would take a constant away."""
    if tensor is None:  # beside others
        return None
    noise = keras.random.normal(ops.shape(tensor), seed=0)
    return tensor + ops.cast(noise, tensor.dtype) * (1 + ops.max(ops.abs(tensor)))
