"""Print shape and dtype of the inputs of a user's layer, in a process of its own, before its cases.

`python -m timelift.worker.describe BACKEND FACTORY` prints one JSON object: `features`, the shape
of one step, None where the layer does not tell; `input_dtype` and `input_high` of whole numbers;
or `error`.

`python -m timelift.worker.describe BACKEND MODEL FEEDING` prints what a model has of lifts.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from timelift.errors import one_line

if TYPE_CHECKING:
    from timelift.worker.lifts import Lift


def describe(factory: str) -> dict[str, Any]:
    from timelift.worker.find_layer import (  # noqa: PLC0415 - the backend is chosen first
        find_layer,
        input_shape,
        whole_numbers,
    )
    from timelift.worker.layer import check_one_tensor  # noqa: PLC0415

    try:
        layer = find_layer(factory)
        check_one_tensor(layer, factory)
        shape = input_shape(layer)
        dtype, high = whole_numbers(layer)
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        return {"error": one_line(error)}
    known = shape is not None and None not in shape[1:]
    return {
        "features": list(shape[1:]) if shape and known else None,
        "input_dtype": dtype,
        "input_high": high,
    }


#: Why a name that stands for one model, or for layers that several share, is none to advise on.
_SAME = (
    "it has the same lifts at every call, and each way of changing it needs its own; name a "
    "function that makes the whole model anew"
)
#: Why a model whose layers come late is none: its lifts are known by their places before that.
_LATE = "its lifts are not there before its first call; make them in __init__"


def describe_model(name: str, feeding: Mapping[str, Any]) -> dict[str, Any]:
    """Tell a model's name, how it is trained, its lifts with what a call gives them; or `error`.

    `feeding` has `source`, `batch` and `seq_len` as `models.data_of` takes them.
    """
    from timelift.worker import models  # noqa: PLC0415 - the backend is chosen first
    from timelift.worker.find_layer import find_model  # noqa: PLC0415
    from timelift.worker.lifts import find_lifts, seen_at_work  # noqa: PLC0415
    from timelift.worker.loops import named_alone  # noqa: PLC0415

    try:
        model, another = find_model(name), find_model(name)
        data = models.data_of(model, **feeding, noise=np.random.default_rng(0))
        found, others = seen_at_work(model, data.inputs), find_lifts(another)
        if _changed(found) & _changed(others):
            return {"error": _SAME}
        if len(found) != len(others):
            return {"error": _LATE}
        parts = model._flatten_layers()  # noqa: SLF001 - Keras has no other way to all of them
        return {
            "name": model.name,
            "layers": len(model._flatten_layers(include_self=False)),  # noqa: SLF001 - all of them
            "compiled": bool(model.compiled),
            "trains": bool(model.trainable_weights),
            "mode": models.mode_of(model),
            "drawn": data.drawn,
            "draws_labels": data.labels is None and bool(model.trainable_weights),
            "batch": data.batch,
            "leaves_open": models.leaves_open(model),
            "lifts": [models.told_of(one) for one in found],
            "by_hand": list(dict(named for part in parts for named in named_alone(part)).items()),
        }
    except Exception as error:  # noqa: BLE001 - the user's module may raise anything
        return {"error": one_line(error)}


def _changed(found: "list[Lift]") -> set[int]:
    return {id(layer) for lift in found for layer in lift.changed}


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
