"""The devices of this machine by the names that every backend understands, and what they are.

They are found through the driver's files and its own program, so that no backend is imported:
`cpu`, `gpu`, `gpu:1` and so on, in the driver's order, as many as CUDA_VISIBLE_DEVICES shows.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from timelift.case import CPU, GPU
from timelift.errors import UserError

_ASK = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]


def present(folder: Path = Path("/dev"), variables: Mapping[str, str] = os.environ) -> list[str]:
    many = len([one for one in folder.glob("nvidia*") if re.fullmatch(r"nvidia\d+", one.name)])
    shown = variables.get("CUDA_VISIBLE_DEVICES")
    if shown is not None:
        many = min(many, len([one for one in shown.split(",") if one.strip() not in {"", "-1"}]))
    return [CPU, *(name_of(GPU, number) for number in range(many))]


def name_of(kind: str, number: int) -> str:
    return f"{kind}:{number}" if number else kind


def read(word: str) -> str:
    """Read a device's name; raises UserError where it is none."""
    kind, colon, number = word.partition(":")
    if kind not in {CPU, GPU} or (colon and not number.isdecimal()):
        raise UserError(f"unknown device {word!r}; expected cpu, gpu, gpu:1, … or all")
    return name_of(kind, int(number or 0))


def spelled_out(text: str) -> str:
    """Write out `all`, and an empty text, which means the CPU and the first GPU, if any."""
    if text.strip() == "all":
        return ",".join(present())
    return text or ",".join(present()[:2])


def describe() -> dict[str, list[str]]:
    """Return each GPU with its memory, and the driver's version; empty where there is none."""
    if len(present(variables={})) == 1:
        return {}
    try:
        told = subprocess.run(_ASK, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return {"gpus": ["a GPU that nvidia-smi does not tell of"]}
    rows = [line.rpartition(", ") for line in told.splitlines() if line.strip()]
    return {"gpus": [name for name, _, _ in rows], "drivers": sorted({last for _, _, last in rows})}


def usable() -> frozenset[int]:
    """Return the processors that this process may use, by number; all where it cannot be pinned."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def can_pin() -> bool:
    """True if this system can pin a process to processors; macOS cannot."""
    return hasattr(os, "sched_setaffinity")
