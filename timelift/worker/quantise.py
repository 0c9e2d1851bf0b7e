"""A layer in int8, as `model.quantize("int8")` of Keras makes it."""

import math
import warnings
from typing import Any

import keras

from timelift.axis_values import Status
from timelift.worker.find_lifts import is_quantised
from timelift.worker.making import LostError, parts_of

_MODE = "int8"
_NOTHING = (
    "nothing in it is quantised: Keras quantises Dense, EinsumDense and Embedding alone; ask for "
    "--dtypes float32."
)


def quantise(layer: Any) -> None:
    """Quantise each part of a built layer that Keras can; raises LostError if there is none.

    Source: `keras.Model.quantize` of Keras 3.15, which asks each layer without layers inside.
    """
    parts = [part for part in parts_of(layer) if len(parts_of(part)) == 1]
    with warnings.catch_warnings(action="ignore"):  # one for each part without a way
        if isinstance(layer, keras.Model):
            layer.quantize(_MODE)
        else:
            for part in parts:
                _quantise_part(part)
    if not any(map(is_quantised, parts)):
        raise LostError(_NOTHING, Status.REFUSED)


def _quantise_part(part: Any) -> None:
    try:
        part.quantize(_MODE)
    except NotImplementedError:  # as of most layers
        return


def share_quantised(layer: Any) -> float:
    """Return the share of a layer's numbers that are int8; scales are not counted."""
    quantised = quantised_variables(layer)
    numbers = sum(math.prod(one.shape) for one in quantised if str(one.dtype) == _MODE)
    floats = [one for one in layer.weights if not any(one is other for other in quantised)]
    share: float = numbers / (numbers + sum(math.prod(one.shape) for one in floats))
    return share


def quantised_variables(layer: Any) -> list[Any]:
    """Return the int8 weights of a layer's parts and their scales, which are no statistics."""
    quantised = filter(is_quantised, parts_of(layer))
    return [each for part in quantised for each in part.non_trainable_variables]
