"""The backends, found without importing any: what is installed, and which of them Keras takes."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

from timelift.case import Backend
from timelift.errors import UserError


def installed_backends() -> list[Backend]:
    return [backend for backend in Backend if importlib.util.find_spec(backend)]


def why_not_installed(backend: Backend) -> str:
    """Reason why a backend cannot be measured, with the command that installs it, or ''."""
    if importlib.util.find_spec(backend):
        return ""
    return f"{backend} is not installed; install it with: pip install 'timelift[{backend}]'"


def usual_backend() -> tuple[Backend, str]:
    """Return the backend that Keras takes, or else the first that is installed; and why, in words.

    What is not installed is no wish in a keras.json: Keras writes a new one with tensorflow in it.
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
    """Return what keras.json says; what is no JSON object says nothing."""
    try:
        path = os.path.expanduser(_keras_json())  # noqa: PTH111 - raises nothing
        settings = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _keras_json() -> Path:
    """Return the file as a user names it, where ~ is the home folder."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json")
