"""Whether a GPU's clocks are held down by heat or by its power supply, as NVML tells.

NVML is NVIDIA's management library, through the package nvidia-ml-py; without it nothing is told,
and no round is dropped for it.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from timelift.case import GPU

#: NVML's bits for the reasons that no round should be timed under (nvml.h, nvmlClocksEventReasons):
#: slowed by hardware, by heat as software or hardware sees it, by the power brake. The software's
#: power cap is none of them: that is how a board under load always is.
HELD_DOWN = 0x08 | 0x20 | 0x40 | 0x80


class Counts(Protocol):
    """A count that grows whenever clocks are found held down."""

    def __call__(self) -> int:
        """Look once more and give how often they were."""


def watch(device: str, import_nvml: Callable[[], Any] | None = None) -> Counts:
    """Watch a device by its name; one that NVML does not know is never throttled."""
    kind, _, number = device.partition(":")
    if kind != GPU:
        return _never
    try:
        nvml = (import_nvml or _import_nvml)()
        nvml.nvmlInit()
        return _Watch(nvml, _handle(nvml, int(number or 0), os.environ))
    except Exception:  # noqa: BLE001 - absent, or without a driver: NVML has an error of its own
        return _never


def _import_nvml() -> Any:
    import pynvml  # noqa: PLC0415 - an extra, for machines with a GPU

    return pynvml


def _handle(nvml: Any, number: int, variables: Mapping[str, str]) -> Any:
    """Find the device of a number among those that CUDA_VISIBLE_DEVICES shows, by place or name."""
    shown = [one.strip() for one in variables.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    name = shown[number] if number < len(shown) and shown[number] else str(number)
    if name.isdecimal():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


class _Watch:
    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle, self._found = nvml, handle, 0
        self()

    def __call__(self) -> int:
        try:
            reasons = self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle)
        except Exception:  # noqa: BLE001 - a driver that does not tell now is no fault of a rival
            return self._found
        self._found += bool(reasons & HELD_DOWN)
        return self._found


def _never() -> int:
    return 0
