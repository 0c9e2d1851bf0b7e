"""The user's own layer as a workload: what `--layer` and `--layer-file` name."""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from timelift.case import option_flag
from timelift.errors import UserError, nearest, path_is
from timelift.measure.catalogue import Workload
from timelift.measure.source import UNREADABLE, defined
from timelift.told_model import INSIDE, case_name

#: Sizes for a layer of which nothing is known; --seq-lens and --batch-sizes say better.
SEQ_LENS, BATCH_SIZES = (4, 16), (8,)


#: What the layer itself is asked: its factory's `features`, `input_dtype` and `input_high`.
AskLayer = Callable[[str], Mapping[str, Any]]


def user_workload(options: Mapping[str, Any], ask: AskLayer) -> Workload | None:
    """Return the workload that `--layer` or `--layer-file` names; None where neither is given.

    What its inputs are is asked of the layer where the options do not say it.
    """
    given = [name for name in ("layer", "layer_file") if options[name]]
    if not given:
        return None
    if len(given) > 1:
        raise UserError("--layer and --layer-file name two layers; give one of them")
    (name,) = given
    factory = (layer_in_module if name == "layer" else _layer_in_file)(options[name])
    dtype, high = options["input_dtype"], options["input_high"]
    if bool(dtype) != bool(high) and options["features"]:
        raise UserError(
            "--input-dtype and --input-high go together, like --input-dtype int32 --input-high 99"
        )
    told = {} if options["features"] else _asked(ask, factory, option_flag(name))
    dtype, high = dtype or told.get("input_dtype", ""), high or told.get("input_high", 0)
    if bool(dtype) != bool(high):
        lacking, like = ("--input-high", "1000") if dtype else ("--input-dtype", "int32")
        raise UserError(
            f"{lacking}: expected it for inputs of whole numbers, like {lacking} {like}, since the "
            "layer does not tell; received none"
        )
    return Workload(
        name=_name(factory),
        factory=factory,
        features=options["features"] or tuple(told["features"]),
        seq_lens=SEQ_LENS,
        batch_sizes=BATCH_SIZES,
        default=True,
        input_dtype=dtype,
        input_high=high,
        is_users=True,
    )


def _asked(ask: AskLayer, factory: str, flag: str) -> Mapping[str, Any]:
    try:
        told = ask(factory)
    except UserError as error:
        raise UserError(f"{flag}: {error}") from None
    if told["features"] is None:
        raise UserError(
            "--features: expected the shape of one step, like 96,96,3, since the layer is not "
            "built and does not tell; received none"
        )
    return told


def _name(factory: str) -> str:
    """Return what the workload of a layer is called: as the name in its module, or as its lift."""
    name, _, lift = factory.rpartition(":")[2].partition(INSIDE)
    return case_name(lift) if lift else name


def is_named(text: str) -> bool:
    """True for `module:name`."""
    return bool(re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", text))


def layer_in_module(text: str) -> str:
    """Return `module:name` as it is; raises UserError for a text of another form.

    `module:name#lift` is the layer inside of a model's TimeDistributed.
    """
    model, inside, lift = text.partition(INSIDE)
    if not is_named(model) or (inside and not lift):
        raise UserError(
            f"--layer: expected module:name, like mypkg.models:make_encoder; received {text!r}"
        )
    return text


def _layer_in_file(text: str) -> str:
    where, _, name = text.rpartition(":")
    path = Path(where)
    if not (where and path_is(path.is_file)):
        raise UserError(f"--layer-file: expected an existing path.py:name, received {text!r}")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, *UNREADABLE) as error:
        raise UserError(f"--layer-file: {path} is not valid Python ({error})") from None
    names = list(defined(tree))
    if name not in names:
        raise UserError(f"--layer-file: {path} has no {name!r}; {nearest(name, names)}")
    return f"{path.resolve()}:{name}"
