"""Print shape and dtype of the inputs of a user's layer, in a process of its own, before its cases.

`python -m timelift.worker.describe BACKEND FACTORY` prints one JSON object: `features`, the shape
of one step, None where the layer does not tell; `input_dtype` and `input_high` of whole numbers;
or `error`.
"""

import json
import os
import sys
from typing import Any

from timelift.errors import one_line


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


def main(backend: str, factory: str) -> None:
    """Write the answer to standard output; what the user's module prints goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    os.environ["KERAS_BACKEND"] = backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with os.fdopen(answer, "w", encoding="utf-8") as written:
        json.dump(describe(factory), written)


if __name__ == "__main__":
    main(*sys.argv[1:])
