"""The backends, found without importing any: what is installed, and which of them Keras takes."""

import importlib.util
import json
import os
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from timelift.axis_values import Backend, Runtime
from timelift.errors import UserError

#: True from the first release on PyPI on: until then anybody may take our name there.
ON_PYPI = False


def how_to_install(extra: str) -> str:
    """Return the command that installs what an extra requires, by the names of its packages."""
    if ON_PYPI:
        return f"pip install 'timelift[{extra}]'"
    ours = next(iter(distributions(name="timelift")), None)
    wanted = map(Requirement, (ours and ours.requires) or ())
    names = [one.name for one in wanted if one.marker and one.marker.evaluate({"extra": extra})]
    in_clone = f"'.[{extra}]' in timelift's folder"  # which has no metadata unless it is installed
    return f"pip install {' '.join(names) or in_clone}"


def installed_backends() -> list[Backend]:
    return [backend for backend in Backend if importlib.util.find_spec(backend)]


def why_not_installed(backend: Backend) -> str:
    """Reason why a backend cannot be measured, with the command that installs it, or ''."""
    if importlib.util.find_spec(backend):
        return ""
    return f"{backend} is not installed; install it with: {how_to_install(backend)}"


def why_not_served(runtime: Runtime) -> str:
    """Reason why a runtime cannot be measured, with the command that installs it, or ''."""
    missing = [name for name in runtime.modules if not importlib.util.find_spec(name)]
    if not missing:
        return ""
    return f"{runtime} needs {' and '.join(missing)}; install with: {how_to_install(runtime)}"


def usual_backend() -> tuple[Backend, str]:
    """Return the backend that Keras takes, or else the first that is installed; and why, in words.

    A backend in keras.json counts only if installed: Keras writes tensorflow into a new file.
    """
    first = next(iter(installed_backends()), Backend.TENSORFLOW)
    word, where = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not word:
        word, where = keras_settings().get("backend"), str(_keras_json())
    if word is None:
        return first, f"backend {first}, the first that is installed"
    if word not in [*Backend]:
        raise UserError(
            f"{where}: expected {', '.join(Backend)} as the backend, received {word!r:.80}; change "
            "it, or name one with --backends"
        )
    backend = Backend(word)
    if not (reason := why_not_installed(backend)):
        return backend, f"backend {backend}, as {where} says"
    if where == "KERAS_BACKEND":
        raise UserError(f"{where}: {reason}")
    return first, f"backend {first}, since {backend}, as {where} says, is not installed"


def keras_settings() -> dict[str, Any]:
    """Return the settings in keras.json; none if it is absent or no JSON object."""
    try:
        path = os.path.expanduser(_keras_json())  # noqa: PTH111 - raises nothing
        settings = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _keras_json() -> Path:
    """Return the file as a user names it, where ~ is the home folder."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json")
