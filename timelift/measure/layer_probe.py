"""What a user's layer or model is, asked of itself in a process that imports a framework.

It costs that import, some seconds, so it is asked only where the user has not said it.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timelift.case import Backend
from timelift.errors import UserError
from timelift.escape import without_codes
from timelift.measure import machine
from timelift.measure.launch import IMPORT_LIMIT, environment, importing_from

#: The layer is made on the CPU: its shape is all that is asked.
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def ask_layer(factory: str, backend: Backend, folders: Sequence[Path]) -> dict[str, Any]:
    """Return `features` (None where the layer does not tell), `input_dtype` and `input_high`.

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
