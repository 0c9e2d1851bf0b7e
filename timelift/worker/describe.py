"""Print shape and dtype of the inputs of a user's layer, in a process of its own, before its cases.

`python -m timelift.worker.describe BACKEND FACTORY` prints one JSON object: the fields of
`LayerInputs`, of which `features` is None where the layer does not tell; or `error`.

`python -m timelift.worker.describe BACKEND MODEL FEEDING` prints what a model has of lifts.
"""

import json
import math
import numbers
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from timelift.errors import one_line
from timelift.worker import models
from timelift.worker.find_layer import find_layer, find_model, input_shape, parts_of, whole_numbers
from timelift.worker.layer import check_one_tensor
from timelift.worker.lifts import (
    Lift,
    find_lifts,
    kind_and_size,
    name_of_its_own,
    seen_at_work,
    unsupported_loops,
)

#: Why a name that stands for one model, or for layers that several share, is none to advise on.
_SAME = (
    "it has the same lifts at every call, and each way of changing it needs its own; name a "
    "function that makes the whole model anew"
)
#: Why a model whose layers come late is none: its lifts are known by their places before that.
_LATE = "its lifts are not there before its first call; make them in __init__"
#: What layers call the share or size of the noise that training adds.
_NOISE = ("rate", "stddev", "dropout", "recurrent_dropout")


def describe(factory: str) -> dict[str, Any]:
    try:
        layer = find_layer(factory)
        check_one_tensor(layer, factory)
        shape = input_shape(layer)
        dtype, high = whole_numbers(layer)
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        return {"error": one_line(error)}
    is_told = shape is not None and None not in shape[1:]
    return {
        "features": list(shape[1:]) if shape and is_told else None,
        "dtype": dtype,
        "high": high,
    }


def describe_model(name: str, feeding: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's name, how it is trained, and its lifts with what reaches them; or `error`.

    `feeding` has `source`, `batch` and `seq_len` as `models.data_of` takes them.
    """
    try:
        model, another = find_model(name), find_model(name)
        data = models.data_of(model, **feeding, noise=np.random.default_rng(0))
        lifts, others = seen_at_work(model, data.inputs), find_lifts(another)
        if _changed(lifts) & _changed(others):
            return {"error": _SAME}
        if len(lifts) != len(others):
            return {"error": _LATE}
        parts = parts_of(model)
        return {
            "name": model.name,
            "layers": len(parts) - 1,
            "compiled": bool(model.compiled),
            "trains": bool(model.trainable_weights),
            "mode": models.mode_of(model),
            "drawn": data.drawn,
            "draws_labels": data.labels is None and bool(model.trainable_weights),
            "batch": data.batch,
            "leaves_open": models.leaves_open(model),
            "lifts": [told_of(lift) for lift in lifts],
            "by_hand": [*dict(loop for part in parts for loop in unsupported_loops(part)).items()],
        }
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        return {"error": one_line(error)}


def _changed(lifts: Sequence[Lift]) -> set[int]:
    return {id(layer) for lift in lifts for layer in lift.changed}


def told_of(lift: Lift) -> dict[str, Any]:
    """Return a lift's inner layer, what reaches it in a call of the model, and what training adds.

    The batch of one inside of other lifts counts the steps of those, since their strategies call it
    for several steps at once. One that was not called has no sizes.
    """
    import keras  # noqa: PLC0415 - the backend is chosen by now

    inner, parts = lift.inner, parts_of(lift.inner)
    wanted, high = whole_numbers(inner)
    statistics = (part for part in parts if isinstance(part, keras.layers.BatchNormalization))
    added = {
        "noise": any(_is_above_0(getattr(part, rate, 0)) for part in parts for rate in _NOISE),
        "statistics": any(part.trainable for part in statistics),
        "losses": any(getattr(part, "activity_regularizer", None) for part in parts),
    }
    told = {
        "name": lift.name,
        "place": lift.place,
        "access": lift.access,
        "usual": lift.usual,
        "inner": _written(inner),
        "trains": bool(inner.trainable_weights),
        "added": [kind for kind, is_added in added.items() if is_added],
    }
    if not lift.calls:
        return told
    (batch, steps, *features), given = lift.calls[0]
    batch *= math.prod(outer.calls[0][0][1] for outer in lift.around if outer.calls)
    dtype = given if "int" in given else wanted  # a Sequential around may have made them floats
    inputs = {"features": features, "dtype": dtype, "high": (high or models.FLAGS) if dtype else 0}
    return told | {"batch": batch, "steps": steps, "inputs": inputs}


def _written(layer: Any) -> str:
    """Write an inner layer as code would: `Dense(32)`, `Flatten(...)`, a model by its name."""
    import keras  # noqa: PLC0415 - the backend is chosen by now

    if isinstance(layer, keras.Model) and (name := name_of_its_own(layer)):
        return name
    written = kind_and_size(layer)
    return written if written.endswith(")") else f"{written}(...)"


def _is_above_0(value: Any) -> bool:
    """True if what a layer calls so is a number and not none: it may be a weight or a layer."""
    return isinstance(value, numbers.Real) and float(value) > 0


def main(backend: str, factory: str, feeding: str = "") -> None:
    """Write the answer to standard output; what the user's module prints goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with os.fdopen(answer, "w", encoding="utf-8") as written:
        told = describe_model(factory, json.loads(feeding)) if feeding else describe(factory)
        json.dump(told, written)


if __name__ == "__main__":
    main(*sys.argv[1:])
