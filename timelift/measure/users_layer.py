"""The user's own layer as a workload: what `--layer` names, and what its inputs are."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from timelift.errors import UserError, nearest, path_is
from timelift.layer_inputs import LayerInputs
from timelift.measure.catalogue import Workload
from timelift.measure.source import names_of
from timelift.told_model import INSIDE, case_name

#: Sizes for a layer of which nothing is known; --seq-lens and --batch-sizes say better.
SEQ_LENS, BATCH_SIZES = (4, 16), (8,)
#: What a file binds that may have any other name as well.
_ANY = {"*", "__getattr__"}
_IN_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

#: What the layer itself is asked: its factory's `features`, `input_dtype` and `input_high`.
AskLayer = Callable[[str], Mapping[str, Any]]


def user_workload(layer: str, inputs: LayerInputs | None, ask: AskLayer) -> Workload:
    """Return the workload of a layer, which is asked for its inputs where none are given.

    `layer` is `module:name` or `path.py:name`. Raises UserError.
    """
    try:
        factory = find_factory(layer, "module:name or path.py:name, like mypkg.models:make_encoder")
        inputs = inputs or _asked(ask(factory))
    except UserError as error:
        raise UserError(f"--layer: {error}") from None
    return Workload(
        name=_name(factory),
        factory=factory,
        inputs=inputs,
        seq_lens=SEQ_LENS,
        batch_sizes=BATCH_SIZES,
        default=True,
        is_users=True,
    )


def _asked(told: Mapping[str, Any]) -> LayerInputs:
    if told["features"] is None:
        raise UserError(
            "expected a layer that is built, which tells the shape of one step, received one that "
            "is not; write it like --inputs 96,96,3"
        )
    inputs = LayerInputs(tuple(told["features"]), told["input_dtype"], told["input_high"])
    if inputs.dtype and not inputs.high:
        like = LayerInputs(inputs.features, inputs.dtype, 1000)
        raise UserError(
            "expected a layer that tells the number below which its inputs lie, received one of "
            f"whole numbers that does not; write it like --inputs '{like}'"
        )
    return inputs


def _name(factory: str) -> str:
    """Return what the workload of a layer is called: as the name in its module, or as its lift."""
    name, _, lift = factory.rpartition(":")[2].partition(INSIDE)
    return case_name(lift) if lift else name


def find_factory(text: str, expected: str) -> str:
    """Return `module:name` as it is, or `path.py:name` with the whole path; raises UserError.

    `name#lift` is the layer inside of a model's TimeDistributed.
    """
    factory, inside, lift = text.partition(INSIDE)
    where, _, name = factory.rpartition(":")
    if inside and not lift:
        raise UserError(f"expected {expected}; received {text!r}")
    if where.endswith(".py"):
        path = Path(where)
        if not path_is(path.is_file):
            raise UserError(f"expected {expected}; received {text!r}, and there is no file {path}")
        names = names_of(path)
        if name not in names and not names & _ANY:
            raise UserError(f"{path} has no {name!r}; {nearest(name, names)}")
        return f"{path.resolve()}:{name}{inside}{lift}"
    if not _IN_MODULE.fullmatch(factory):
        raise UserError(f"expected {expected}; received {text!r}")
    return text
