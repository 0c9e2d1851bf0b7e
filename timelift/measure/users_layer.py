"""The user's own layer as a workload: what `--layer` names, and what its inputs are.

A layer or model is asked in a process that imports a framework. It costs that import, some seconds,
so it is asked only where the user has not said it.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from timelift.case import Backend, workload_name
from timelift.errors import UserError, nearest, path_is
from timelift.escape import without_codes
from timelift.inner_layer import Factory, LayerInputs
from timelift.measure import machine
from timelift.measure.catalogue import Workload
from timelift.measure.launch import IMPORT_LIMIT, environment, importing_from
from timelift.source import names_of

#: Sizes for a layer of which nothing is known; --seq-lens and --batch-sizes say better.
SEQ_LENS, BATCH_SIZES = (4, 16), (8,)
#: What a file binds that may have any other name as well.
_ANY = {"*", "__getattr__"}
_IN_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
#: The layer is made on the CPU: its shape is all that is asked.
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def user_workload(
    layer: str, inputs: LayerInputs | None, backend: Backend, folders: Sequence[Path]
) -> Workload:
    """Return the workload of a layer, which is asked for its inputs where none are given.

    `layer` is `module:name` or `path.py:name`; modules are found in `folders` too. Raises
    UserError.
    """
    try:
        factory = find_factory(layer, "module:name or path.py:name, like mypkg.models:make_encoder")
        inputs = inputs or _inputs_of(ask_layer(factory, backend, folders))
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


def _inputs_of(told: Mapping[str, Any]) -> LayerInputs:
    if told["features"] is None:
        raise UserError(
            "expected a layer that is built, which tells the shape of one step, received one that "
            "is not; write it like --inputs 96,96,3"
        )
    inputs = LayerInputs.from_fields(told)
    if inputs.dtype and not inputs.high:
        like = LayerInputs(inputs.features, inputs.dtype, 1000)
        raise UserError(
            "expected a layer that tells the number below which its inputs lie, received one of "
            f"whole numbers that does not; write it like --inputs '{like}'"
        )
    return inputs


def _name(factory: str) -> str:
    """Return what the workload of a layer is called: as the name in its module, or as its lift."""
    made = Factory.of(factory)
    return workload_name(made.lift or made.name)


def find_factory(text: str, expected: str) -> str:
    """Return `module:name` as it is, or `path.py:name` with the whole path; raises UserError.

    `name#lift` is the layer inside of a model's TimeDistributed.
    """
    factory = Factory.of(text)
    if factory.is_file and factory.name:
        path = Path(factory.where)
        if not path_is(path.is_file):
            raise UserError(f"expected {expected}; received {text!r}, and there is no file {path}")
        names = names_of(path)
        if factory.name not in names and not names & _ANY:
            raise UserError(f"{path} has no {factory.name!r}; {nearest(factory.name, names)}")
        return str(replace(factory, where=str(path.resolve())))
    if not _IN_MODULE.fullmatch(f"{factory.where}:{factory.name}"):
        raise UserError(f"expected {expected}; received {text!r}")
    return text


# What it is asked ---------------------------------------------------------------------------------


def ask_layer(factory: str, backend: Backend, folders: Sequence[Path]) -> dict[str, Any]:
    """Return the fields of `LayerInputs`; `features` is None where the layer does not tell.

    The factory is `module:name` or `path.py:name`; modules are found in `folders` too. Raises
    UserError where it gives none.
    """
    return _ask(factory, backend, folders)


def ask_model(
    name: str, backend: Backend, folders: Sequence[Path], feeding: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a user's model has of lifts, as `worker.describe.describe_model` tells it.

    `feeding` is how it is called to see them. Raises UserError where there is no model to call.
    """
    return _ask(name, backend, folders, json.dumps(feeding))


def _ask(name: str, backend: Backend, folders: Sequence[Path], *more: str) -> dict[str, Any]:
    machine.refuse_without_backend()
    if reason := machine.why_not_installed(backend):
        raise UserError(reason)
    words = [sys.executable, "-m", "timelift.worker.describe", backend, name, *more]
    try:
        done = subprocess.run(
            words,
            env=environment(variables=importing_from(folders) | _NO_GPU),
            capture_output=True,
            check=False,
            timeout=IMPORT_LIMIT,
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{name}: it was not imported and called within {IMPORT_LIMIT:g} s; import it by itself"
        ) from None
    except ValueError:
        lines = without_codes(done.stderr.decode(errors="replace")).split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        raise UserError(
            f"{name}: importing or calling it ended the process that did ({last:.300}); import it "
            "by itself"
        ) from None
    if why := told.get("error"):
        where = ", ".join(map(str, folders))
        raise UserError(
            f"{name}: gives nothing to measure ({why}); modules are those of {sys.executable}, "
            f"and of {where}"
        )
    return told
