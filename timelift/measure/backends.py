"""The backends, found without importing any: what is installed, and which of them Keras takes."""

import contextlib
import importlib.util
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
    """Return what keras.json says; nothing of what is no JSON, or what Keras refuses itself."""
    import msgspec  # noqa: PLC0415 - a session of pytest without questions needs none

    with contextlib.suppress(OSError, ValueError, RecursionError, msgspec.MsgspecError):
        return msgspec.json.decode(_keras_json().read_bytes(), type=dict[str, Any])
    return {}


def _keras_json() -> Path:
    """Return the file in which Keras looks (keras/src/backend/config.py)."""
    home = os.path.expanduser("~")  # noqa: PTH111 - as there, since Path.expanduser may raise
    usual = Path(home if os.access(home, os.W_OK) else "/tmp", ".keras")  # noqa: S108
    path = Path(os.environ.get("KERAS_HOME", usual), "keras.json")
    return Path(os.path.expanduser(path))  # noqa: PTH111
