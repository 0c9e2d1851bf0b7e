"""The user's own layer as a workload, from options instead of a file in workloads/."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timelift.errors import UserError, nearest
from timelift.measure.catalogue import Workload

#: Sizes for a layer of which nothing is known; --seq-lens and --batch-sizes say better.
SEQ_LENS, BATCH_SIZES = (4, 16), (8,)


def user_workload(knobs: Mapping[str, Any]) -> Workload | None:
    """Make the workload that `--layer` or `--layer-file` names; None where neither is given."""
    given = {name: knobs[name] for name in ("layer", "layer_file") if knobs[name]}
    if not given:
        return None
    if len(given) > 1:
        raise UserError("--layer and --layer-file name two layers; give one of them")
    if not knobs["features"]:
        raise UserError("--features: expected the shape of one step, like 96,96,3; received none")
    factory = (
        _checked_file(knobs["layer_file"]) if knobs["layer_file"] else _checked(knobs["layer"])
    )
    dtype, high = knobs["input_dtype"], knobs["input_high"]
    if bool(dtype) != bool(high):
        raise UserError(
            "--input-dtype and --input-high go together, like --input-dtype int32 --input-high 99"
        )
    name = factory.rpartition(":")[2]
    return Workload(
        name,
        factory,
        f"The user's {name}",
        knobs["features"],
        SEQ_LENS,
        BATCH_SIZES,
        default=True,
        is_users=True,
        input_dtype=dtype,
        input_high=high,
    )


def _checked(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*", text):
        raise UserError(
            f"--layer: expected module:function, like mypkg.models:make_encoder; received {text!r}"
        )
    return text


def _checked_file(text: str) -> str:
    """Check that the file exists and defines the function, without importing it."""
    where, _, name = text.rpartition(":")
    path = Path(where)
    if not where or not path.is_file():
        raise UserError(f"--layer-file: expected an existing path.py:function, received {text!r}")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"--layer-file: {path} is not valid Python ({error})") from None
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if name not in names:
        raise UserError(
            f"--layer-file: {path} has no function {name!r}; it has: {nearest(name, names)}"
        )
    return f"{path.resolve()}:{name}"
