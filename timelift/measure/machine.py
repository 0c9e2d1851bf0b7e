"""The machine: its identity, what may drift on it, and what is only worth knowing."""

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from timelift.canary import canary
from timelift.case import Backend
from timelift.cgroup import HERE, Groups
from timelift.journal import Commit, Machine
from timelift.measure import devices
from timelift.measure.backends import packages

#: Environment variables that change how fast the backend runs.
FLAGS = (
    *("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "TF_XLA_FLAGS", "TF_CUDNN_USE_AUTOTUNE"),
    *("XLA_FLAGS", "XLA_PYTHON_CLIENT_PREALLOCATE", "JAX_DEFAULT_MATMUL_PRECISION", "NPROC"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    *("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES"),
    "CUDA_DEVICE_ORDER",
)


def describe(backends: Iterable[Backend], groups: Groups = HERE) -> Machine:
    """Describe this machine, with the versions of these backends.

    Its name holds no host name. A container with another quota of the processors, which its
    `groups` tell, is another machine.
    """
    gpus = devices.describe()
    identity = _identity(gpus.get("gpus", []), groups.quota_cores())
    return Machine(
        name=_name(identity),
        identity=identity,
        drift={
            "versions": versions(packages(sorted(backends))),
            "python": platform.python_version(),
            "kernel": platform.release(),
            **({"gpu_driver": ", ".join(gpus["drivers"])} if "drivers" in gpus else {}),
            "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            "flags": {name: os.environ[name] for name in FLAGS if name in os.environ},
        },
        information={
            **_state(),
            "free_bytes": psutil.virtual_memory().available,
            "hypervisor": "hypervisor" in _cpu_info("flags").split(),
        },
    )


def _identity(gpus: Sequence[str], quota: float | None) -> dict[str, Any]:
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": _cpu_info("model name") or platform.processor() or "unknown",
        "cores": len(devices.usable()),
        **({"quota_cores": quota} if quota else {}),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        **({"gpus": ", ".join(gpus)} if gpus else {}),
    }


def _name(identity: dict[str, Any]) -> str:
    words = f"{identity['cpu']} {identity['cores']}cores {identity['memory_gib']}gib"
    words += f" {identity['quota_cores']}quota" if "quota_cores" in identity else ""
    words += f" {identity.get('gpus', '')}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for package in names:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit(root: Path) -> Commit:
    """Return the commit of `root` and whether tracked files differ from it; no git gives no id."""
    try:
        revision = _git(root, "rev-parse", "HEAD")
        return Commit(revision, bool(_git(root, "status", "--porcelain", "-uno")))
    except (OSError, subprocess.CalledProcessError):
        return Commit()


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


def _state() -> dict[str, Any]:
    seen = canary()
    busy = psutil.cpu_percent(interval=0.2) / 100
    return {
        "load": list(os.getloadavg()),
        "busy": round(busy, 3),
        "frequency_mhz": _frequency(),
        "canary_seconds": seen.seconds,
        "canary_jitter": round(seen.jitter, 3),
    }


def _frequency() -> float | None:
    try:
        found = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        return None
    return round(found.current) if found else None
