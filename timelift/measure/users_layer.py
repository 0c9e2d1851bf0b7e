"""The user's own layer as a workload: what `--layer` names, and what its inputs are.

The inputs are found by a process that imports a framework, which takes some seconds. So that
process is only started if the options do not name them.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from timelift.axis_values import Backend
from timelift.case import workload_name
from timelift.errors import UserError, path_is, ran_out_of_memory
from timelift.inner_layer import Factory, LayerInputs
from timelift.measure import machine
from timelift.measure.backends import why_not_installed
from timelift.measure.catalogue import Workload
from timelift.measure.launch import IMPORT_LIMIT, LaunchProcess, importing_from
from timelift.messages import COMPILED_FOLDER, Look

#: Sizes for a layer of the user's, unless --seq-lens and --batch-sizes name others.
SEQ_LENS, BATCH_SIZES = (4, 16), (8,)
_IN_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
#: The layer is made on the CPU: only its shape is needed. JAX keeps each program that it compiles,
#: which takes most of the time there: launches can load what they check by.
_LOOKING = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


class Limits(NamedTuple):
    """What a user's layer or model may take: memory unless 0, and half its time in seconds."""

    memory_bytes: int = 0
    first_call: float = IMPORT_LIMIT / 2


USUAL_LIMITS = Limits()


def user_workload(
    layer: str,
    inputs: LayerInputs | None,
    backend: Backend,
    folders: Sequence[Path],
    limits: Limits = USUAL_LIMITS,
) -> Workload:
    """Return the workload of a layer, whose inputs are those given or its own, or UserError."""
    try:
        factory = find_factory(layer, "module:name or path.py:name, like mypkg.models:make_encoder")
        described = look_at(str(factory), backend, folders, str(inputs or ""), limits)
        inputs = inputs or _inputs_of(described)
    except UserError as error:
        raise UserError(f"--layer: {error}") from None
    return Workload(
        name=workload_name(factory.lift or factory.name),
        factory=str(factory),
        inputs=inputs,
        seq_lens=SEQ_LENS,
        batch_sizes=BATCH_SIZES,
        default=True,
        is_users=True,
    )


def _inputs_of(described: Mapping[str, Any]) -> LayerInputs:
    if described["inputs"] is None:
        raise UserError(
            "expected a layer that is built, which tells the shape of one step, received one that "
            "is not; write it like --inputs 96,96,3, or 'x=float32[3],y=int32[]<6' for several"
        )
    inputs = LayerInputs.from_fields(described["inputs"])
    if any(tensor.dtype and not tensor.high for tensor in inputs.tensors):
        raise UserError(
            "expected a layer that tells the number below which its inputs lie, received one of "
            f"whole numbers that does not; write it like --inputs '{inputs.with_bounds}'"
        )
    return inputs


def find_factory(text: str, expected: str) -> Factory:
    """Read `module:name`, or `path.py:name` with the whole path; UserError asks for `expected`."""
    factory = Factory.of(text)
    if factory.is_file:
        path = Path(factory.where)
        if not path_is(path.is_file):
            raise UserError(f"expected {expected}; received {text!r}, and there is no file {path}")
        return replace(factory, where=str(path.resolve()))
    if not _IN_MODULE.fullmatch(f"{factory.where}:{factory.name}"):
        hint = f"; write {text}:NAME" if text.endswith(".py") else ""
        hint = "; name a function without arguments that makes it" if "(" in text else hint
        raise UserError(f"expected {expected}; received {text!r}{hint}")
    return factory


def look_at(
    factory: str,
    backend: Backend,
    folders: Sequence[Path],
    called_with: str = "",
    limits: Limits = USUAL_LIMITS,
) -> dict[str, Any]:
    """Return what `worker.describe` finds of a layer, or of a model.

    A layer is `called_with` inputs, if any, and a model with its feeding in JSON. Of a layer it is
    its `inputs`, None if the layer is not built. Modules are found in `folders` too. Raises
    UserError if the layer or model cannot be called within the `limits`.
    """
    machine.refuse_without_backend()
    if reason := why_not_installed(backend):
        raise UserError(reason)
    variables = importing_from(folders) | _LOOKING
    variables["JAX_COMPILATION_CACHE_DIR"] = variables[COMPILED_FOLDER]
    with closing(LaunchProcess(backend, limits.first_call, variables=variables)) as launch:
        launch.wait_until_ready()
        described = launch.look(Look(factory, called_with, limits.memory_bytes)).found
    if why := described.get("error", ""):
        most = limits.memory_bytes
        if most and (ran_out_of_memory(why) or "signal SIGABRT" in why):  # as XLA ends
            why = f"it takes more than the {most:,} bytes of --memory-limit; raise that"
        raise UserError(f"{factory} cannot be made or called: {why}")
    return described
