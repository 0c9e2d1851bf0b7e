"""Backends, devices and processors, found without importing a backend: options need no more.

A device has the name that every backend understands: `cpu`, `gpu`, `gpu:1` and so on, in the
driver's order, as many as CUDA_VISIBLE_DEVICES shows.
"""

import importlib.util
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from timelift.case import CPU, GPU, Backend
from timelift.errors import UserError


def installed_backends() -> list[Backend]:
    return [backend for backend in Backend if importlib.util.find_spec(backend)]


def usual_backend() -> Backend:
    """Return the backend that Keras is told to use, or the first that is installed."""
    installed, told = installed_backends(), os.environ.get("KERAS_BACKEND")
    return next(
        (backend for backend in installed if backend == told),
        next(iter(installed), Backend.TENSORFLOW),
    )


def device_names(
    folder: Path = Path("/dev"), variables: Mapping[str, str] = os.environ
) -> list[str]:
    many = len([file for file in folder.glob("nvidia*") if re.fullmatch(r"nvidia\d+", file.name)])
    shown = variables.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        valid = itertools.takewhile(
            lambda number: number.strip() not in {"", "-1"}, shown.split(",")
        )
        many = min(many, len(list(valid)))
    return [CPU, *(_device_name(GPU, number) for number in range(many))]


def _device_name(kind: str, number: int) -> str:
    return f"{kind}:{number}" if number else kind


def read_device(word: str) -> str:
    """Read a device's name; raises UserError where it is none."""
    kind, colon, number = word.partition(":")
    if kind not in {CPU, GPU} or (colon and not number.isdecimal()):
        raise UserError(f"unknown device {word!r}; expected cpu, gpu, gpu:1, … or all")
    return _device_name(kind, int(number or 0))


def usable_cores() -> frozenset[int]:
    """Return the processors that this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))
