"""A layer in int8, as `model.quantize("int8")` of Keras makes it."""

import math
import warnings
from typing import Any

import keras

from timelift.axis_values import Status
from timelift.worker.making import LostError, parts_of

_MODE = "int8"
#: How the names of their scales end.
_SCALE = "_scale"
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
    if not any(part.quantization_mode for part in parts):
        raise LostError(_NOTHING, Status.REFUSED)


def _quantise_part(part: Any) -> None:
    try:
        part.quantize(_MODE)
    except NotImplementedError:  # as of most layers
        return


def share_quantised(layer: Any) -> float:
    """Return the share of a layer's numbers that are int8; scales are not counted."""
    sizes: list[tuple[bool, int]] = [
        (str(weight.dtype) == _MODE, math.prod(weight.shape))
        for weight in layer.weights
        if not weight.name.endswith(_SCALE)
    ]
    return sum(size for is_int8, size in sizes if is_int8) / sum(size for _, size in sizes)


def is_quantised(variable: Any) -> bool:
    """Return whether a variable without gradient is of a quantised weight, and no statistic."""
    return str(variable.dtype) == _MODE or bool(variable.name.endswith(_SCALE))
