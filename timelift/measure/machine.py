"""The machine: its backends, found without importing any, and what else a run tells of it."""

import hashlib
import hmac
import os
import platform
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from timelift.axis_values import Backend, Runtime
from timelift.canary import OWN_GROUPS, Groups, text_of, time_canary
from timelift.case import Setting
from timelift.errors import UserError
from timelift.journal.lines import Machine
from timelift.measure.backends import keras_settings, why_not_installed, why_not_served
from timelift.measure.options import device_names

#: The packages of a backend or runtime whose versions change what is measured.
PACKAGES: Mapping[str, tuple[str, ...]] = {
    Backend.TENSORFLOW: ("tensorflow",),
    Backend.JAX: ("jax", "jaxlib"),
    Backend.TORCH: ("torch",),
    **{runtime: runtime.packages for runtime in Runtime},
}
#: Other packages whose versions are recorded, whatever the backend.
COMMON_PACKAGES = ("keras", "numpy", "ml_dtypes", "pytest", "pytest-benchmark")
#: Characters of a machine's name, which is also the name of its folder.
LONGEST_NAME = 120
#: Environment variables that change how fast the backend runs.
SPEED_VARIABLES = (
    *("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTRAOP_THREADS", "TF_XLA_FLAGS", "TF_CUDNN_USE_AUTOTUNE"),
    *("XLA_FLAGS", "XLA_PYTHON_CLIENT_PREALLOCATE", "JAX_DEFAULT_MATMUL_PRECISION", "NPROC"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    *("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES"),
    "CUDA_DEVICE_ORDER",
)
#: What keras.json may say of the order of axes and of numbers that changes what layers compute.
UNUSUAL_SETTINGS = ("channels_first", "float16", "bfloat16", "float64")
_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
#: Where WSL, AMD and Tegra show GPUs, of which `device_names` knows nothing.
_OTHER_GPUS = [Path("/dev", name) for name in ("dxg", "kfd", "nvgpu", "nvhost-gpu")]
_SMI = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]


def packages(used: Iterable[str]) -> tuple[str, ...]:
    """Return the packages of these backends and runtimes, and those that all have."""
    used = {*used}
    own = (name for part, names in PACKAGES.items() if part in used for name in names)
    return (*own, *COMMON_PACKAGES)


def why_not_here(setting: Setting) -> str:
    """Reason why a setting cannot be measured on this machine, or ''."""
    here = [setting.device] if setting.on_cpu else device_names()  # which asks the file system
    if setting.device in here or any(map(Path.exists, _OTHER_GPUS)):
        return why_not_installed(setting.backend) or why_not_served(setting.runtime)
    return f"--devices {setting.device}: this machine has {', '.join(here)}"


def refuse_without_backend() -> None:
    """Raise UserError if nothing can be measured in this environment."""
    if not Path("/proc/self").exists():
        raise UserError("measuring forks and reads /proc, which this system lacks; use Linux")
    if all(missing := [*map(why_not_installed, Backend)]):
        raise UserError(
            f"no backend: {missing[0]}, or jax or torch instead of tensorflow, into the "
            f"environment of your project, which is now that of {sys.executable}"
        )
    found = versions(("keras", "keras-nightly"))
    refuse_old_keras(next(iter(found.values()), "none"), sys.executable)


def refuse_old_keras(version: str, python: str) -> None:
    """Raise UserError if an interpreter has Keras 2, another that is too old, or none."""
    if [*map(int, re.findall(r"\d+", version)[:2])] < [3, 4]:  # docs/environments.md
        raise UserError(
            f"expected Keras 3.4 or newer in the environment of {python}, received {version}; "
            f"install it with: {python} -m pip install 'keras>=3.4,<4'"
        )


def versions(names: Iterable[str]) -> dict[str, str]:
    found = {name: next(iter(distributions(name=name)), None) for name in names}
    return {name: one.version for name, one in found.items() if one}


def this_machine(used: Iterable[str], groups: Groups = OWN_GROUPS) -> Machine:
    """Describe this machine and the versions of these backends and runtimes, without a host name.

    With another quota of cores it is another machine.
    """
    gpus = describe_gpus()
    identity = _identity(gpus.get("gpus", []), groups.quota_cores())
    return Machine(
        name=_name(identity, gpus.get("gpus", [])),
        identity=identity,
        drift={
            "versions": versions(packages(used)),
            "python": platform.python_version(),
            "kernel": platform.release(),
            **({"gpu_driver": ", ".join(gpus["drivers"])} if "drivers" in gpus else {}),
            "governor": text_of(_GOVERNOR).strip() or None,
            "flags": {name: os.environ[name] for name in SPEED_VARIABLES if name in os.environ}
            | {name: word for name, word in keras_settings().items() if word in UNUSUAL_SETTINGS},
        },
        information={"canary_seconds": time_canary(), "busy": psutil.cpu_percent(0.2) / 100},
    )


def machine_mark() -> str:
    """Return 8 digits that tell this machine from others, and nothing more of it.

    A container is a machine of its own (a cluster joins those of one boot). Where the process is
    bound to some cores, 4 more digits after a dash tell them from others.
    Source: machine-id(5), which asks for a keyed digest of the id where it leaves the machine.
    """
    known = text_of(Path("/etc/machine-id")).strip() or f"{uuid.getnode():x}"
    secret, cores = f"{known} {platform.node()}".encode(), bound_cores()
    marks = [hmac.new(secret, text.encode(), hashlib.sha256) for text in ("timelift", f"{cores}")]
    machine, own = (mark.hexdigest() for mark in marks)
    return f"{machine[:8]}-{own[:4]}" if cores else machine[:8]


def bound_cores() -> list[int] | None:
    """Return the processors that this process is bound to; None where it may use all of them."""
    cores = sorted(os.sched_getaffinity(0))
    return cores if len(cores) < (os.cpu_count() or 1) else None


def describe_gpus() -> dict[str, list[str]]:
    """Return each GPU with its memory, and the driver's version; empty if there is none."""
    if len(device_names(variables={})) == 1:
        return {}
    try:
        done = subprocess.run(_SMI, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return {"gpus": ["a GPU of which nvidia-smi reports nothing"]}
    rows = [line.rpartition(", ") for line in done.stdout.splitlines() if line.strip()]
    return {
        "gpus": [name for name, _, _ in rows],
        "drivers": sorted({driver for _, _, driver in rows}),
    }


def _identity(gpus: Sequence[str], quota: float | None) -> dict[str, Any]:
    named = re.search(r"^model name\s*:\s*(.*)$", text_of(Path("/proc/cpuinfo")), re.MULTILINE)
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "cpu": named[1].strip() if named else platform.processor() or "unknown",
        "cores": len(os.sched_getaffinity(0)),
        **({"quota_cores": quota} if quota else {}),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        **({"gpus": ", ".join(gpus)} if gpus else {}),
    }


def _name(identity: Mapping[str, Any], gpus: Iterable[str]) -> str:
    """Return the name of the machine's folder; equal GPUs are counted, and a long name is cut."""
    words = [f"{identity['cpu']} {identity['cores']}cores {identity['memory_gib']}gib"]
    if "quota_cores" in identity:
        words.append(f"{identity['quota_cores']}quota")
    counts = Counter(gpus).items()
    words += [f"{count}x {gpu}" if count > 1 else gpu for gpu, count in counts]
    name = re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")
    return name[:LONGEST_NAME].strip("-")


def room_watch() -> Callable[[], bool]:
    """Return what tells whether less than half of the memory that is free now was taken."""

    def free() -> float:
        return min(psutil.virtual_memory().available, OWN_GROUPS.free_bytes())

    least = free() / 2
    return lambda: free() > least
