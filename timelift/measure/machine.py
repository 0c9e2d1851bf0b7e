"""Which machine this is: its identity, what may drift on it, and what is only worth knowing."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

from timelift.measure import quiet

#: Packages whose version changes what is measured.
PACKAGES = ("tensorflow", "keras", "numpy", "ml_dtypes", "pytest", "pytest-benchmark")
#: Environment variables that change how fast the backend runs.
FLAGS = ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def describe() -> dict[str, Any]:
    """Describe this machine in three parts.

    `identity` differs between runs: they are not comparable. `drift` differs: compare, but say so.
    `information` is for the reader. `name` is made of the identity and holds no host name.
    """
    identity = _identity()
    return {
        "name": _name(identity),
        "identity": identity,
        "drift": {
            "versions": versions(),
            "python": platform.python_version(),
            "kernel": platform.release(),
            "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            "flags": {name: os.environ[name] for name in FLAGS if name in os.environ},
        },
        "information": {
            **quiet.describe(),
            "free_bytes": psutil.virtual_memory().available,
            "hypervisor": "hypervisor" in _cpu_info("flags").split(),
        },
    }


def _identity() -> dict[str, Any]:
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": _cpu_info("model name") or platform.processor() or "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }


def _name(identity: dict[str, Any]) -> str:
    words = f"{identity['cpu']} {identity['cores']}cores {identity['memory_gib']}gib"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def versions() -> dict[str, str]:
    """The installed versions of the packages that matter, read without importing them."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit(root: Path) -> dict[str, Any]:
    """The commit of `root` and whether tracked files differ from it; no git gives no id."""
    try:
        revision = _git(root, "rev-parse", "HEAD")
        return {"id": revision, "dirty": bool(_git(root, "status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {"id": None, "dirty": False}


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _cpu_info(field: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    found = re.search(rf"^{field}\s*:\s*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
